"""Degradations of images that are not 8-bit RGB: any number of channels, and no rounding to 8 bits on the way."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import chisquare, poisson
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.degradations import Degradation, degradation

GRAY_8BIT = PixelFormat(channels=1)
GRAY_16BIT = PixelFormat.full_range(1, "uint16")
RGB_16BIT = PixelFormat.full_range(3, "uint16")
FLOATS = PixelFormat(8, "float32", -1, 3)
FORMATS = [GRAY_8BIT, GRAY_16BIT, PixelFormat.full_range(2, "int16"), RGB_16BIT, FLOATS]
ANY_FORMAT = [
    "bicubic(2)",
    "blur(1.5)",
    "noise(0.02, of=range)",
    "shot_noise",
    "poisson(100)",
    "blur(1) | bicubic(2) | poisson(50..200) | noise(0.01..0.03, of=range)",
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def image(channels: int, height: int = 24, width: int = 20) -> Tensor:
    """Values on the scale of a range, and outside it."""
    return torch.rand(channels, height, width, generator=torch.Generator().manual_seed(channels)) * 1.5 - 0.25


@pytest.mark.parametrize("text", ANY_FORMAT)
@pytest.mark.parametrize("pixels", FORMATS, ids=str)
def test_degradations_take_images_of_any_format(text: str, pixels: PixelFormat) -> None:
    degrade = degradation(text).for_pixels(pixels)
    clean = image(pixels.channels)
    degraded = degrade(clean, rng())
    assert degraded.shape == (pixels.channels, 24 // degrade.scale, 20 // degrade.scale)
    assert degraded.dtype == torch.float32
    assert torch.equal(degraded, degrade(clean, rng()))
    assert str(degrade) == text


@pytest.mark.parametrize("text", ANY_FORMAT)
def test_8_bit_rgb_is_what_degradations_take_by_themselves(text: str) -> None:
    degrade = degradation(text)
    assert degrade.pixels == RGB_8BIT
    clean = image(3).clamp(0, 1)
    assert torch.equal(degrade.for_pixels(RGB_8BIT)(clean, rng()), degrade(clean, rng()))
    with pytest.raises(LossmithError, match=r"the image must be \(8, H, W\), not \(3, 24, 20\)"):
        degrade.for_pixels(FLOATS)(clean, rng())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_of_deep_images_is_that_of_floats(scale: int) -> None:
    clean = image(2, 20 * scale, 18 * scale)
    degraded = degradation(f"bicubic({scale})").for_pixels(PixelFormat(2, "float32", 0, 1))(clean)
    for plane, source in zip(degraded, clean, strict=True):
        pillow = Image.fromarray(source.numpy()).resize((18, 20), Image.Resampling.BICUBIC)
        # Pillow has the same kernel in float32, but does not mirror the image at its edges
        np.testing.assert_allclose(plane[2:-2, 2:-2], np.array(pillow)[2:-2, 2:-2], rtol=0, atol=1e-6)


def test_blur_of_deep_images_is_that_of_scipy() -> None:
    clean = image(8)
    expected = [gaussian_filter(plane, 1.3, mode="reflect", radius=6) for plane in clean.double().numpy()]
    degraded = degradation("blur(1.3)").for_pixels(FLOATS)(clean)
    np.testing.assert_allclose(degraded, np.stack(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("text", ["bicubic(2)", "blur(1.5)", "mosaic", "blur(1) | bicubic(2) | mosaic"])
def test_what_lies_below_one_8_bit_level_or_outside_the_range_survives(text: str) -> None:
    degrade, clean = degradation(text).for_pixels(RGB_16BIT), image(3)
    faint = degrade(1e-4 * clean.double() + 2) - 2
    torch.testing.assert_close(faint, 1e-4 * degrade(clean.double()), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("text", "text_for_rgb"),
    [
        ("bicubic(2)", "bicubic(2)"),
        ("blur(1.5)", "blur(1.5)"),
        ("jpeg(10)", "jpeg(10, subsampling=gray)"),
        ("noise(25)", "noise(25, gray=true)"),
        ("shot_noise", "shot_noise(gray=true)"),
        ("poisson(100)", "poisson(100, gray=true)"),
        (
            "bicubic(2) | noise(5..9) | jpeg(9)",
            "bicubic(2) | noise(5..9, gray=true) | jpeg(9, subsampling=gray)",
        ),
    ],
)
def test_one_channel_of_8_bits_is_degraded_like_three_equal_ones(text: str, text_for_rgb: str) -> None:
    clean = image(1).clamp(0, 1)
    for_gray, for_rgb = degradation(text).for_pixels(GRAY_8BIT), degradation(text_for_rgb)
    degraded = for_rgb(clean.expand(3, -1, -1), rng())
    torch.testing.assert_close(for_gray(clean, rng()).expand(3, -1, -1), degraded, rtol=0, atol=1e-6)
    assert for_gray.alignment == for_rgb.alignment
    assert for_gray.margin == for_rgb.margin


def test_noise_of_the_range_is_noise_of_8_bits_over_255() -> None:
    clean = image(3)
    by_range, by_levels = degradation("noise(0.2, of=range)"), degradation("noise(51)")
    torch.testing.assert_close(by_range(clean, rng()), by_levels(clean, rng()), rtol=0, atol=1e-7)
    noise = by_range.for_pixels(FLOATS)(torch.full((8, 200, 200), 1.5), rng()) - 1.5
    assert float(noise.std()) == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize("photons", [0.5, 7, 1e4])
@pytest.mark.parametrize("level", [0.0, 0.3, 2.5])
def test_poisson_noise_counts_photons(photons: float, level: float) -> None:
    degraded = degradation(f"poisson({photons})").for_pixels(GRAY_16BIT)(torch.full((1, 200, 200), level), rng())
    counts = degraded.double().numpy() * photons
    assert np.abs(counts - counts.round()).max() <= 1e-6 * counts.max()  # float32 keeps 24 bits
    assert counts.mean() == pytest.approx(photons * level, rel=0.02)
    assert counts.var() == pytest.approx(photons * level, rel=0.05)


def test_photon_counts_have_the_poisson_distribution() -> None:
    degraded = degradation("poisson(10)").for_pixels(GRAY_16BIT)(torch.full((1, 300, 300), 0.25), rng())
    counts = np.bincount((degraded * 10).round().int().flatten().clamp(max=8), minlength=9)
    expected = degraded.numel() * np.append(poisson.pmf(range(8), 2.5), poisson.sf(7, 2.5))
    assert chisquare(counts, expected).pvalue > 0.01


def test_values_below_the_range_have_no_photons_and_stay() -> None:
    dark = torch.full((1, 4, 4), -0.2)
    assert torch.equal(degradation("poisson(10)").for_pixels(GRAY_16BIT)(dark, rng()), dark)


def test_poisson_noise_differs_between_channels_unless_they_are_gray() -> None:
    clean = torch.full((3, 50, 50), 0.5)
    noise = degradation("poisson(50)")(clean, rng()) - clean
    assert np.abs(np.corrcoef(noise.reshape(3, -1)) - np.eye(3)).max() < 0.06
    red, *others = degradation("poisson(50)").for_gray()(clean, rng())
    assert all(torch.equal(red, other) for other in others)


@pytest.mark.parametrize("bad", [0, -1, 2e12, "0..5"])
def test_impossible_numbers_of_photons_are_refused(bad: object) -> None:
    with pytest.raises(LossmithError, match=r"^poisson: photons must be"):
        degradation(f"poisson({bad})")


@pytest.mark.parametrize(
    ("text", "pixels", "message"),
    [
        (
            "noise(25)",
            GRAY_16BIT,
            r"^noise\(25\): sigma on the scale 0 to 255 is for 8-bit images, and these are gray, 16 bits, "
            r"0 to 65535; for the same share of their range write noise\(0.098, of=range\)$",
        ),
        ("noise(0..50, gray=true)", RGB_16BIT, r"write noise\(0\.\.0.196, of=range, gray=true\)$"),
        ("bicubic(2) | noise(5)", FLOATS, r"^noise\(5\): .* these are 8 channels, 32-bit floats, -1 to 3; for"),
        ("noise(25)", PixelFormat(1, "uint8", 0, 200), r"these are gray, 8 bits, 0 to 200; for the same share"),
        ("jpeg(10)", GRAY_16BIT, r"^jpeg\(10\): a JPEG file holds 8 bits, gray or RGB, and these images are gray"),
        (
            "blur(1) | jpeg(10)",
            PixelFormat(4),
            r"these images are 4 channels, 8 bits; use another `degradation`",
        ),
        ("mosaic", GRAY_8BIT, r"^mosaic: a Bayer sensor records red, green and blue, and these images are gray"),
        ("shot_noise | mosaic", FLOATS, r"these images are 8 channels, 32-bit floats, -1 to 3; use RGB images or"),
    ],
)
def test_what_does_not_apply_to_a_format_is_one_sentence(text: str, pixels: PixelFormat, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(text).for_pixels(pixels)


def test_the_way_out_that_noise_names_is_the_same_noise() -> None:
    with pytest.raises(LossmithError) as error:
        degradation("noise(25)").for_pixels(GRAY_16BIT)
    way_out = degradation(str(error.value).rsplit("write ", 1)[1]).for_pixels(GRAY_16BIT)
    clean = torch.full((1, 200, 200), 0.5)
    assert float((way_out(clean, rng()) - clean).std()) * 255 == pytest.approx(25, rel=0.01)


def test_a_format_stays_with_everything_that_is_made_of_a_degradation() -> None:
    chain = degradation("bicubic(2) | noise(0..0.1, of=range) | poisson(10..20)").for_pixels(FLOATS)
    made: list[Degradation | None] = [chain.at(lambda: 0.5), *chain.split_deterministic(), *chain.levels.values()]
    made += [chain.for_gray(), pickle.loads(pickle.dumps(chain))]
    assert {degrade.pixels for degrade in made if degrade is not None} == {FLOATS}
    assert all(degrade(image(8), rng()).shape[0] == 8 for degrade in made if degrade is not None)


def test_faint_noise_is_tested_on_deep_images_and_left_out_on_8_bits() -> None:
    faint = degradation("noise(0.0005..0.01, of=range)")
    assert list(faint.levels) == ["middle", "high"]
    assert list(faint.for_pixels(GRAY_16BIT).levels) == ["low", "middle", "high"]
    assert list(degradation("noise(0..0.01, of=range)").for_pixels(GRAY_16BIT).levels) == ["middle", "high"]


def test_a_users_function_gets_all_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    chain = degradation("sample_degradations:halve | sample_degradations:darker(by=0.25..0.75)").for_pixels(FLOATS)
    assert chain(image(8), rng()).shape == (8, 12, 10)
    with pytest.raises(LossmithError, match=r"gave .* instead of a float tensor \(8, 24, 20\)"):
        degradation("sample_degradations:wrong_shape").for_pixels(FLOATS)(image(8))
