"""Runs that destroyed the images."""

import math

import pytest

from lossmith.commands.compare.collapsed_runs import collapsed_runs
from lossmith.evaluation import DEGRADED, Row


def rows(**psnr: float) -> list[Row]:
    return [Row(image, method, 0, {"psnr": value}) for method, value in psnr.items() for image in "ab"]


@pytest.mark.parametrize(("psnr", "collapsed"), [(7.0, 1), (26.9, 1), (27.1, 0), (31.0, 0), (math.nan, 0)])
def test_only_runs_far_below_the_input_are_named(psnr: float, collapsed: int) -> None:
    assert len(collapsed_runs(rows(**{DEGRADED: 30.0}, l1=31.0, ssim=psnr))) == collapsed


def test_each_seed_is_looked_at_by_itself() -> None:
    runs = [*rows(**{DEGRADED: 30.0}, ssim=31.0), *(Row(i, "ssim", 1, {"psnr": 7.0}) for i in "ab")]
    assert [sentence.partition(":")[0] for sentence in collapsed_runs(runs)] == ["ssim collapsed with seed 1"]


def test_without_a_degraded_input_nothing_is_said() -> None:
    assert collapsed_runs(rows(l1=7.0)) == []
