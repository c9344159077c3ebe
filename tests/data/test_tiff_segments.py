"""Strips and tiles are unpacked as tifffile unpacks them, where it can."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.data.tiff_segments import unpack_page

RNG = np.random.default_rng(0)
DTYPES = ["uint8", "int16", "uint32", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", ["zlib", "lzma"])
@pytest.mark.parametrize(
    "layout",
    [
        {"planarconfig": "contig"},
        {"planarconfig": "separate"},
        {"planarconfig": "contig", "tile": (16, 32)},
        {"planarconfig": "separate", "tile": (16, 16)},
        {"planarconfig": "contig", "rowsperstrip": 7},
        {"planarconfig": "separate", "rowsperstrip": 7},
    ],
)
def test_every_layout_in_both_byte_orders(
    tmp_path: Path, dtype: str, compression: str, layout: dict[str, Any]
) -> None:
    array = RNG.normal(50, 20, (33, 41, 5)).astype(dtype)
    array = array.transpose(2, 0, 1) if layout["planarconfig"] == "separate" else array
    predictors = [False, True] if np.dtype(dtype).kind in "ui" else [False]
    for order in "<>":
        for predictor in predictors:
            options = {"compression": compression, "byteorder": order, "predictor": predictor}
            tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", **options, **layout)
            with tifffile.TiffFile(tmp_path / "a.tif") as file:
                values = unpack_page(file.pages[0])
                assert values.dtype == array.dtype
                assert np.array_equal(values, file.pages[0].asarray())
                assert np.array_equal(values, array)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"])
def test_every_packing_of_whole_numbers(tmp_path: Path, compression: str) -> None:
    array = RNG.integers(0, 999, (33, 41)).astype(np.uint16)
    Image.fromarray(array).save(tmp_path / "a.tif", compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].compression != 1
        assert np.array_equal(unpack_page(file.pages[0]), array)


def test_segments_that_a_file_leaves_out_are_zeros(tmp_path: Path) -> None:
    array = RNG.integers(1, 999, (32, 32)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        counts = file.pages[0].tags["TileByteCounts"]
        counts.overwrite([count * (index != 1) for index, count in enumerate(counts.value)])
    array[:16, 16:] = 0
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert np.array_equal(unpack_page(file.pages[0]), array)
