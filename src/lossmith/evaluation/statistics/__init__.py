"""Paired statistics on scores per image: rankings, differences, confidence intervals, and what they are due to."""
