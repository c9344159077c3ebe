"""What ssim, ms_ssim and mix make of each input of docs/structural_inputs.md.

The truth is the same loss in float64 on pictures in [0, 1], plainly stored, which test_structural.py and
test_zhao.py hold against independent implementations.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import Loss, loss

Pair = tuple[Tensor, Tensor]
Made = Callable[[Tensor, Tensor], Pair]
SIDES = {"ssim": 32, "ms_ssim": 164, "mix": 32}

each_loss = pytest.mark.parametrize("name", SIDES)


def usual(name: str, batch: int = 2, channels: int = 3) -> Pair:
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


def both(change: Callable[[Tensor], Tensor]) -> Made:
    return lambda x, y: (change(x), change(y))


def transposed_and_strided(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 3)[..., ::2].transpose(2, 3)


def flat_and_bright(x: Tensor, _: Tensor) -> Pair:
    """Variances of 4e-6 and a mean squared of 0.8, from which one subtracts to have them."""
    first, second = 0.002 * torch.randn((2, *x.shape), generator=torch.Generator().manual_seed(3))
    return 0.9 + first + second, 0.9 + first


# --- answered ----------------------------------------------------------------------------------------------------

ANSWERED: dict[str, Made] = {
    "[0, 1], float32": lambda x, y: (x, y),
    "a prediction a little outside [0, 1]": lambda x, y: (1.2 * x - 0.1, y),
    "1 channel": both(lambda x: x[:, :1]),
    "float64": both(Tensor.double),
    "float16": both(Tensor.half),
    "bfloat16": both(Tensor.bfloat16),
    "float32 against float64": lambda x, y: (x, y.double()),
    "float16 against float32": lambda x, y: (x.half(), y),
    "a negative for its positive": lambda _, y: (1 - y, y),
    "the target, brighter by 0.2": lambda _, y: (0.8 * y + 0.2, 0.8 * y),
    "nearly flat and bright": flat_and_bright,
    "channels-last": both(lambda x: x.contiguous(memory_format=torch.channels_last)),
    "transposed and strided": both(transposed_and_strided),
}


@each_loss
@pytest.mark.parametrize("under_autocast", [False, True])
@pytest.mark.parametrize("made", ANSWERED.values(), ids=ANSWERED.keys())
def test_the_answer_is_that_of_float64(name: str, made: Made, under_autocast: bool) -> None:
    prediction, target = made(*usual(name))
    with torch.autocast("cpu", torch.bfloat16, enabled=under_autocast):
        value, gradient = value_and_gradient(loss(name), prediction, target)
    true_value, true_gradient = value_and_gradient(
        loss(name), prediction.double().contiguous(), target.double().contiguous()
    )
    # A float32 mean of squares up to 1 is off by some 1e-7, and so is a variance, which C2 = 9e-4 divides.
    assert value == pytest.approx(true_value, abs=1e-12 if prediction.dtype == torch.float64 else 1e-4)
    # A gradient comes in the dtype of the prediction, whose rounding, 2^-9 in bfloat16, is within this as well.
    assert (gradient - true_gradient).norm() < 5e-3 * true_gradient.norm()


@each_loss
def test_two_constants_differ_in_luminance_only(name: str) -> None:
    a, b, c1 = 0.2, 0.8, 0.01**2
    luminance = (2 * a * b + c1) / (a * a + b * b + c1)
    missing = {
        "ssim": 1 - luminance,
        "ms_ssim": 1 - luminance**0.1333,
        "mix": 0.84 * (1 - luminance) + 0.16 * (b - a),
    }
    x, y = usual(name)
    value, gradient = value_and_gradient(loss(name), torch.full_like(x, a), torch.full_like(y, b))
    assert value == pytest.approx(missing[name], abs=1e-6)
    assert gradient.sum() < 0  # brighter is better


@each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.6, 1.0, None], ids=["black", "grey", "white", "a picture"])
def test_equal_pictures_give_exactly_nothing(name: str, dtype: torch.dtype, value: float | None) -> None:
    _, target = usual(name)
    picture = (target if value is None else torch.full_like(target, value)).to(dtype)
    found, gradient = value_and_gradient(loss(name), picture.clone(), picture)
    assert found == 0
    assert not gradient.any()


@each_loss
def test_a_negative_finds_its_way_out(name: str) -> None:
    """The loss is beyond 1, and a step down its slope makes it less."""
    _, target = usual(name)
    value, gradient = value_and_gradient(loss(name), 1 - target, target)
    stepped = 1 - target - 0.01 * (gradient / gradient.abs().max()).float()
    assert value > 1
    assert loss(name)(stepped, target) < value


@each_loss
def test_called_with_no_option_it_reads_pictures_in_0_to_1(name: str) -> None:
    prediction, target = usual(name)
    assert loss(name)(prediction, target) == loss(f"{name}(data_range=1)")(prediction, target)


# --- not detected: a check of the values would make a GPU wait --------------------------------------------------


@each_loss
@pytest.mark.parametrize("misread", [lambda x: 255 * x, lambda x: 2 * x - 1], ids=["0..255", "[-1, 1]"])
def test_a_range_that_is_not_said_is_not_guessed(name: str, misread: Callable[[Tensor], Tensor]) -> None:
    """A finite number comes out, and it is not that of the pictures in [0, 1]."""
    prediction, target = (picture.double() for picture in usual(name))
    value, gradient = value_and_gradient(loss(name), misread(prediction), misread(target))
    assert gradient.isfinite().all()
    assert value != pytest.approx(loss(name)(prediction, target).item(), rel=1e-3)


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
def test_with_the_range_said_bytes_count_as_pictures_in_0_to_1(name: str) -> None:
    prediction, target = (picture.double() for picture in usual(name))
    found = loss(f"{name}(data_range=255)")(255 * prediction, 255 * target)
    assert found.item() == pytest.approx(loss(name)(prediction, target).item(), abs=1e-12)


@each_loss
def test_a_nan_is_not_hidden(name: str) -> None:
    """A loss that swallowed it would train on a broken picture."""
    prediction, target = usual(name)
    prediction[0, 0, 5, 5] = torch.nan
    value, gradient = value_and_gradient(loss(name), prediction, target)
    assert value != value
    assert gradient.isnan().any()
    for_each = loss(name, reduction="none")(prediction, target)
    assert for_each.isnan().tolist() == [True, False]  # and it stays with its picture


# --- refused -----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Made, str]] = {
    "uint8": (
        both(lambda x: (255 * x).byte()),
        "pictures must be floating point in [0, 1], not torch.uint8 and torch.uint8",
    ),
    "width differs by one": (
        lambda x, y: (x, y[..., :-1]),
        "prediction (2, 3, {side}, {side}) and target (2, 3, {side}, {less}) differ in shape",
    ),
    "batch of 2 against 1": (
        lambda x, y: (x, y[:1]),
        "prediction (2, 3, {side}, {side}) and target (1, 3, {side}, {side}) differ in shape",
    ),
    "3 channels against 1": (
        lambda x, y: (x, y[:, :1]),
        "prediction (2, 3, {side}, {side}) and target (2, 1, {side}, {side}) differ in shape",
    ),
    "an empty batch": (both(lambda x: x[:0]), "the batch is empty"),
    "target that requires a gradient": (
        lambda x, y: (x, y.requires_grad_()),
        "the gradient goes to the prediction, which comes first; detach the target",
    ),
    "prediction and target swapped": (
        lambda x, y: (y, x.requires_grad_()),
        "the gradient goes to the prediction, which comes first; detach the target",
    ),
}


@each_loss
@pytest.mark.parametrize(("made", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_meaning_is_refused_in_a_sentence(name: str, made: Made, sentence: str) -> None:
    side = SIDES[name]
    with pytest.raises(LossmithError) as refused:
        loss(name)(*made(*usual(name)))
    assert str(refused.value) == f"{name}: " + sentence.format(side=side, less=side - 1)


@pytest.mark.parametrize(("name", "least"), [("ssim", 11), ("ms_ssim", 161)])
def test_pictures_below_the_window_are_refused_with_the_least_size(name: str, least: int) -> None:
    prediction, target = (picture[..., :8] for picture in usual(name))
    with pytest.raises(LossmithError) as refused:
        loss(name)(prediction, target)
    assert str(refused.value) == f"{name} needs at least {least} x {least} pixels, not {SIDES[name]} x 8"


def test_mix_takes_pictures_below_its_window() -> None:
    """Its window of 33 pixels is cut off at the border, wherever that is."""
    prediction, target = (picture[..., :8, :8] for picture in usual("mix"))
    value, gradient = value_and_gradient(loss("mix"), prediction, target)
    assert value == pytest.approx(loss("mix")(prediction.double(), target.double()).item(), abs=1e-5)
    assert gradient.any()
