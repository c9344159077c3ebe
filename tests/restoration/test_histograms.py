"""Matching of histograms: as scikit-image does it, exactly, of images and of results of `restore`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut, chelsea
from skimage.exposure import match_histograms
from torch import Tensor, nn

from lossmith.degradations import from_8bit, resize_8bit, to_8bit
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine, histograms, match_histogram
from lossmith.restoration.histograms import match_raster
from lossmith.restoration.io.encoding import read_record
from lossmith.restoration.tiling import raster

from .samples import noise, raster_of


def image_of(pixels: np.ndarray) -> Tensor:
    return from_8bit(torch.from_numpy(pixels).permute(2, 0, 1))


def matched_by_scikit_image(source: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Rounded to the nearest levels: scikit-image cuts off the fractions of integers, but not of floats."""
    exact = match_histograms(source.astype(np.float64), reference.astype(np.float64), channel_axis=-1)
    return np.floor(exact + 0.5).astype(source.dtype)


PAIRS = {
    "two photographs": (astronaut()[:200, :300], chelsea()),
    "few levels": (astronaut()[:64, :64], chelsea()[:64, :64] // 64 * 64),
    "one level": (astronaut()[:64, :64], np.full((8, 8, 3), 77, np.uint8)),
    "from one level": (np.full((8, 8, 3), 77, np.uint8), chelsea()[:64, :64]),
}


@pytest.mark.parametrize(("source", "reference"), PAIRS.values(), ids=PAIRS)
def test_equals_scikit_image_to_the_level(source: np.ndarray, reference: np.ndarray) -> None:
    matched = to_8bit(match_histogram(image_of(source), image_of(reference))).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(matched, matched_by_scikit_image(source, reference))


def test_an_image_matched_to_itself_is_itself() -> None:
    image = image_of(astronaut()[:64, :64])
    assert torch.equal(match_histogram(image, image), image)


def test_a_change_of_brightness_is_undone() -> None:
    image = image_of(chelsea()[:64, :64] // 2)
    brighter = image + 40 / 255
    torch.testing.assert_close(match_histogram(brighter, image), image, atol=1e-6, rtol=0)  # float32


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_results_of_8_and_16_bits_equal_scikit_image(channels: int, dtype: str, tmp_path: Path) -> None:
    result, source = noise(30, 20, channels, dtype=dtype), noise(30, 20, channels, dtype=dtype) // 3
    matched = match_raster(raster_of(result, tmp_path / "a"), raster_of(source, tmp_path / "b"), tmp_path / "c")
    np.testing.assert_array_equal(matched.mapped(), matched_by_scikit_image(result, source))


@pytest.mark.parametrize("channels", [2, 4])
def test_pixels_count_by_their_opacity_which_stays(channels: int, tmp_path: Path) -> None:
    values = noise(40, 20, channels)
    values[:20, :, -1], values[20:, :, -1] = 0, 255

    def matched(hidden: int) -> np.ndarray:
        """What becomes of an image half of whose source is invisible, and of this level."""
        source = values // 2
        source[..., -1] = values[..., -1]
        source[:20, :, :-1] = hidden
        rasters = raster_of(values, tmp_path / "a"), raster_of(source, tmp_path / "b")
        return np.array(match_raster(*rasters, tmp_path / "c").mapped())

    both = matched(0), matched(255)
    np.testing.assert_array_equal(*both)
    visible, source = values[20:, :, :-1], values[20:, :, :-1] // 2
    np.testing.assert_array_equal(both[0][20:, :, :-1], matched_by_scikit_image(visible, source))
    np.testing.assert_array_equal(both[0][..., -1], values[..., -1])


def test_what_is_invisible_everywhere_stays_as_it_is(tmp_path: Path) -> None:
    values = noise(8, 8, 4)
    values[..., -1] = 0
    rasters = raster_of(values, tmp_path / "a"), raster_of(values // 2 * 0, tmp_path / "b")
    np.testing.assert_array_equal(match_raster(*rasters, tmp_path / "c").mapped(), values)


class Darkened(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 0.6 * nn.functional.interpolate(images, scale_factor=2) + 0.05


@pytest.mark.parametrize("strip_bytes", [1 << 24, 1 << 12], ids=["one strip", "many strips"])
def test_restored_files_have_the_histograms_of_their_enlarged_images(
    strip_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (histograms, raster):
        monkeypatch.setattr(module, "STRIP_BYTES", strip_bytes)
    pixels = chelsea()[:90, :130]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    engine, options = TorchEngine(Darkened(), 2), RestoreOptions(precision="float32", match_histogram=True)
    FileRestorer(engine, options).restore(tmp_path / "a.png", tmp_path / "b.png")
    expected = match_histogram(Darkened()(image_of(pixels)[None])[0], resize_8bit(image_of(pixels), 2))
    restored = np.asarray(Image.open(tmp_path / "b.png"))
    np.testing.assert_array_equal(restored, to_8bit(expected).permute(1, 2, 0).numpy())


def test_a_result_that_is_matched_is_another_one_and_old_records_stay_valid(tmp_path: Path) -> None:
    image, result = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(chelsea()[:20, :30]).save(image)
    engine = TorchEngine(Darkened(), 2)
    plain, matching = (FileRestorer(engine, RestoreOptions(match_histogram=on)) for on in (False, True))
    plain.restore(image, result)
    record = read_record(result)
    assert record is not None
    assert "match_histogram" not in record["settings"], "as before there was this option"
    assert (plain.is_done(image, result), matching.is_done(image, result)) == (True, False)
