"""The color profile of a result is that of its pixels."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lossmith.restoration import Format

from .metadata_samples import COLORS, FORMATS, RGB_PROFILE, restore_file


def gray_profile() -> bytes:
    """A minimal gray profile of gamma 2.2 under ICC.1:2010."""

    def fixed_point(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(65536 * value)) for value in values)

    white = fixed_point(0.9642, 1, 0.8249)
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0" + bytes(78)),
        (b"wtpt", b"XYZ \0\0\0\0" + white),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))),
    ]
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(padded))
        body += padded
    size = struct.pack(">I", 132 + 12 * len(tags) + len(body))
    head = (
        size + b"lcms" + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    )
    return (head + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + body


GRAY_PROFILE = gray_profile()
GRAYS = Image.fromarray(COLORS[..., 0])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("profile", [GRAY_PROFILE, RGB_PROFILE, b"no profile" * 20])
@pytest.mark.parametrize(
    "image", [GRAYS, GRAYS.convert("P"), Image.fromarray(COLORS), Image.fromarray(COLORS).quantize(9)]
)
def test_the_color_profile_fits_the_pixels_that_are_written(
    image: Image.Image, profile: bytes, format: Format, tmp_path: Path
) -> None:
    image.save(tmp_path / "a.png", icc_profile=profile)
    result, remarks = restore_file(tmp_path / "a.png", format)
    with Image.open(result) as image:
        written_profile = image.info.get("icc_profile")
        mode = image.mode
    assert written_profile is None or written_profile[16:20] == {"L": b"GRAY", "RGB": b"RGB "}[mode]
    assert written_profile == profile or any("profile" in remark for remark in remarks)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_pixels_without_their_profile_are_converted_to_srgb(dtype: Any, tmp_path: Path) -> None:
    ramp = (np.arange(256, dtype=np.uint32) * (257 if dtype == np.uint16 else 1)).astype(dtype)
    Image.fromarray(np.tile(ramp, (4, 1))).save(tmp_path / "a.png", icc_profile=GRAY_PROFILE)
    result, _ = restore_file(tmp_path / "a.png", "webp", scale=1)
    linear = (np.arange(256) / 255) ** 2.2
    expected = 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    # a rounding of ours, and one within lcms
    assert np.abs(np.asarray(Image.open(result))[0, :, 1] - expected).max() <= 1.5
