"""Spearman's rank correlation against SciPy, and what its interval promises."""

import math

import numpy as np
import pytest
from scipy import stats

from lossmith.studies.analysis import correlations
from lossmith.studies.analysis.correlations import spearman


def test_agrees_with_scipy_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 5, 12, 40):
        first, second = rng.normal(size=(2, size))
        assert spearman(first, second).value == pytest.approx(stats.spearmanr(first, second).statistic)
        first, second = rng.integers(0, 4, (2, size + 3))
        assert spearman(first, second).value == pytest.approx(stats.spearmanr(first, second).statistic)


def test_the_interval_is_of_percentiles_of_resampled_points() -> None:
    # another generator of random numbers: quantiles of 2000 resamples agree to about 0.03
    rng = np.random.default_rng(5)
    first = rng.normal(size=30)
    second = first + rng.normal(size=30)
    estimate = spearman(first, second)
    rhos = []
    for _ in range(1000):
        draw = rng.integers(30, size=30)
        rhos.append(stats.spearmanr(first[draw], second[draw]).statistic)
    assert (estimate.low, estimate.high) == pytest.approx(np.quantile(rhos, [0.025, 0.975]), abs=0.05)


def test_clusters_of_equal_points_count_as_one_point_each() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 8))
    single = spearman(first, second)
    repeated = spearman(np.repeat(first, 4), np.repeat(second, 4), np.repeat(np.arange(8), 4).tolist())
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high), abs=1e-12)
    naive = spearman(np.repeat(first, 4), np.repeat(second, 4))
    assert naive.high - naive.low < 0.8 * (single.high - single.low)


def test_the_interval_holds_zero_as_often_as_it_says_where_there_is_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 95 %, less three standard errors of 150 studies; fewer resamples, for speed
    monkeypatch.setattr(correlations, "RESAMPLES", 400)
    rng = np.random.default_rng(3)
    signs = [spearman(*rng.normal(size=(2, 8))).sign for _ in range(150)]
    assert signs.count(0) / 150 > 0.95 - 3 * (0.95 * 0.05 / 150) ** 0.5


@pytest.mark.parametrize("size", [2, 5])
def test_few_points_have_no_interval(size: int) -> None:
    estimate = spearman(range(size), range(size))
    assert estimate.value == pytest.approx(1)
    assert not estimate.has_interval


def test_few_clusters_have_no_interval_however_many_points() -> None:
    assert not spearman(range(40), range(40), [n // 10 for n in range(40)]).has_interval


@pytest.mark.parametrize(("first", "second"), [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3])])
def test_what_has_no_order_has_no_correlation(first: list[float], second: list[float]) -> None:
    estimate = spearman(first, second)
    assert math.isnan(estimate.value)
    assert not estimate.has_interval


def test_is_the_same_every_time() -> None:
    first, second = np.random.default_rng(4).normal(size=(2, 10))
    assert spearman(first, second) == spearman(first, second)
