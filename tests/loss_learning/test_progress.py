"""The estimate of the remaining time while a loss is learned."""

import pytest
import torch

from lossmith.degradations import degradation
from lossmith.loss_learning import PUBLISHED, DegradedSample
from lossmith.loss_learning.progress import iteration_costs
from lossmith.loss_learning.pyramid import ImagePyramid

SECONDS = (0.051, 0.066, 0.095, 0.151, 0.633, 1.360, 2.763, 4.960)
"""Of an iteration of the published recipe at each scale of an image of 169 x 250 pixels, timed on two cores."""


@pytest.mark.parametrize("scale", range(len(SECONDS)))
def test_the_remaining_time_is_estimated_within_a_third_at_any_scale(scale: int) -> None:
    costs = iteration_costs(
        ImagePyramid(DegradedSample(torch.zeros(3, 169, 250), degradation("jpeg")), PUBLISHED, seed=0), PUBLISHED
    )
    assert len(costs) == len(SECONDS)
    estimate = sum(costs) * SECONDS[scale] / costs[scale]
    assert estimate == pytest.approx(sum(SECONDS), rel=1 / 3)
