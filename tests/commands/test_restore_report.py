"""The page shows 8-bit colors of images of any kind."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lossmith.commands.restore_report import center_picture, center_pixels, write_side_by_side
from lossmith.core.pixel_format import PixelFormat

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


def test_pictures_of_other_formats_are_shown_in_the_window_of_the_image(tmp_path: Path) -> None:
    pixels = PixelFormat.full_range(8, "uint16")
    planes = np.random.default_rng(1).integers(1000, 1500, (8, 12, 16), dtype=np.uint16)
    for name, counts in (("image", planes), ("result", planes + 100)):
        tifffile.imwrite(tmp_path / f"{name}.tif", counts, photometric="minisblack", planarconfig="separate")
    page = tmp_path / "page.html"
    write_side_by_side(page, {tmp_path / "image.tif": ("image", {"ours": tmp_path / "result.tif"})}, pixels=pixels)
    low, high = np.percentile(planes[:3], [0.1, 99.9])
    caption = f"shown as red, green and blue, from {math.floor(low)} (black) to {math.ceil(high)} (white)"
    assert f"8 channels, 16 bits, 0 to 65535; channels 0, 1, 2 (the first is 0) {caption}" in page.read_text(
        "utf-8"
    )
    view = center_picture(tmp_path / "image.tif", (0.5, 0.5), (6, 8), pixels)
    assert torch.equal(view, pixels.to_unit(torch.from_numpy(planes))[:, 3:9, 4:12])
