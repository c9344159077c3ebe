"""The loss itself on images that were not trained on."""

import math

import pytest
import torch
from torch import Tensor, nn

from lossmith.data import ImagePair
from lossmith.losses import CallableLoss, loss
from lossmith.training import validation_loss


class Brighter(nn.Module):
    """Adds a number, and notes whether it was in eval mode."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.offset * (2 if self.training else 1)


def pairs(*values: float) -> list[ImagePair]:
    images = [torch.full((3, 8 + number, 9), value) for number, value in enumerate(values)]
    return [ImagePair(str(number), image, torch.zeros_like(image), 1) for number, image in enumerate(images)]


def test_every_image_counts_the_same_whatever_its_size() -> None:
    assert validation_loss(loss("l1"), Brighter(0.25), pairs(0.0, 0.5)) == pytest.approx(0.5, rel=1e-6)
    assert validation_loss(loss("l2"), Brighter(0.0), pairs(0.2, 0.4)) == pytest.approx(0.1, rel=1e-6)


def test_a_schedule_is_judged_by_its_end() -> None:
    schedule = loss("l1 until 50% then l2")
    assert validation_loss(schedule, Brighter(0.0), pairs(0.5)) == pytest.approx(0.25, rel=1e-6)
    assert float(schedule(torch.ones(1, 3, 8, 8) / 2, torch.zeros(1, 3, 8, 8))) == pytest.approx(0.5), "as it was"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_for_one_image_is_nan(value: float) -> None:
    criterion = CallableLoss(
        lambda x, y: (x - y).mean() + (value if x.shape[2] == 9 else 0.0), "broken for one size"
    )
    assert math.isfinite(validation_loss(criterion, Brighter(0.0), pairs(0.5)))
    assert math.isnan(validation_loss(criterion, Brighter(0.0), pairs(0.5, 0.5)))


def test_a_loss_that_draws_random_numbers_gives_the_same_twice_and_disturbs_nobody() -> None:
    criterion = CallableLoss(lambda x, y: (x - y).abs().mean() * torch.rand(()), "random")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (validation_loss(criterion, Brighter(0.0), pairs(0.5, 0.7)) for _ in range(2))
    assert first == second
    assert torch.equal(torch.rand(3), expected)
