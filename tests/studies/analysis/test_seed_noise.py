"""Intervals over a few seeds, in simulations with a known truth."""

import numpy as np
import pytest
from scipy import stats

from lossmith.studies.analysis.seed_noise import seeds_interval

DIFFERENCE, SCORE = [1.0, -1.0, *[0.0] * 10], [1.0, *[0.0] * 11]


@pytest.mark.parametrize("weights", [DIFFERENCE, SCORE, [0.5, 0.5, -0.5, -0.5, *[0.0] * 8]])
@pytest.mark.parametrize(("items", "of_item", "of_seed", "of_both"), [(12, 1.0, 0.0, 0.5), (5, 0.5, 0.4, 0.4)])
def test_the_truth_is_inside_95_percent_of_the_time(
    weights: list[float], items: int, of_item: float, of_seed: float, of_both: float
) -> None:
    """With two seeds, in 800 repetitions: 95 % +- 3 standard errors of 0.8 %, and more where parts are unequal.

    There Satterthwaite's degrees of freedom are too few, which is cautious.
    """
    rng, shape, hits = np.random.default_rng(0), (12, 2, items), 0
    for _ in range(800):
        table = (
            of_item * rng.standard_normal((12, 1, items))
            + of_seed * rng.standard_normal((1, 2, 1))
            + of_both * rng.standard_normal((12, 2, 1))
            + 0.3 * rng.standard_normal(shape)
        )
        low, high = seeds_interval(table, np.array(weights))
        hits += low <= 0 <= high
    assert 0.925 <= hits / 800 <= 0.995


def test_two_seeds_of_many_configurations_are_enough_for_a_clear_difference() -> None:
    table = np.random.default_rng(0).normal(0, 0.05, (20, 2, 10))
    table[0] += 0.5
    low, _ = seeds_interval(table, np.array([1.0, -1.0, *[0.0] * 18]), confidence=1 - 0.05 / 20)
    assert low > 0.2


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.5, 0.5]])
def test_a_difference_and_a_mean_of_two_configurations_have_students_interval(weights: list[float]) -> None:
    table = np.random.default_rng(0).normal(0, 1, (2, 6, 1))
    expected = stats.ttest_1samp(np.tensordot(weights, table[..., 0], 1), 0).confidence_interval(0.95)
    assert seeds_interval(table, np.array(weights)) == pytest.approx((expected.low, expected.high))


def test_what_never_varies_is_certain() -> None:
    assert seeds_interval(np.full((3, 2, 4), 0.5), np.array([1.0, -1.0, 0.0])) == (0.0, 0.0)
