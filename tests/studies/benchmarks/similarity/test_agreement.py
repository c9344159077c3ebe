"""Agreement with people: against definitions written out, and SciPy; intervals that hold the truth."""

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from lossmith.studies.benchmarks.similarity.agreement import (
    average_precision,
    interval,
    kendall,
    replicates,
    spearman,
    two_afc,
)

Array = NDArray[np.float64]


@pytest.fixture(params=range(5))
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(request.param)


def random_ratings(rng: np.random.Generator) -> tuple[Array, Array]:
    """Distances and qualities with some ties."""
    return rng.integers(0, 12, 30) / 7, rng.integers(0, 15, 30) / 3


def test_spearman_is_the_correlation_of_ranks(rng: np.random.Generator) -> None:
    distances, quality = random_ratings(rng)
    ranks = [[np.sum(x < v) + (np.sum(x == v) + 1) / 2 for v in x] for x in (-distances, quality)]
    assert spearman(distances, quality) == pytest.approx(np.corrcoef(ranks)[0, 1], abs=1e-12)
    assert spearman(distances, quality) == pytest.approx(stats.spearmanr(-distances, quality)[0], abs=1e-12)


def test_kendall_counts_pairs_in_the_same_order(rng: np.random.Generator) -> None:
    distances, quality = random_ratings(rng)
    pairs = list(combinations(range(len(quality)), 2))
    first, second = (np.array([np.sign(x[i] - x[j]) for i, j in pairs]) for x in (-distances, quality))
    tau_b = (first * second).sum() / math.sqrt(np.abs(first).sum() * np.abs(second).sum())
    assert kendall(distances, quality) == pytest.approx(tau_b, abs=1e-12)


@pytest.mark.parametrize("correlation", [spearman, kendall])
def test_distances_that_are_all_equal_agree_with_nobody(correlation: object) -> None:
    assert callable(correlation)
    assert correlation(np.ones(4), np.arange(4.0)) == 0


def test_two_afc_is_the_share_of_people_who_choose_as_the_distance(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 4, (2, 50)) / 3
    people, seconds = 5, rng.integers(0, 6, 50)  # of five people, how many find the second nearer
    agreements = []
    for d0, d1, chosen in zip(first, second, seconds, strict=True):
        votes = [1] * chosen + [0] * (people - chosen)
        agreements.append(sum(0.5 if d0 == d1 else vote == (d1 < d0) for vote in votes) / people)
    assert two_afc(first, second, seconds / people) == pytest.approx(np.array(agreements))


def test_average_precision_is_the_area_under_the_curve_of_the_best_precision(rng: np.random.Generator) -> None:
    distances, same = rng.integers(0, 25, 40) / 3, rng.integers(0, 4, 40) / 3
    points = []  # recall and precision of "all pairs as near as this look the same"
    for threshold in distances:
        found = distances <= threshold
        points.append((same[found].sum() / same.sum(), same[found].mean()))
    recalls = np.linspace(0, 1, 200_001)[1:]
    best = np.zeros_like(recalls)
    for recall, precision in points:
        best = np.where(recalls <= recall + 1e-12, np.maximum(best, precision), best)
    # a Riemann sum of 200,000 steps over at most 25 jumps of less than 1
    assert average_precision(distances, same) == pytest.approx(best.mean(), abs=25 / 200_000)


def test_average_precision_of_a_perfect_order_is_one_and_nobody_gives_none() -> None:
    assert average_precision(np.array([0.1, 0.2, 0.3]), np.array([1.0, 1.0, 0.0])) == 1
    assert math.isnan(average_precision(np.array([0.1, 0.2]), np.zeros(2)))
    # all at one distance: as precise as guessing
    assert average_precision(np.ones(4), np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)


def test_intervals_of_means_of_a_few_groups_hold_the_truth() -> None:
    held = 0
    for seed in range(100):
        values = np.random.default_rng(seed).normal(0.2, 0.1, 5)
        groups = [np.array([index]) for index in range(5)]

        def mean(items: NDArray[np.intp], values: Array = values) -> float:
            return float(values[items].mean())

        low, high = interval(values.mean(), replicates(mean, groups, seed=seed), 5)
        held += low < 0.2 < high
    assert 88 <= held <= 99  # 95 are expected; fewer than 88 have a probability of 0.2 %


def test_groups_are_drawn_whole_and_the_same_every_time() -> None:
    groups = [np.array([0, 1, 2]), np.array([3]), np.array([4, 5])]
    draws: list[list[int]] = []

    def statistic(items: NDArray[np.intp]) -> float:
        draws.append(items.tolist())
        return float(items.sum())

    values = replicates(statistic, groups, seed=3)
    assert np.array_equal(values, replicates(statistic, groups, seed=3))
    assert all(draw.count(0) == draw.count(1) == draw.count(2) for draw in draws)
    assert all(draw.count(4) == draw.count(5) for draw in draws)
    assert {draw.count(3) for draw in draws} == {0, 1, 2, 3}


def test_one_group_has_no_interval_and_ends_stay_possible() -> None:
    assert all(map(math.isnan, interval(0.5, np.array([0.5, 0.6]), 1)))
    assert all(map(math.isnan, interval(math.nan, np.array([math.nan, math.nan]), 3)))
    assert interval(0.9, np.array([-1.0, 1.0]), 3) == (-1, 1)
