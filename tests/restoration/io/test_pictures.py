"""Rasters of pictures are written strip by strip, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.core.pixel_format import PixelFormat
from lossmith.restoration.io.decoding import STRIP_ROWS
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.pictures import codec_for
from lossmith.restoration.tiling import raster

FORMATS: list[Format] = ["tiff", "npy", "png"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_of_many_strips_is_read_and_written_to_the_bit(
    format: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster, "STRIP_BYTES", 1000)
    pixels = PixelFormat(1, "uint16", 100, 4095)
    values = np.random.default_rng(0).integers(0, 65536, (2 * STRIP_ROWS + 7, 9), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values)
    codec = codec_for(pixels)
    original = codec.read_header(tmp_path / "a.tif")
    decoded = codec.decode(original, tmp_path / "raster")
    assert len(list(decoded.raster.strips())) > 2
    unit = (values.astype(np.float64) - 100) / 3995
    np.testing.assert_allclose(decoded.raster.mapped()[..., 0], unit, rtol=1e-6, atol=1e-7)
    metadata = codec.transfer(original, format, values.shape, narrowed=False)
    result = tmp_path / f"b.{format}"
    codec.encode(result, decoded.raster, original, format, None, metadata, {})
    if format == "png":
        written = np.array(Image.open(result))
    else:
        written = np.load(result) if format == "npy" else tifffile.imread(result)
    assert written.dtype == np.uint16
    np.testing.assert_array_equal(written, values)
