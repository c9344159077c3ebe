"""What runs logged of the terms of their loss, read and averaged."""

import math

import pytest

from lossmith.evaluation import MeanPulls, Pulls

A, B, C = "l1", "0.1*ssim", "l1 and more"
"""The last one is what a pair could be mistaken for."""


def test_pairs_are_told_by_the_terms_that_there_are() -> None:
    names = [f"share of {term}" for term in (A, B, C)] + [f"cosine of {A} and {C}", f"cosine of {B} and {C}"]
    pulls = Pulls.read([{"step": "0", **dict.fromkeys(names, "")}, {"step": "3", **dict.fromkeys(names, "0.25")}])
    assert pulls == Pulls([3], {term: [0.25] for term in (A, B, C)}, {(A, C): [0.25], (B, C): [0.25]})


def test_means_are_over_looks_and_runs_and_over_what_has_a_value() -> None:
    first = Pulls([1, 101], {A: [0.8, 0.6], B: [0.2, 0.4]}, {(A, B): [math.nan, 0.5]})
    second = Pulls([1], {A: [0.4], B: [0.6]}, {})
    mean = MeanPulls.of([first, second])
    assert mean.shares == pytest.approx({A: 0.6, B: 0.4})
    assert mean.cosines == {(A, B): 0.5}


def test_the_stages_of_a_schedule_are_looks_in_a_row_at_the_same_terms() -> None:
    nan = math.nan
    pulls = Pulls(
        [1, 101, 201],
        {A: [0.8, 0.7, nan], B: [0.2, 0.3, 0.9], C: [nan, nan, 0.1]},
        {(A, B): [0.5, 0.6, nan], (B, C): [nan, nan, -0.5]},
    )
    before, after = pulls.stages()
    assert (before.steps, before.shares) == ([1, 101], {A: [0.8, 0.7], B: [0.2, 0.3]})
    assert MeanPulls.of([after]) == MeanPulls({B: 0.9, C: 0.1}, {(B, C): -0.5})
    assert Pulls([1], {A: [1.0]}, {}).stages() == [Pulls([1], {A: [1.0]}, {})]
