"""16-bit images are rounded to the nearest 8 bits, not cut down."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data import read_image

RNG = np.random.default_rng(0)


def tensor(pixels: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) as read_image should give it."""
    color = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    return torch.from_numpy(color.astype(np.uint8)).permute(2, 0, 1)


def png16(
    path: Path,
    values: np.ndarray,
    color_type: int,
    extra: bytes = b"",
    rows: bytes = b"",
    interlaced: bool = False,
) -> Path:
    """Write (H, W, C) uint16 as PNG by hand: Pillow cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, color_type, 0, 0, interlaced)
    rows = rows or b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def color_key(*values: int) -> bytes:
    data = b"tRNS" + struct.pack(f">{len(values)}H", *values)
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize(("channels", "color_type"), [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_16_bit_png_is_rounded_to_the_nearest_8_bits(tmp_path: Path, channels: int, color_type: int) -> None:
    values = RNG.integers(0, 65536, (5, 7, channels)).astype(np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535
    path = png16(tmp_path / "a.png", values, color_type)
    color = values[..., : 1 if channels < 3 else 3]
    assert torch.equal(read_image(path), tensor(np.broadcast_to(np.round(color / 257), (5, 7, 3))))


def adam7(values: np.ndarray) -> bytes:
    """The rows of PNG's seven interlaced passes, unfiltered."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [values[top::down, left::right] for top, left, down, right in passes]
    return b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)


@pytest.mark.parametrize(("channels", "color_type"), [(1, 0), (3, 2), (4, 6)])
def test_interlaced_16_bit_png_is_read_too(tmp_path: Path, channels: int, color_type: int) -> None:
    values = RNG.integers(0, 65536, (11, 13, channels)).astype(np.uint16)
    values[..., 3:] = 65535
    path = png16(tmp_path / "a.png", values, color_type, rows=adam7(values), interlaced=True)
    expected = np.broadcast_to(np.round(values[..., :3] / 257), (11, 13, 3))
    assert torch.equal(read_image(path), tensor(expected))


def filter_rows(values: np.ndarray, kind: int) -> bytes:
    """The rows of a 16-bit RGB image, each byte less what PNG's filter of that number predicts for it."""
    pixels = np.stack((values >> 8, values & 255), -1).reshape(len(values), -1).astype(int)
    height, width = pixels.shape
    rows = b""
    for y in range(height):
        rows += bytes([kind])
        for x in range(width):
            left = pixels[y, x - 6] if x >= 6 else 0
            above = pixels[y - 1, x] if y else 0
            corner = pixels[y - 1, x - 6] if y and x >= 6 else 0
            paeth = min((left, above, corner), key=lambda p: abs(left + above - corner - p))
            prediction = (0, left, above, (left + above) // 2, paeth)[kind]
            rows += bytes([(pixels[y, x] - prediction) % 256])
    return rows


@pytest.mark.parametrize("kind", range(5))
def test_every_row_filter_of_16_bit_png_is_undone(tmp_path: Path, kind: int) -> None:
    values = RNG.integers(0, 65536, (9, 10, 3)).astype(np.uint16)
    path = png16(tmp_path / "a.png", values, 2, rows=filter_rows(values, kind))
    assert torch.equal(read_image(path), tensor(np.round(values / 257)))


def test_16_bit_rounding_of_halves_and_extremes(tmp_path: Path) -> None:
    """255 levels lie 257 apart, so halves do not occur; next to them it is rounded either way."""
    values = np.array([[[0], [128], [129], [257], [65535 - 129], [65535 - 128], [65535]]], np.uint16)
    assert read_image(png16(tmp_path / "a.png", values, 0))[0, 0].tolist() == [0, 0, 1, 1, 254, 255, 255]


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_gray_tiff_is_rounded_too(tmp_path: Path, order: str) -> None:
    values = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    mode = "I;16" if order == "<u2" else "I;16B"
    Image.frombytes(mode, (7, 5), values.astype(order).tobytes()).save(tmp_path / "a.tiff")
    assert torch.equal(read_image(tmp_path / "a.tiff"), tensor(np.round(values / 257)))


def test_16_bit_color_tiff_is_refused_because_it_would_be_cut_down(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tiff", RNG.integers(0, 65536, (5, 7, 3)).astype(np.uint16), photometric="rgb")
    with pytest.raises(LossmithError, match=r"a.tiff' is a 16-bit color TIFF; save it as PNG"):
        read_image(tmp_path / "a.tiff")


def test_a_color_key_without_matching_pixels_is_not_transparency(tmp_path: Path) -> None:
    values = RNG.integers(0, 60000, (5, 7, 3)).astype(np.uint16)
    path = png16(tmp_path / "a.png", values, 2, color_key(65535, 65535, 65535))
    assert torch.equal(read_image(path), tensor(np.round(values / 257)))


def test_a_truncated_16_bit_file_is_refused(tmp_path: Path) -> None:
    path = png16(tmp_path / "a.png", RNG.integers(0, 65536, (64, 64, 3)).astype(np.uint16), 2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LossmithError, match="is truncated or damaged"):
        read_image(path)


def test_signed_16_bits_are_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tiff", np.full((5, 7), -3, np.int16))
    with pytest.raises(LossmithError, match="holds 32-bit or signed integers"):
        read_image(tmp_path / "a.tiff")


def test_transparency_of_16_bits_is_refused(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), 65535, np.uint16)
    pixels[0, 0, 3] = 65534
    png16(tmp_path / "wide.png", pixels, 6)
    png16(tmp_path / "wide_gray.png", pixels[..., 2:], 4)
    png16(tmp_path / "wide_key.png", pixels[..., :3], 2, color_key(65535, 65535, 65535))
    png16(tmp_path / "wide_gray_key.png", pixels[..., :1], 0, color_key(65535))
    for path in tmp_path.iterdir():
        with pytest.raises(LossmithError, match=f"{path.name}' has transparent pixels"):
            read_image(path)
