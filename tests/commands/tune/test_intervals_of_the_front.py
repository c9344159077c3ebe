"""The intervals of the front on validation crops: what other seeds would give on the same crops."""

import math

import pytest
from scipy import stats

from lossmith.commands.tune.report import _seed_means
from lossmith.evaluation import Row, find_metric

PSNR = find_metric("psnr")


def rows(*seeds: tuple[float, float]) -> list[Row]:
    """Scores on an easy and on a difficult crop, and those of another method, which do not count."""
    own = [
        Row(crop, "trial 3", seed, {"psnr": psnr})
        for seed, scores in enumerate(seeds, 1)
        for crop, psnr in zip(("easy", "difficult"), scores, strict=True)
    ]
    return [*own, Row("easy", "trial 4", 1, {"psnr": 99.0})]


def test_it_is_students_t_of_the_means_of_seeds() -> None:
    mean = _seed_means(rows((40.0, 20.0), (40.2, 20.2), (40.1, 19.9)), "trial 3", [PSNR])["psnr"]
    assert mean.value == pytest.approx(30.2 / 3 + 60.0 / 3)
    low, high = stats.t.interval(0.95, 2, loc=mean.value, scale=stats.sem([30.0, 30.2, 30.0]))
    assert (mean.low, mean.high) == pytest.approx((low, high))


def test_crops_that_differ_in_difficulty_make_it_no_wider() -> None:
    alike, apart = (
        _seed_means(rows((30 + gap, 30 - gap), (30.2 + gap, 30.2 - gap)), "trial 3", [PSNR])["psnr"]
        for gap in (0.0, 10.0)
    )
    assert apart.high - apart.low == pytest.approx(alike.high - alike.low)


def test_one_seed_has_none_and_a_method_without_runs_no_mean() -> None:
    mean = _seed_means(rows((30.0, 31.0)), "trial 3", [PSNR])["psnr"]
    assert mean.value == 30.5
    assert math.isnan(mean.low)
    assert math.isnan(mean.high)
    assert _seed_means(rows((30.0, 31.0)), "trial 5", [PSNR]) == {}
