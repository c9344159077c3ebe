"""A chosen size: antialiased resampling, and metadata corrected for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import lossmith
from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine
from lossmith.restoration.io.encoding import read_record
from lossmith.restoration.resampling import resample, size_of_result
from lossmith.restoration.tiling.raster import Raster

Array = np.ndarray[Any, Any]


def smooth(height: int, width: int, channels: int = 3, dtype: str = "uint8") -> Array:
    y, x = np.mgrid[:height, :width, :channels][:2] / 9
    waves = 0.5 + 0.3 * np.sin(x + np.arange(channels)) * np.cos(0.8 * y) + 0.15 * np.sin(5 * x)
    return (waves * np.iinfo(dtype).max).astype(dtype)


def raster_of(values: Array, path: Path) -> Raster:
    raster = Raster(path, *values.shape, str(values.dtype)).create()
    raster.mapped("r+")[:] = values
    return raster


def enlarging(scale: int) -> TorchEngine:
    return TorchEngine(nn.Upsample(scale_factor=scale, mode="bicubic"), scale, "cubic")


@pytest.mark.parametrize("size", [(40, 51), (77, 90), (33, 150), (200, 231), (1, 1), (101, 40)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_resampling_equals_pillows_lanczos_on_the_whole_image(
    size: tuple[int, int], dtype: str, tmp_path: Path
) -> None:
    values = smooth(101, 131, 1, dtype)
    actual = np.array(resample(raster_of(values, tmp_path / "a"), size, tmp_path / "b").mapped())[..., 0]

    def weights(old: int, new: int) -> Array:
        """Rows of Lanczos weights, from the definition."""
        centers, width = (np.arange(new) + 0.5) * old / new, max(old / new, 1)
        distance = (np.arange(old) + 0.5 - centers[:, None]) / width
        kernel = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
        return kernel / kernel.sum(1, keepdims=True)

    expected = weights(101, size[0]) @ values[..., 0].astype(float) @ weights(131, size[1]).T
    # rounded to whole levels, of float32
    assert np.abs(actual - expected.clip(0, np.iinfo(dtype).max)).max() <= 0.5 + np.iinfo(dtype).max * 1e-6


def test_downsampling_does_not_alias(tmp_path: Path) -> None:
    stripes = np.zeros((120, 120, 1), np.uint8)
    stripes[:, ::2] = 255
    actual = np.array(resample(raster_of(stripes, tmp_path / "a"), (40, 40), tmp_path / "b").mapped())
    assert np.abs(actual[5:-5, 5:-5].astype(int) - 127.5).max() <= 3


def test_colors_of_transparent_pixels_do_not_bleed(tmp_path: Path) -> None:
    values = np.zeros((60, 60, 4), np.uint8)
    values[:, :30] = 10, 200, 30, 255
    values[:, 30:] = 255, 0, 255, 0
    actual = np.array(resample(raster_of(values, tmp_path / "a"), (17, 23), tmp_path / "b").mapped()).astype(int)
    visible = actual[actual[..., 3] > 10]
    assert np.abs(visible[:, :3] - (10, 200, 30)).max() <= 3


def test_resampling_in_strips_equals_resampling_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = raster_of(smooth(90, 70), tmp_path / "a")
    at_once = np.array(resample(raster, (57, 41), tmp_path / "b").mapped())
    monkeypatch.setattr("lossmith.restoration.resampling.STRIP_BYTES", 5000)
    strips = np.array(resample(raster, (57, 41), tmp_path / "b").mapped())
    assert np.abs(strips.astype(int) - at_once).max() <= 1  # a rounding


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 4), st.floats(0.01, 100), st.integers(1, 9999))
def test_result_sizes_follow_scale_to_and_size(
    height: int, width: int, scale: int, factor: float, longest: int
) -> None:
    assert size_of_result(height, width, scale, None, None) == (scale * height, scale * width)
    for actual, side in zip(size_of_result(height, width, scale, factor, None), (height, width), strict=True):
        assert actual >= 1
        assert abs(actual - factor * side) <= 0.5 or actual == 1
    assert max(size_of_result(height, width, scale, None, longest)) == longest
    assert size_of_result(height, width, scale, None, f"{width}x{longest}") == (longest, width)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"scale_to": 2}, (80, 60)),
        ({"scale_to": 1.5}, (60, 45)),
        ({"scale_to": 4}, (160, 120)),
        ({"size": 100}, (100, 75)),
        ({"size": "100"}, (100, 75)),
        ({"size": "64x48"}, (64, 48)),
        ({"size": "64 X 48"}, (64, 48)),
        ({"scale_to": 6}, (240, 180)),
    ],
)
def test_results_have_the_requested_size(options: Any, size: tuple[int, int], tmp_path: Path) -> None:
    pixels = smooth(30, 40)
    exif = Image.Exif()
    exif[0x8769] = {0xA002: 40, 0xA003: 30}
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif, dpi=(100, 100))
    restorer = FileRestorer(enlarging(4), RestoreOptions(**options))
    restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == size
        tags = image.getexif().get_ifd(0x8769)
        assert (tags[0xA002], tags[0xA003]) == size
        assert image.info["dpi"] == pytest.approx((100 * size[0] / 40, 100 * size[1] / 30), rel=0.01)
        # the network's image in that size, not the image itself enlarged
        cubic = np.asarray(Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).resize(size))
        assert np.abs(np.asarray(image).astype(int) - cubic)[4:-4, 4:-4].mean() < 3
    assert restorer.is_done(tmp_path / "a.png", tmp_path / "b.png")
    assert not FileRestorer(enlarging(4), RestoreOptions(scale_to=3.5)).is_done(
        tmp_path / "a.png", tmp_path / "b.png"
    )
    assert json.loads(json.dumps(read_record(tmp_path / "b.png")))["settings"]["model"] == {}


def test_geotiff_follows_the_requested_size_and_changed_proportions_are_reported(tmp_path: Path) -> None:
    place = [(33550, "d", 3, (10.0, 10.0, 0.0)), (33922, "d", 6, (0, 0, 0, 5e5, 4e6, 0))]
    keys = [(34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 32632))]
    tifffile.imwrite(tmp_path / "a.tif", smooth(30, 40), photometric="rgb", extratags=place + keys)
    restorer = FileRestorer(enlarging(2), RestoreOptions("tiff", size="60x90"))
    restorer.restore(tmp_path / "a.tif", tmp_path / "b.tif")
    tags = tifffile.TiffFile(tmp_path / "b.tif").pages[0].tags
    assert tags[33550].value == pytest.approx((10 / 1.5, 10 / 3, 0))
    remarks = " ".join(restorer.change_notes())
    assert "changes the proportions of the image, to those of `size`: 'a.tif'" in remarks
    assert "enlarges 2 times by the model and the rest of the way by interpolation: 'a.tif'" in remarks


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"scale_to": 2, "size": 100}, "scale_to and size both say how large results are; give one of them"),
        ({"scale_to": 0}, "`scale_to` must be more than 0 and at most 100, not 0"),
        ({"scale_to": float("nan")}, "`scale_to` must be more than 0 and at most 100, not nan"),
        ({"size": "0x10"}, "`size` must be the longer side in pixels, or WIDTHxHEIGHT, not '0x10'"),
        ({"size": "50%"}, "`size` must be the longer side in pixels, or WIDTHxHEIGHT, not '50%'"),
        ({"size": -3}, "`size` must be the longer side in pixels, or WIDTHxHEIGHT, not '-3'"),
    ],
)
def test_invalid_sizes_are_refused(wish: Any, message: str) -> None:
    with pytest.raises(LossmithError, match=f"^{message}$".replace("%", "[%]")):
        RestoreOptions(**wish)


def test_a_size_that_the_format_cannot_hold_is_refused_before_any_work(tmp_path: Path) -> None:
    Image.fromarray(smooth(10, 200)).save(tmp_path / "a.png")
    with pytest.raises(LossmithError, match="WEBP holds 16383 pixels a side, the result has 20000"):
        FileRestorer(enlarging(2), RestoreOptions("webp", scale_to=100)).restore(
            tmp_path / "a.png", tmp_path / "b.webp"
        )


@pytest.mark.slow
def test_the_models_output_may_exceed_the_format_limit_before_resampling(tmp_path: Path) -> None:
    Image.fromarray(smooth(10, 200)).save(tmp_path / "a.png")
    FileRestorer(enlarging(100), RestoreOptions("webp", size=150)).restore(tmp_path / "a.png", tmp_path / "b.webp")
    assert Image.open(tmp_path / "b.webp").size == (150, 8)


def test_restore_takes_size_on_the_command_line(random_model, tmp_path: Path) -> None:
    Image.fromarray(smooth(30, 40)).save(tmp_path / "a.png")
    model = random_model("srresnet_small(features=4, blocks=1)", 2)
    for wish, size in ({"scale_to": 1.5}, (60, 45)), ({"size": "50x20"}, (50, 20)), ({"size": 20}, (20, 15)):
        outcome = lossmith.restore([tmp_path / "a.png"], model=[model], out=tmp_path / "out", **wish)
        assert Image.open(outcome.results[0]).size == size
        repeat = lossmith.restore([tmp_path / "a.png"], model=[model], out=tmp_path / "out", **wish)
        assert repeat.skipped == outcome.results
