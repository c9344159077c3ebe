"""Paired statistics on scores per image: rankings, differences, confidence intervals and the verdict."""
