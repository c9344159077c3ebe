"""Schedules: when they switch, and what they refuse."""

import warnings

import pytest
import torch

from lossmith import LossmithError
from lossmith.losses import (
    L1Loss,
    MSELoss,
    Schedule,
    TVLoss,
    loss,
)

from .samples import close, pair


@pytest.mark.parametrize(
    ("progress", "current"),
    [
        (0, "l1"),
        (0.2499, "l1"),
        (0.25, "l2 + tv"),
        (0.5, "l2 + tv"),
        (0.75, "2*ssim"),
        (0.9, "2*ssim"),
        (1, "2*ssim"),
    ],
)
def test_a_schedule_switches_where_it_says(progress: float, current: str) -> None:
    x, y = pair()
    schedule = loss("l1 until 25% then l2 + tv until 75% then 2*ssim")
    assert isinstance(schedule, Schedule)
    schedule.progress = progress
    assert str(schedule.current) == current
    assert torch.equal(schedule(x, y), loss(current)(x, y))
    assert list(schedule.terms(x, y)) == list(loss(current).terms(x, y))


def test_a_schedule_starts_with_its_first_loss() -> None:
    x, y = pair()
    assert torch.equal(loss("l1 until 1% then l2")(x, y), L1Loss()(x, y))


def test_a_schedule_can_be_a_term() -> None:
    x, y = pair()
    total = loss("0.1*tv + 2*(l1 until 50% then l2)")
    (schedule,) = (module for module in total.modules() if isinstance(module, Schedule))
    assert close(total(x, y), 0.1 * TVLoss()(x, y) + 2 * L1Loss()(x, y))
    schedule.progress = 0.5
    assert close(total(x, y), 0.1 * TVLoss()(x, y) + 2 * MSELoss()(x, y))


@pytest.mark.parametrize("ends", [[0.0], [1.0], [-0.1], [1.5], [], [0.2, 0.6]])
def test_a_schedule_rises_between_its_losses(ends: list[float]) -> None:
    with pytest.raises(LossmithError, match=r"^a schedule needs one rising fraction between 0 and 1 "):
        Schedule([L1Loss(), MSELoss()], ends)
    with pytest.raises(LossmithError, match=r"^a schedule needs one rising fraction between 0 and 1 "):
        Schedule([L1Loss(), MSELoss(), TVLoss()], [0.6, 0.5])


@pytest.mark.parametrize("expression", ["l1 until 50% then l2", "0.5*(l1 until 50% then l2) + tv"])
def test_a_schedule_without_progress_warns_once(expression: str) -> None:
    criterion = loss(expression)
    x, y = torch.rand(2, 1, 1, 8, 8)
    x.requires_grad_()

    def train() -> None:
        for _ in range(1000):
            criterion(x, y)

    with pytest.warns(UserWarning, match=r"still at its beginning after 300 steps.*set loss\.progress") as records:
        train()
    assert len(records) == 1


def test_a_schedule_with_progress_does_not_warn() -> None:
    criterion = loss("l1 until 50% then l2")
    x, y = torch.rand(2, 1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(1000):
            criterion.progress = step / 1000
            criterion(x.requires_grad_(), y)
        score_only = loss("l1 until 50% then l2")
        for _ in range(400):  # scoring is no step
            score_only(x.detach(), y)
