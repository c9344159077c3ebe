"""The number of fuzzed inputs: how many per test, and their count, which is printed after the tests."""

from collections import Counter

FEW, MANY = 12, 400
"""Inputs per test, by default and in slow tests."""

counts: Counter[str] = Counter()


def count_fuzzed(kind: str) -> None:
    """Count a fuzzed input of a kind."""
    counts[kind] += 1
