"""TIFFs of every layout: read exactly, or refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from lossmith.restoration.io.decoding import decode

from ..samples import GRAY16, RGB16, RGBA16, noise, refusal

TIFFS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "gray": (GRAY16, {"photometric": "minisblack"}, GRAY16[..., None]),
    "white is zero": (GRAY16, {"photometric": "miniswhite"}, 65535 - GRAY16[..., None]),
    "big endian": (RGB16, {"photometric": "rgb", "byteorder": ">"}, RGB16),
    "packed": (RGB16, {"photometric": "rgb", "compression": "zlib"}, RGB16),
    "differences": (RGB16, {"photometric": "rgb", "compression": "zlib", "predictor": True}, RGB16),
    "planes": (np.moveaxis(RGB16, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}, RGB16),
    "tiles": (RGB16, {"photometric": "rgb", "tile": (16, 16)}, RGB16),
    "BigTIFF": (RGB16, {"photometric": "rgb", "bigtiff": True}, RGB16),
    "alpha": (RGBA16, {"photometric": "rgb", "extrasamples": ["unassalpha"]}, RGBA16),
    "black and white": (GRAY16 > 9999, {"photometric": "minisblack"}, 255 * (GRAY16 > 9999)[..., None]),
    "palette": (
        (GRAY16 >> 8).astype(np.uint8),
        {"photometric": "palette", "colormap": np.arange(768, dtype=np.uint16).reshape(3, 256) * 85},
        (np.arange(768, dtype=np.uint16).reshape(3, 256) * 85 >> 8).T[GRAY16 >> 8],
    ),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiffs_of_every_layout_are_read_exactly(name: str, tmp_path: Path) -> None:
    values, options, expected = TIFFS[name]
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert np.array_equal(decode(tmp_path / "a.tif", tmp_path / "raw").raster.mapped(), expected)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits"])
def test_16_bit_tiffs_of_every_compression_are_read(compression: str, tmp_path: Path) -> None:
    pyvips.Image.new_from_array(RGB16).copy(interpretation="rgb16").tiffsave(
        str(tmp_path / "a.tif"), compression=compression
    )
    assert np.array_equal(decode(tmp_path / "a.tif", tmp_path / "raw").raster.mapped(), RGB16)


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
def test_tiffs_of_rare_compressions_are_read_except_16_bit_color(compression: str, tmp_path: Path) -> None:
    values = noise(20, 30, 4)
    Image.fromarray(values).save(tmp_path / "a.tif", compression=compression)
    assert np.array_equal(decode(tmp_path / "a.tif", tmp_path / "raw").raster.mapped(), values)
    Image.fromarray(GRAY16).save(tmp_path / "b.tif", compression=compression)
    assert np.array_equal(decode(tmp_path / "b.tif", tmp_path / "raw").raster.mapped()[..., 0], GRAY16)


def test_a_raw_file_that_begins_with_a_thumbnail_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 30, 3), photometric="rgb", subfiletype=1)
    assert "begins with a small copy" in refusal(tmp_path / "a.tif", tmp_path / "b.png")


def test_an_unsupported_tiff_compression_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB16, photometric="rgb", compression="lzma")
    assert "packed by LZMA; save it packed by Deflate" in refusal(tmp_path / "a.tif", tmp_path / "b.png")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_premultiplied_alpha_is_divided_out(dtype: Any, tmp_path: Path) -> None:
    white = int(np.iinfo(dtype).max)
    alpha = np.full((20, 30, 1), white // 3, dtype)
    pixels = np.concatenate([noise(20, 30, 3, dtype=dtype) // 3, alpha], axis=2)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    decoded = decode(tmp_path / "a.tif", tmp_path / "raw").raster.mapped()
    unpremultiplied = np.minimum(white, pixels[..., :3].astype(float) * white / (white // 3))
    assert np.abs(decoded[..., :3] - unpremultiplied).max() <= 0.5
    assert np.array_equal(decoded[..., 3:], alpha)


REFUSED_TIFFS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "infrared": (
        RGBA16,
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
        "has 4 channels, of which the last",
    ),
    "four bands": (
        RGBA16,
        {"photometric": "minisblack", "planarconfig": "contig"},
        "has 4 channels, of which the last",
    ),
    "two bands": (RGBA16[..., :2], {"photometric": "minisblack", "planarconfig": "contig"}, "has 2 channels"),
    "floats": (GRAY16.astype(np.float32), {"photometric": "minisblack"}, "floating-point"),
    "signed": (GRAY16.astype(np.int16), {"photometric": "minisblack"}, "signed integers"),
    "32 bits": (GRAY16.astype(np.uint32), {"photometric": "minisblack"}, "32-bit"),
    "12 bits": (GRAY16 >> 4, {"photometric": "minisblack"}, "12 bits per value"),
    "Lab": ((RGB16 >> 8).astype(np.uint8), {"photometric": "cielab"}, "CIELab"),
    "ink": ((RGBA16 >> 8).astype(np.uint8), {"photometric": "separated"}, "CMYK"),
    "pages": (np.stack([RGB16, RGB16]), {"photometric": "rgb"}, "holds several images"),
}


@pytest.mark.parametrize("name", REFUSED_TIFFS)
def test_unsupported_tiffs_are_refused_by_kind_and_leave_nothing(name: str, tmp_path: Path) -> None:
    values, options, message = REFUSED_TIFFS[name]
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    if name == "12 bits":
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
            file.pages[0].tags["BitsPerSample"].overwrite(12)
    assert message in refusal(tmp_path / "a.tif", tmp_path / "out" / "a.png")
    assert not (tmp_path / "out").exists()


def test_smaller_copies_in_a_tiff_are_left_out_and_reported(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB16, photometric="rgb")
        file.write(RGB16[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    decoded = decode(tmp_path / "a.tif", tmp_path / "raw")
    assert np.array_equal(decoded.raster.mapped(), RGB16)
    assert decoded.metadata.lost == ("smaller copies of the image in the file",)
