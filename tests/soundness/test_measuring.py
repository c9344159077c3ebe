"""What is measured of a loss: recovering a picture, frequency response, time and memory."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from lossmith.losses import L1Loss, SSIMLoss
from lossmith.soundness.dead_leaves import dead_leaves
from lossmith.soundness.measuring import invert, measure, milliseconds, psnr, saved_megabytes
from lossmith.soundness.subjects import subject_of


def test_l1_recovers_a_picture_as_its_authors_say_and_a_prior_does_not() -> None:
    """Mustafa et al. have 21.7, 34.5, 34.9 and 35.4 dB for L1 on a photograph."""
    measured = measure(subject_of("l1"))
    assert measured.inversion is not None
    assert [step for step, _ in measured.inversion] == [10, 50, 100, 200]
    for (_, ours), theirs in zip(measured.inversion, (21.7, 34.5, 34.9, 35.4), strict=True):
        assert ours == pytest.approx(theirs, abs=1)
    (psnr_of_tv,) = invert(subject_of("tv").make(), dead_leaves((1, 3, 32, 32)), (100,))
    assert psnr_of_tv < 20


def test_a_fixed_target_changes_nothing() -> None:
    """Losses of ours keep what they compute of the target; others are called with it."""
    target = dead_leaves((1, 3, 24, 24))
    of_ours, of_function = (invert(loss, target, (1, 5)) for loss in (L1Loss(), lambda x, y: L1Loss()(x, y)))
    assert of_ours == pytest.approx(of_function, rel=1e-4)


def test_psnr_is_of_clipped_pixels_and_finite() -> None:
    target = torch.full((1, 3, 4, 4), 1.0)
    assert psnr(target + 0.5, target) == 150
    assert psnr(target - 0.1, target) == pytest.approx(20, abs=1e-3)


def test_what_is_measured_stands_beside_l1() -> None:
    measured = measure(subject_of("ssim"))
    assert measured.size == (4, 3, 128, 128)
    assert measured.frequency_response is not None
    assert [*measured.frequency_response] == ["gray", "blue to yellow", "red to green"]
    values = [value for row in measured.frequency_response.values() for value in row]
    assert all(map(math.isfinite, values))
    assert sum(values) / len(values) == pytest.approx(1)
    assert measured.megabytes_of_l1 == 4 * 3 * 128 * 128 * 4 / 1e6
    assert measured.milliseconds is not None
    assert measured.milliseconds_of_l1 is not None


class _Kept(torch.autograd.Function):
    """Which keeps its gradient as an attribute, as fused losses do."""

    @staticmethod
    def forward(ctx, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.gradient = 2 * (x - y)
        return (x - y).square().sum()

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        return gradients[0] * ctx.gradient, None


def test_memory_is_what_autograd_keeps_beside_images_and_weights() -> None:
    x, y = torch.rand(2, 1, 3, 10, 10)
    image = 3 * 10 * 10 * 4 / 1e6
    assert saved_megabytes(mse_loss, x, y) == 0  # the images
    assert saved_megabytes(lambda x, y: (x - y).square().mean(), x, y) == pytest.approx(image)
    assert saved_megabytes(lambda x, y: (x - y).exp().sigmoid().mean(), x, y) == pytest.approx(2 * image)
    assert saved_megabytes(lambda x, y: _Kept.apply(x, y), x, y) == pytest.approx(image)
    assert saved_megabytes(SSIMLoss(), *torch.rand(2, 1, 3, 20, 20)) > 0


def test_losses_take_turns_while_they_are_timed() -> None:
    turns: list[str] = []

    def noting(name: str) -> Callable[[Tensor, Tensor], Tensor]:
        def loss(x: Tensor, y: Tensor) -> Tensor:
            turns.append(name)
            return l1_loss(x, y)

        return loss

    times = milliseconds([noting("a"), noting("b")], *torch.rand(2, 1, 3, 8, 8))
    assert len(times) == 2
    assert "".join(turns).startswith("aabb" + 5 * "ab")


def test_what_cannot_be_measured_is_none() -> None:
    def for_sides_of_64(x: Tensor, y: Tensor) -> Tensor:
        if x.shape[-1] >= 128:
            raise ValueError("too large")
        return l1_loss(x, y)

    measured = measure(subject_of(for_sides_of_64))
    assert measured.inversion is not None
    assert (measured.frequency_response, measured.milliseconds, measured.megabytes) == (None, None, None)
