"""Losses of images of any number of channels, with values on the scale of any range and outside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.losses import DEEP, LOSSES, PRESETS, Loss, PerceptualLoss, for_channels, loss, range_remarks

from .mdf.samples import write

ANY_CHANNELS = [*LOSSES, *PRESETS, "ms_ssim(levels=2)", "ssim(padding=reflect)", "0.84*ms_ssim_sigmas + 0.16*l1"]
CHANNELS = [1, 2, 3, 4, 8]
SIDE = 44
NETWORK_LOSSES = [
    "features(squeezenet1_1, fire3, weights=random)",
    "lpips(network=squeeze, linear=false, weights=random)",
    "style(network=squeezenet1_1, layers=fire3, weights=random)",
    "style_w2(network=squeezenet1_1, layers=relu1, weights=random)",
    "contextual(squeezenet1_1, fire3, weights=random)",
    "mdf(jpeg)",
]


def pair(channels: int, side: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """A prediction and its target, with values from -1 to 2."""
    generator = torch.Generator().manual_seed(channels)
    target, noise = torch.rand(2, 2, channels, side, side, generator=generator, dtype=torch.float64) * 3 - 1
    return (0.7 * target + 0.3 * noise).to(dtype), target.to(dtype)


def value_and_gradient(criterion: nn.Module, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


def single_channels(*images: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(image.split(1, dim=1) for image in images), strict=True)


# --- losses of any number of channels ------------------------------------------------------------------------


@pytest.mark.parametrize("expression", ANY_CHANNELS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_pixel_and_structural_losses_are_means_over_any_number_of_channels(
    expression: str, channels: int, dtype: torch.dtype
) -> None:
    criterion = for_channels(loss(expression), channels)
    images = pair(channels, max(criterion.min_side, 24), dtype)
    value, gradient = value_and_gradient(criterion, *images)
    parts = [value_and_gradient(criterion, *planes) for planes in single_channels(*images)]
    # float32 rounds squared means of values up to 2 against the constants of SSIM
    slack = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(value, torch.stack([part for part, _ in parts]).mean(), rtol=slack, atol=slack)
    expected = torch.cat([slopes for _, slopes in parts], 1) / channels
    assert (gradient - expected).norm() <= 50 * slack * expected.norm()


@pytest.mark.parametrize("expression", ANY_CHANNELS)
def test_losses_of_eight_channels_in_channels_last_memory_are_the_same(expression: str) -> None:
    criterion = loss(expression)
    images = pair(8, max(criterion.min_side, 24))
    expected = value_and_gradient(criterion, *images)
    actual = value_and_gradient(criterion, *(x.contiguous(memory_format=torch.channels_last) for x in images))
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


# --- losses of RGB networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", NETWORK_LOSSES)
def test_gray_images_are_three_equal_channels_to_an_rgb_network(expression: str) -> None:
    gray = for_channels(loss(expression), 1)
    assert str(gray) == f"{expression[:-1]}, gray=repeat)" == str(loss(str(gray)))
    prediction, target = pair(1, SIDE, torch.float32)
    as_rgb = loss(expression)(prediction.expand(-1, 3, -1, -1), target.expand(-1, 3, -1, -1))
    assert torch.equal(gray(prediction, target), as_rgb)
    assert gray(prediction, target) > 0
    assert for_channels(gray, 1) is gray


@pytest.mark.parametrize("expression", NETWORK_LOSSES)
def test_bands_are_the_channels_that_an_rgb_network_gets(expression: str) -> None:
    with_bands = for_channels(loss(f'{expression[:-1]}, bands="6,2,0")'), 8)
    assert str(with_bands) == f'{expression[:-1]}, bands="6,2,0")'
    prediction, target = pair(8, SIDE, torch.float32)
    value, gradient = value_and_gradient(with_bands, prediction, target)
    bands = [6, 2, 0]
    expected, slopes = value_and_gradient(loss(expression), prediction[:, bands], target[:, bands])
    torch.testing.assert_close(value, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient[:, bands], slopes, rtol=1e-4, atol=1e-6 * float(slopes.abs().max()))
    assert not gradient[:, [1, 3, 4, 5, 7]].any()


def test_python_names_bands_as_numbers() -> None:
    criterion = PerceptualLoss("squeezenet1_1", "relu1", weights="random", bands=(6, 2, 0))
    assert str(criterion) == 'features(squeezenet1_1, relu1, weights=random, bands="6,2,0")'
    assert str(loss("mdf(jpeg, bands=6 2 0)")) == 'mdf(jpeg, bands="6,2,0")'


def test_losses_within_sums_and_schedules_are_fitted_too() -> None:
    expression = "l1 until 50% then 0.5*mdf(jpeg) + mdf(sr, gray=repeat) + mdf(denoise)"
    original = loss(expression)
    fitted = for_channels(original, 1)
    everywhere = "0.5*mdf(jpeg, gray=repeat) + mdf(sr, gray=repeat) + mdf(denoise, gray=repeat)"
    assert str(fitted) == f"l1 until 50% then {everywhere}"
    assert str(original) == expression
    assert for_channels(original, 3) is original


@pytest.mark.parametrize(
    ("expression", "channels", "message"),
    [
        ("lpips(squeeze, linear=false, weights=random)", 4, "squeezenet1_1 takes images of 3 channels, not 4; "
         'name those that it gets, counted from 0, such as bands="0,1,2"'),
        ("l1 + 0.1*mdf(jpeg)", 8, "mdf(jpeg) takes images of 3 channels, not 8; name those that it gets, counted "
         'from 0, such as bands="0,1,2"'),
        ("mdf(jpeg)", 2, "mdf(jpeg) takes images of 3 channels, not 2"),
        ('mdf(jpeg, bands="6,2,0")', 5, 'mdf: bands="6,2,0" names channel 6, counted from 0, and the images have '
         "5 channels"),
        ('mdf(jpeg, bands="1,2,3")', 1, 'mdf: bands="1,2,3" names channel 3, counted from 0, and the images have '
         "1 channel"),
    ],
)  # fmt: skip
def test_images_that_a_deep_loss_cannot_take_are_refused_before_and_when_they_come(
    expression: str, channels: int, message: str
) -> None:
    criterion = loss(expression)
    with pytest.raises(LossmithError) as error:
        for_channels(criterion, channels)
    assert str(error.value) == message
    with pytest.raises(LossmithError) as error:
        criterion(*pair(channels, SIDE, torch.float32))
    assert str(error.value) == message


@pytest.mark.parametrize("bands", ['"0,1"', '"0,1,2,3"', '"0,1,-2"', "red", '"r,g,b"', "3", '"0.5,1,2"', '""'])
def test_bands_that_are_not_three_channels_are_refused(bands: str) -> None:
    with pytest.raises(LossmithError, match=r'^mdf: bands must name 3 channels, .* such as bands="0,1,2", not \''):
        loss(f"mdf(jpeg, bands={bands})")


def test_every_deep_loss_of_the_catalog_has_both_options() -> None:
    import inspect

    for name, factory in DEEP.items():
        assert {"gray", "bands"} <= {*inspect.signature(factory).parameters}, name


# --- losses that were learned from images of other channels --------------------------------------------------


def learned(path: Path, channels: int) -> Loss:
    pixels = PixelFormat.full_range(channels, "uint16")
    return loss(f"mdf({write(path / f'{channels}.safetensors', channels=channels, **pixels.receipt_entries)})")


@pytest.mark.parametrize("channels", CHANNELS)
def test_a_learned_loss_takes_the_channels_that_it_was_learned_from(tmp_path: Path, channels: int) -> None:
    criterion = for_channels(learned(tmp_path, channels), channels)
    prediction, target = pair(channels, 23)
    assert torch.autograd.gradcheck(
        lambda x: criterion(x, target), prediction.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-6
    )
    for other in {1, 3, 8} - {channels}:
        with pytest.raises(LossmithError, match=rf"takes images of {channels} channels?, not {other}(;|$)"):
            criterion(*pair(other, 23))


def test_a_loss_of_gray_images_says_so_to_rgb_images(tmp_path: Path) -> None:
    gray = learned(tmp_path, 1)
    with pytest.raises(LossmithError, match=r"takes images of 1 channel, not 3; .* such as bands=\"0\"$"):
        for_channels(gray, 3)
    of_green = loss(f'{str(gray)[:-1]}, bands="1")')
    prediction, target = pair(3, 23)
    assert torch.equal(of_green(prediction, target), gray(prediction[:, 1:2], target[:, 1:2]))


def test_a_loss_of_eight_channels_is_not_for_gray_images(tmp_path: Path) -> None:
    criterion = learned(tmp_path, 8)
    for refusing in (lambda: for_channels(criterion, 1), lambda: criterion(*pair(1, 23))):
        with pytest.raises(LossmithError, match=r"takes images of 8 channels, not 1$"):
            refusing()


@pytest.mark.parametrize(
    "pixels",
    [
        "gray",
        {"channels": "3"},
        {"channels": 0},
        {"channels": [1]},
        {"bits": 16},
        {"dtype": "complex64"},
        {"low": "dark"},
        {"low": [0], "high": 1},
        {"low": 1, "high": 0},
    ],
    ids=str,
)
def test_a_card_with_an_impossible_format_is_refused(tmp_path: Path, pixels: object) -> None:
    with pytest.raises(LossmithError, match="'pixels' of its card do not describe images: "):
        write(tmp_path / "loss.safetensors", pixels=pixels)


@pytest.mark.parametrize("channels", [4097, 2**62])
def test_a_card_with_impossibly_many_channels_is_refused(tmp_path: Path, channels: int) -> None:
    with pytest.raises(
        LossmithError, match=f"'pixels' of its card must have at most 4096 channels, not {channels}$"
    ):
        write(tmp_path / "loss.safetensors", pixels={"channels": channels})


def test_a_loss_learned_on_another_range_is_remarked_upon(tmp_path: Path) -> None:
    learned = PixelFormat(1, "uint16", 100, 3000)
    file = write(tmp_path / "a.safetensors", channels=1, **learned.receipt_entries)
    criterion = loss(f"l1 + 0.5*mdf({file}) + mdf(jpeg, gray=repeat)")
    assert not range_remarks(criterion, PixelFormat(1, "uint16", 90, 3100))  # nearly the same
    assert not range_remarks(criterion, PixelFormat(1, "float32", 0, 1))  # of files in another unit
    assert range_remarks(criterion, PixelFormat(1, "uint16", 0, 65535)) == (
        f"mdf({file}) was learned from an image on the range 100 to 3000, and sees these on 0 to 65535, with "
        "another contrast; learn it with `range=0:65535`",
    )
