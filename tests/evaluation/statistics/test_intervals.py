"""Intervals hold the truth as often as they say, and are Student's t where there is nothing to cross."""

import math
from functools import cache, partial

import numpy as np
import pytest
from scipy import stats

from lossmith.evaluation.statistics.intervals import estimate, students_t

from .simulations import crossed, skewed

SPLITS = {
    "images": {"image": 1.0, "seed": 0.0, "rest": 0.3},
    "seeds": {"image": 0.0, "seed": 1.0, "rest": 0.3},
    "both alike in the mean": {"image": 2.0, "seed": 1.0, "rest": 0.0},
    "neither": {"image": 0.0, "seed": 0.0, "rest": 1.0},
    "a photograph's": {"image": 0.25, "seed": 0.1, "rest": 0.25},
}
SHAPES = [(2, 4), (2, 12), (3, 8), (4, 24), (8, 12)]


def half_widths(values, confidence):
    """Of many tables, (tables, seeds, images)."""
    quantile = cache(partial(students_t, confidence=confidence))
    return np.array([estimate(table).half_width(quantile) for table in values])


def missed(values, confidence):
    """How many of many tables have an interval that misses 0."""
    return int((np.abs(values.mean((1, 2))) > half_widths(values, confidence)).sum())


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9975])
def test_with_one_seed_it_is_scipys_t_test_over_images(rng, confidence):
    values = rng.normal(0.3, 1, (1, 9))
    expected = stats.ttest_1samp(values[0], 0).confidence_interval(confidence)
    assert estimate(values).interval(confidence) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert estimate(values).error == pytest.approx(stats.sem(values[0]))


def test_with_one_image_it_is_scipys_t_test_over_seeds(rng):
    values = rng.normal(0.3, 1, (5, 1))
    expected = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    assert estimate(values).interval() == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_of_two_methods_it_is_scipys_paired_t_test(rng):
    first, second = rng.normal(size=(2, 1, 12))
    expected = stats.ttest_rel(first[0], second[0]).confidence_interval(0.95)
    assert estimate(first - second).interval() == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_where_only_seeds_vary_it_is_scipys_t_test_of_their_means(rng):
    seeds = rng.normal(size=(4, 1))
    expected = stats.ttest_1samp(seeds[:, 0], 0).confidence_interval(0.99)
    assert estimate(np.repeat(seeds, 6, 1)).interval(0.99) == pytest.approx((expected.low, expected.high))


def test_the_error_is_that_of_the_two_way_analysis_of_variance(rng):
    """Var(mean) = image / images + seed / seeds + rest / both, of balanced data with random effects."""
    values = rng.normal(size=(6, 7)) + 2 * rng.normal(size=7) + rng.normal(size=(6, 1))
    seeds, images = values.shape
    rest = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
    of_rest = np.square(rest).sum() / ((seeds - 1) * (images - 1))
    of_images = values.mean(0).var(ddof=1) - of_rest / seeds
    of_seeds = values.mean(1).var(ddof=1) - of_rest / images
    expected = math.sqrt(of_images / images + of_seeds / seeds + of_rest / values.size)
    assert estimate(values).error == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("error", [0.05, 0.005], ids=["alone", "of ten pairs"])
def test_at_most_as_many_miss_the_truth_as_is_said(rng, shape, split, error):
    """2000 tables; 4 standard errors more are allowed, since there are 50 cases."""
    values = crossed(rng, 2000, shape, **SPLITS[split])
    allowed = 2000 * error + 4 * math.sqrt(2000 * error * (1 - error))
    assert missed(values, 1 - error) <= allowed


def test_where_one_part_dominates_exactly_as_many_miss_it(rng):
    for split, shape in (("images", (8, 6)), ("seeds", (3, 24))):
        values = crossed(rng, 8000, shape, **{**SPLITS[split], "rest": 0.0})
        assert missed(values, 0.95) == pytest.approx(400, abs=4 * math.sqrt(8000 * 0.05 * 0.95))


@pytest.mark.parametrize("split", SPLITS)
def test_skewed_differences_cost_little(rng, split):
    """As with any t interval, few skewed numbers are missed a little more often: 8 % of twelve or more."""
    for shape in ((3, 12), (8, 24)):
        values = crossed(rng, 4000, shape, **SPLITS[split], draw=skewed(rng))
        assert missed(values, 0.95) <= 0.09 * 4000


def test_more_seeds_and_more_images_make_it_narrower_on_average(rng):
    def width(shape):
        values = crossed(rng, 500, shape, image=1.0, seed=0.5, rest=0.5)
        return half_widths(values, 0.95).mean()

    assert width((3, 8)) > width((6, 8)) > width((6, 24))


def test_two_agreeing_seeds_are_not_taken_for_seeds_that_agree(rng):
    """Means of two seeds that happen to be close: the interval remains ten times as wide as their distance."""
    values = np.array([[0.5], [0.6]]) + 0.01 * rng.standard_normal((2, 24))
    low, high = estimate(values).interval(0.99)
    assert high - low > 10 * 0.1


def test_one_number_alone_says_nothing():
    alone = estimate(np.array([[1.5]]))
    assert alone.mean == 1.5
    assert all(map(math.isnan, (alone.error, *alone.interval())))


def test_what_does_not_vary_has_an_interval_of_no_width():
    for shape in ((1, 3), (2, 3), (4, 1)):
        assert estimate(np.full(shape, 0.1)).interval(0.99) == (pytest.approx(0.1), pytest.approx(0.1))
        assert estimate(np.full(shape, 0.1)).error == 0
