"""Losses learned from pictures that are not 8-bit RGB."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.commands.learn_loss import learn_loss
from lossmith.commands.loss_files import show_loss
from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import write_picture
from lossmith.loss_learning import LossRecipe
from lossmith.losses import MDFLoss, for_channels, loss
from lossmith.losses.mdf.loss_file import load_loss

GRAY_12BIT = PixelFormat(1, "uint16", 0, 4095)
NOISE = "noise(0.1, of=range)"


@pytest.fixture(scope="session")
def channels_of(scene: Tensor) -> Any:
    """`channels_of(n)`: (n, 48, 56) in [0, 1], multiples of 1 / 4095."""
    planes = torch.cat([scene, scene.flip(1), 0.7 * scene.flip(2)])
    return lambda channels: (planes[:channels] * 4095).round() / 4095


def picture(path: Path, image: Tensor, pixels: PixelFormat) -> Path:
    write_picture(path, image, pixels)
    return path


def learned_weights(path: Path) -> dict[str, Tensor]:
    return load_loss(path)[0]


def are_equal(one: Path, other: Path) -> bool:
    first, second = learned_weights(one), learned_weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("pixels", "degradation"),
    [
        (GRAY_12BIT, "poisson(50)"),
        (PixelFormat(1, "uint8", 0, 255), "jpeg(10)"),
        (PixelFormat(8, "float32", -1, 1), "bicubic(2) | noise(0.02, of=range)"),
        (PixelFormat(3, "uint16", 0, 65535), "shot_noise | mosaic"),
    ],
    ids=str,
)
def test_a_loss_is_for_the_channels_of_the_picture_and_says_its_format(
    pixels: PixelFormat, degradation: str, channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    image = picture(tmp_path / "picture.tif", channels_of(pixels.channels), pixels)
    limits = f"{pixels.low}:{pixels.high}"
    result = learn_loss(
        image, degradation=degradation, range=limits, recipe=loss_recipe, out=tmp_path / "a.safetensors"
    )
    card = load_loss(result.path)[1]
    assert PixelFormat.from_receipt(card) == pixels
    assert card["range"] == [-1, 1]
    assert (card["image"]["width"], card["image"]["height"], card["degradation"]) == (56, 48, degradation)
    assert f"channels: {pixels.channels}\n  dtype: {pixels.dtype}" in show_loss(str(result.path))
    assert f"The picture is {pixels}" in result.page.read_text(encoding="utf-8")
    criterion = for_channels(MDFLoss.load(result.path), pixels.channels)
    clean = channels_of(pixels.channels)[None]
    noisy = clean + 0.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    assert float(criterion(clean, clean)) == 0 < float(criterion(noisy, clean))
    if pixels.channels != 3:
        with pytest.raises(LossmithError, match=rf"takes images of {pixels.channels} channels?, not 3"):
            for_channels(loss(f"l1 + mdf({result.path})"), 3)


def test_a_loss_of_rgb_pictures_says_so_to_gray_ones(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    image = picture(tmp_path / "picture.png", channels_of(3), PixelFormat())
    result = learn_loss(image, degradation=NOISE, recipe=loss_recipe, out=tmp_path / "a.safetensors")
    assert "pixels" not in load_loss(result.path)[1]
    assert "The picture is" not in result.page.read_text(encoding="utf-8")
    with pytest.raises(LossmithError, match=r"takes images of 3 channels, not 1; gray images are repeated with"):
        MDFLoss.load(result.path)(torch.rand(1, 1, 30, 30), torch.rand(1, 1, 30, 30))


def test_the_depth_and_the_kind_of_file_change_nothing(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    files = []
    for dtype in ("uint16", "int16", "int32", "float32", "float64"):
        pixels = PixelFormat(1, dtype, 0, 4095)
        image = picture(tmp_path / f"{dtype}.tif", channels_of(1), pixels)
        out = tmp_path / f"{dtype}.safetensors"
        files.append(
            learn_loss(image, degradation="poisson(100)", range="0:4095", recipe=loss_recipe, out=out).path
        )
    assert all(are_equal(files[0], other) for other in files[1:])


def test_a_picture_whose_signal_lives_below_one_8_bit_level_is_learned_from(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    dark = picture(tmp_path / "dark.png", channels_of(1) / 300, PixelFormat.full_range(1, "uint16"))
    bright = picture(tmp_path / "bright.png", (channels_of(1) * 218).floor() / 218, GRAY_12BIT)
    recipe = replace(loss_recipe, iterations=1)
    results = [
        learn_loss(file, degradation=NOISE, range=limits, recipe=recipe, out=file.with_suffix(".safetensors"))
        for file, limits in ((dark, "p0:p100"), (bright, "p0:p100"))
    ]
    cards = [load_loss(result.path)[1] for result in results]
    assert 0 < cards[0]["pixels"]["high"] < 220 < cards[1]["pixels"]["high"]
    scores = [MDFLoss.load(result.path)(channels_of(1)[None] + 0.1, channels_of(1)[None]) for result in results]
    assert float(scores[0]) == pytest.approx(float(scores[1]), rel=0.2)


def test_values_outside_the_range_are_learned_from(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    image = picture(tmp_path / "a.tif", channels_of(1), GRAY_12BIT)
    result = learn_loss(
        image, degradation="poisson(100)", range="1000:1500", recipe=loss_recipe, out=tmp_path / "a.safetensors"
    )
    assert all(numbers.isfinite().all() for numbers in learned_weights(result.path).values())


def test_gray_pictures_are_rgb_when_asked(channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    gray = picture(tmp_path / "gray.png", channels_of(1), PixelFormat(1))
    rgb = picture(tmp_path / "rgb.png", channels_of(1).expand(3, -1, -1), PixelFormat(3))
    options = {"degradation": "noise(25)", "recipe": loss_recipe}
    results = [
        learn_loss(file, channels=channels, out=file.with_suffix(".safetensors"), **options)
        for file, channels in ((gray, 3), (rgb, "auto"))
    ]
    assert are_equal(results[0].path, results[1].path)
    assert load_loss(results[0].path)[1]["degradation"] == "noise(25, gray=true)"
    assert "--channels 3" in results[0].page.read_text(encoding="utf-8")


def test_a_pair_of_pictures_is_learned_from(channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    clean = picture(tmp_path / "clean.tif", channels_of(1), GRAY_12BIT)
    noise = 0.1 * torch.from_numpy(np.random.default_rng(0).standard_normal((1, 48, 56)).astype(np.float32))
    degraded = picture(tmp_path / "degraded.tif", channels_of(1) + noise, GRAY_12BIT)
    result = learn_loss(
        clean, degraded=degraded, range="0:4095", recipe=loss_recipe, out=tmp_path / "a.safetensors"
    )
    card = load_loss(result.path)[1]
    assert card["degradation"] == "the difference between two images"
    assert card["pixels"]["channels"] == 1


def test_the_page_shows_the_channels_that_are_named(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    pixels = PixelFormat.full_range(8, "uint16")
    image = picture(tmp_path / "a.tif", channels_of(8), pixels)
    options = {"degradation": NOISE, "recipe": loss_recipe, "out": tmp_path / "a.safetensors"}
    for bands, sentence in [("9", "`show_bands='9'` names channel 9 of images that have 8 channels"),
                            ("1,2", "`show_bands` is one channel, or three")]:  # fmt: skip
        with pytest.raises(LossmithError, match=sentence):
            learn_loss(image, show_bands=bands, **options)
    page = learn_loss(image, show_bands="5,3,1", **options).page.read_text(encoding="utf-8")
    assert "channels 5, 3, 1 (the first is 0) shown as red, green and blue" in page
    assert "--show-bands 5,3,1" in page
    assert page.count("<td style=") == 7  # the frequency response, of errors in all channels alike


def test_another_range_is_another_loss(channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.tif", channels_of(1), GRAY_12BIT)
    options = {"degradation": NOISE, "recipe": loss_recipe, "out": tmp_path / "a.safetensors"}
    first = learn_loss(image, range="p1:p99", **options)
    assert learn_loss(image, range="p1:p99", **options) == first
    with pytest.raises(
        LossmithError, match=r"the images are gray, 16 bits, 858 to 3447 there and gray, 16 bits, 858 to 3425"
    ):
        learn_loss(image, range="p1:p98", **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"degradation": "noise(25)"}, r"for 8-bit images, .* write noise\(0.098, of=range\)$"),
        ({"degradation": "mosaic"}, "a Bayer sensor records red, green and blue, and these images are gray"),
        ({"degradation": "jpeg"}, "a JPEG file holds 8 bits"),
        ({"degradation": NOISE, "channels": 8}, "is gray, and 8 channels are asked for"),
        ({"degradation": NOISE, "range": "white"}, "`range=white` is not a range"),
        ({"degraded": "rgb.png"}, "images of one study"),
        ({"degraded": "float.tif"}, "images of one study are of one type, but .* holds uint16 and .* float32"),
    ],
)
def test_pictures_that_cannot_be_learned_from_are_refused_in_one_sentence(
    options: dict[str, Any], sentence: str, channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    image = picture(tmp_path / "a.tif", channels_of(1), PixelFormat.full_range(1, "uint16"))
    picture(tmp_path / "rgb.png", channels_of(3), PixelFormat.full_range(3, "uint16"))
    picture(tmp_path / "float.tif", channels_of(1), PixelFormat(1, "float32", 0, 1))
    if "degraded" in options:
        options = {"degraded": tmp_path / options["degraded"]}
    with pytest.raises(LossmithError, match=sentence):
        learn_loss(image, recipe=loss_recipe, out=tmp_path / "out.safetensors", **options)
    assert not (tmp_path / "out.learning").exists()


def test_a_range_that_does_not_fit_the_picture_is_said(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = picture(tmp_path / "a.tif", channels_of(1), GRAY_12BIT)
    options = {"degradation": NOISE, "recipe": loss_recipe, "out": tmp_path / "a.safetensors"}
    learn_loss(image, **options)
    assert "of the range from 0 to 65535: to SSIM" in caplog.text
    with pytest.raises(LossmithError, match="no pixel lies within `range=5000:6000`; say another"):
        learn_loss(image, range="5000:6000", **options)


def test_floats_without_a_range_and_pixels_that_are_nan_are_refused(
    channels_of: Any, loss_recipe: LossRecipe, tmp_path: Path
) -> None:
    image = channels_of(1).clone()
    image[0, 3, 4:9] = torch.nan
    broken = tmp_path / "broken.npy"  # which, unlike a TIFF of ours, states no range
    np.save(broken, image[0].numpy())
    options = {"degradation": NOISE, "recipe": loss_recipe, "out": tmp_path / "out.safetensors"}
    with pytest.raises(LossmithError, match="holds floats, whose range must be said: `range=0:1`"):
        learn_loss(broken, **options)
    with pytest.raises(LossmithError, match=r"has 5 pixels of NaN or infinity; learn from a crop without any$"):
        learn_loss(broken, range="p1:p99", **options)
