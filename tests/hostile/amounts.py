"""How much is fuzzed, and the count of it that is printed behind the tests."""

from collections import Counter

FEW, MANY = 12, 400
"""Inputs for each test, by default and where a test is slow."""

counted: Counter[str] = Counter()


def fuzzed(what: str) -> None:
    """Count an input."""
    counted[what] += 1
