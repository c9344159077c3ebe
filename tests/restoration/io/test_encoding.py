"""PNG and TIFF as they are written."""

from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.restoration import ENDINGS
from lossmith.restoration.io.decoding import Metadata, decode
from lossmith.restoration.io.encoding import encode, read_record

from ..samples import raster_of


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 4),
    st.sampled_from(["uint8", "uint16"]),
    st.integers(0, 9),
)
def test_png_and_tiff_are_lossless(height: int, width: int, channels: int, dtype: str, seed: int) -> None:
    import tempfile

    rng = np.random.default_rng(seed)
    values = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)
    if seed % 2:
        values = np.sort(values, axis=0)  # smooth, so that other filters win
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raster = raster_of(values, folder / "raster")
        for format in ("png", "tiff"):
            path = folder / f"image{ENDINGS[format]}"
            encode(path, raster, format, None, Metadata(), {"a": 1})
            assert np.array_equal(decode(path, folder / "back").raster.mapped(), values)
            assert read_record(path) == {"a": 1}
            if format == "tiff":  # an independent reader
                assert np.array_equal(tifffile.imread(path).reshape(values.shape), values)
