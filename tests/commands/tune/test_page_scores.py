"""The scores of the page: intervals of the front over seeds, and stopped trials beside complete ones."""

import math
from pathlib import Path

import pytest
import torch
from scipy import stats

from lossmith.commands.tune.pruning import Look, Pruner, read_looks
from lossmith.commands.tune.report import _seed_means
from lossmith.commands.tune.trial import State, Trial, comparable_scores
from lossmith.evaluation import Protocol, Row, find_metric
from lossmith.training import Validation

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


# --- looks -----------------------------------------------------------------------------------------------------


def test_looks_are_at_crops_on_which_all_goals_can_be_measured(tmp_path: Path) -> None:
    """Also where patches are smaller, as those of many short runs."""
    goals = [PSNR, find_metric("ssim")]
    pruner = Pruner(tmp_path / "looks.json", goals, Protocol(border=2))
    assert pruner.min_side == 11 + 4
    clean = torch.rand(2, 3, pruner.min_side, pruner.min_side, generator=torch.Generator().manual_seed(0))
    pruner.observe(Validation(5, 50, 1.0, clean, 0.9 * clean, clean))
    assert all(math.isfinite(score) for score in read_looks(pruner.file)[5].scores.values())


# --- stopped trials --------------------------------------------------------------------------------------------


def trial(number: int, state: State, end: float, looks: dict[int, float]) -> Trial:
    """A trial with a PSNR at the end and at looks, which are at other crops."""
    seen = {look: Look({"psnr": psnr}, 10 * look, 1.0) for look, psnr in looks.items()}
    scores = {"psnr": end}
    return Trial("l1", 0, Path(), "fcn", None, None, number, {"W": 0.5}, 1e-3, state, scores, 100, 1.0, seen)


def test_a_stopped_trial_is_as_far_behind_as_it_was() -> None:
    rival = trial(0, "complete", 30.0, {5: 24.0, 6: 25.0, 9: 26.0})
    stopped = trial(1, "pruned", 24.5, {5: 23.95, 6: 24.5})
    assert comparable_scores(stopped, [rival, stopped], [PSNR]) == {"psnr": 29.5}
    assert comparable_scores(rival, [rival, stopped], [PSNR]) == {"psnr": 30.0}


def test_it_is_measured_by_the_trial_that_stopped_it() -> None:
    """Neither by one that was not better, nor by one that was stopped, nor by one that came later."""
    rival = trial(2, "complete", 30.0, {5: 25.0})
    others = [
        trial(0, "complete", 29.0, {5: 24.55}),
        trial(1, "pruned", 26.0, {5: 26.0}),
        trial(4, "complete", 31.0, {5: 26.0}),
    ]
    stopped = trial(3, "pruned", 24.5, {5: 24.5})
    assert comparable_scores(stopped, [*others[:2], rival, stopped, others[2]], [PSNR]) == {"psnr": 29.5}
    assert comparable_scores(stopped, others, [PSNR]) == {}
