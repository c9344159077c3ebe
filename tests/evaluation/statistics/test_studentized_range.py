"""Quantiles of the studentized range."""

import math

import pytest
from scipy import stats

from lossmith.evaluation.statistics.studentized_range import studentized_range


@pytest.mark.parametrize("confidence", [0.95, 1 - 0.05 / 7])
@pytest.mark.parametrize(("means", "freedom"), [(2, 1.0), (5, 4.5), (20, 60.0)])
def test_quantiles_are_scipys(confidence: float, means: int, freedom: float) -> None:
    """SciPy's own come from an adaptive integration to about 1e-8."""
    expected = stats.studentized_range.ppf(confidence, means, freedom)
    assert studentized_range(confidence, means, freedom) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("freedom", [1.0, 3.3, 11.0, 500.0])
def test_of_two_means_it_is_students_t(freedom: float) -> None:
    for confidence in (0.9, 0.95, 0.999):
        expected = math.sqrt(2) * stats.t.ppf((1 + confidence) / 2, freedom)
        assert studentized_range(confidence, 2, freedom) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("means", [2, 5, 30])
def test_with_a_known_variance_it_is_the_limit(means: int) -> None:
    assert studentized_range(0.95, means, math.inf) == pytest.approx(studentized_range(0.95, means, 1e6), rel=1e-5)
