"""What ssim, ms_ssim and mix make of inputs of docs/structural_inputs.md; what holds for all is in tests/hostile.

The truth is the same loss in float64 on images in [0, 1], plainly stored, which test_structural.py and
test_mix.py hold against independent implementations.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lossmith.losses import Loss, loss

Pair = tuple[Tensor, Tensor]
SIDES = {"ssim": 32, "ms_ssim": 164, "mix": 32}

for_each_loss = pytest.mark.parametrize("name", SIDES)


def random_pair(name: str, batch: int = 2, channels: int = 3) -> Pair:
    """Smooth targets and noisy predictions of them, float32 in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, channels, 6, 6, generator=generator)
    target = torch.nn.functional.interpolate(coarse, (SIDES[name], SIDES[name]), mode="bilinear")
    return (target + 0.1 * torch.randn(target.shape, generator=generator)).clamp(0, 1), target


def value_and_gradient(criterion: Loss, prediction: Tensor, target: Tensor) -> tuple[float, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    scale = 2.0**12  # as in training with float16, whose smallest number is above many a gradient
    (gradient,) = torch.autograd.grad(scale * value, leaf)
    return value.item(), gradient.double() / scale


@for_each_loss
def test_two_constants_differ_in_luminance_only(name: str) -> None:
    a, b, c1 = 0.2, 0.8, 0.01**2
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    luminance_terms = {
        "ssim": 1 - luminance,
        "ms_ssim": 1 - luminance**0.1333,
        "mix": 0.84 * (1 - luminance) + 0.16 * (b - a),
    }
    x, y = random_pair(name)
    value, gradient = value_and_gradient(loss(name), torch.full_like(x, a), torch.full_like(y, b))
    assert value == pytest.approx(luminance_terms[name], abs=1e-6)
    assert gradient.sum() < 0  # brighter is better


@for_each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.6, 1.0, None], ids=["black", "gray", "white", "an image"])
def test_equal_images_give_exactly_zero(name: str, dtype: torch.dtype, value: float | None) -> None:
    _, target = random_pair(name)
    image = (target if value is None else torch.full_like(target, value)).to(dtype)
    actual, gradient = value_and_gradient(loss(name), image.clone(), image)
    assert actual == 0
    assert not gradient.any()


@for_each_loss
def test_a_negative_image_converges_to_its_target(name: str) -> None:
    """The loss is beyond 1, and a step down its slope makes it less."""
    _, target = random_pair(name)
    value, gradient = value_and_gradient(loss(name), 1 - target, target)
    next_prediction = 1 - target - 0.01 * (gradient / gradient.abs().max()).float()
    assert value > 1
    assert loss(name)(next_prediction, target) < value


@for_each_loss
def test_the_default_data_range_is_1(name: str) -> None:
    prediction, target = random_pair(name)
    assert loss(name)(prediction, target) == loss(f"{name}(data_range=1)")(prediction, target)


# --- not detected: a check of the values would make a GPU wait --------------------------------------------------


@for_each_loss
@pytest.mark.parametrize("misread", [lambda x: 255 * x, lambda x: 2 * x - 1], ids=["0..255", "[-1, 1]"])
def test_the_data_range_is_not_guessed(name: str, misread: Callable[[Tensor], Tensor]) -> None:
    """A finite number comes out, and it is not that of the images in [0, 1]."""
    prediction, target = (image.double() for image in random_pair(name))
    value, gradient = value_and_gradient(loss(name), misread(prediction), misread(target))
    assert gradient.isfinite().all()
    assert value != pytest.approx(loss(name)(prediction, target).item(), rel=1e-3)


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
def test_with_data_range_255_bytes_equal_images_in_0_to_1(name: str) -> None:
    prediction, target = (image.double() for image in random_pair(name))
    actual = loss(f"{name}(data_range=255)")(255 * prediction, 255 * target)
    assert actual.item() == pytest.approx(loss(name)(prediction, target).item(), abs=1e-12)


def test_mix_takes_images_below_its_window() -> None:
    """Its window of 33 pixels is cut off at the border, wherever that is."""
    prediction, target = (image[..., :8, :8] for image in random_pair("mix"))
    value, gradient = value_and_gradient(loss("mix"), prediction, target)
    assert value == pytest.approx(loss("mix")(prediction.double(), target.double()).item(), abs=1e-5)
    assert gradient.any()
