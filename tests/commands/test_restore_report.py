"""The page shows 8-bit colors of images of any kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.commands.restore_report import center_pixels

RGBA_16_BIT = np.random.default_rng(0).integers(0, 65536, (12, 16, 4), dtype=np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_image_is_shown_in_its_nearest_8_bit_colors(channels: int, dtype: Any, tmp_path: Path) -> None:
    levels = np.iinfo(dtype).max
    pixels = (RGBA_16_BIT[..., :channels] // (65536 // (levels + 1))).astype(dtype).squeeze()
    options = {"photometric": "rgb" if channels > 2 else "minisblack"}
    options |= {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    view = center_pixels(tmp_path / "a.tif", (1.0, 1.0), (12, 16), tmp_path / "pixels")
    colors = pixels.reshape(12, 16, channels)[..., : 1 if channels < 3 else 3]
    expected = np.broadcast_to(np.floor(colors * (255 / levels) + 0.5), (12, 16, 3))
    assert np.array_equal(view, expected)


def test_results_of_other_sizes_show_the_same_center(tmp_path: Path) -> None:
    small = np.zeros((8, 8), np.uint8)
    small[2:6, 2:6] = 255
    Image.fromarray(small).save(tmp_path / "small.png")
    Image.fromarray(small.repeat(2, 0).repeat(2, 1)).save(tmp_path / "large.png")
    for name in ("small", "large"):
        view = center_pixels(tmp_path / f"{name}.png", (0.5, 0.5), (8, 8), tmp_path / "pixels")
        assert view.min() == 255
