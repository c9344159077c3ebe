"""The progress bar of loss learning, and the costs by which it advances."""

from collections.abc import Callable
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


class Bar(ProgressBar):
    """Keeps what it is told to show."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, float, str]] = []

    def update(self, done: float, status: Callable[[], str] = str) -> None:
        self.shown.append((self.title, done, status()))


def test_the_bar_advances_by_what_the_iterations_cost() -> None:
    bar = Bar()
    progress = ScaleProgress(bar, [1.0, 3.0], 10)
    for scale in (0, 1):
        for iteration in range(1, 11):
            progress.update(scale, iteration, {"mse": 0.25})
    fractions = [done * 40 for _, done, _ in bar.shown]
    assert fractions == pytest.approx([*range(1, 11), *range(13, 41, 3)])


def test_the_bar_names_the_scale_the_iteration_and_the_metrics() -> None:
    bar = Bar()
    ScaleProgress(bar, [1.0, 3.0], 10).update(0, 7, {"mse": 0.25, "accuracy": 0.5})
    assert bar.shown[0][::2] == ("scale 1 of 2", "iteration 7 of 10  mse 0.25  accuracy 0.5")
