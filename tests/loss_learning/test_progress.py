"""The estimate of the remaining time while a loss is learned."""

from dataclasses import replace

import pytest
import torch

from lossmith.core.progress import ProgressBar
from lossmith.degradations import degradation
from lossmith.loss_learning import PUBLISHED, DegradedSample, LossRecipe
from lossmith.loss_learning.progress import OVERHEAD_COST, ScaleProgress, iteration_costs
from lossmith.loss_learning.pyramid import ImagePyramid


def costs(recipe: LossRecipe) -> list[float]:
    sample = DegradedSample(torch.zeros(3, 169, 250), degradation("jpeg"))
    return iteration_costs(ImagePyramid(sample, recipe, seed=0), recipe)


def test_an_iteration_costs_more_at_every_finer_scale_of_whole_images() -> None:
    assert len(costs(PUBLISHED)) == 8
    assert costs(PUBLISHED) == sorted(set(costs(PUBLISHED)))


def test_crops_of_one_size_cost_the_same_at_every_scale() -> None:
    recipe = LossRecipe(crop=40, min_side=48)
    assert len(costs(recipe)) > 1
    assert len(set(costs(recipe))) == 1


@pytest.mark.parametrize("crop", [0, 40])
def test_twice_the_batch_costs_twice_as_much_but_for_the_overhead(crop: int) -> None:
    once = LossRecipe(crop=crop, batch=2)
    twice = replace(once, batch=4)
    assert [cost - OVERHEAD_COST for cost in costs(twice)] == pytest.approx(
        [2 * (c - OVERHEAD_COST) for c in costs(once)]
    )


def test_the_time_left_is_right_where_iterations_take_what_they_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(ProgressBar, "due", lambda self, share: True)
    monkeypatch.setattr(
        ProgressBar, "show", lambda self, title, share, status: shown.append((title, share, status))
    )
    cost, iterations, seconds = [1.0, 3.0], 10, 0.0
    with ScaleProgress(cost, iterations) as progress:
        for scale in (0, 1):
            for iteration in range(1, iterations + 1):
                seconds += 10 * cost[scale]
                progress.show(scale, iteration, {"mse": 0.25}, seconds)
    assert shown[0] == ("scale 1 of 2", 1 / 40, "iteration 1 of 10    mse 0.25")  # one tells no speed yet
    assert shown[9] == ("scale 1 of 2", 10 / 40, "iteration 10 of 10  5:00 left  mse 0.25")
    assert shown[10][2].startswith("iteration 1 of 10  4:30 left")
    assert shown[-1] == ("scale 2 of 2", 1.0, "iteration 10 of 10  0:00 left  mse 0.25")


def test_the_time_left_counts_from_where_a_stopped_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(ProgressBar, "due", lambda self, share: True)
    monkeypatch.setattr(ProgressBar, "show", lambda self, title, share, status: shown.append(status))
    with ScaleProgress([1.0], 10) as progress:
        progress.show(0, 5, {}, 1000.0)
        progress.show(0, 6, {}, 1002.0)
    assert shown[-1] == "iteration 6 of 10  0:08 left"
