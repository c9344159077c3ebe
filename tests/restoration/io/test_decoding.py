"""Training and restoration read the same pixels from a file, or one of them refuses it."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import image_size, read_image
from lossmith.restoration.io.decoding import decode, read_header

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)
GRAY = RGB[..., 0]
OPAQUE = np.full_like(GRAY, 255)
RGB_16_BIT = RNG.integers(0, 65536, (20, 24, 3)).astype(np.uint16)
PLANES = RGB_16_BIT.transpose(2, 0, 1).copy()

Write = Callable[[Path], Any]


def by_pillow(pixels: np.ndarray, **options: Any) -> Write:
    return lambda path: Image.fromarray(pixels).save(path, **options)


def by_tifffile(pixels: np.ndarray, **options: Any) -> Write:
    return lambda path: tifffile.imwrite(path, pixels, **options)


def by_vips(pixels: np.ndarray, **options: Any) -> Write:
    return lambda path: pyvips.Image.new_from_array(pixels).tiffsave(str(path), **options)


def with_orientation(orientation: int) -> Write:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return by_pillow(RGB, exif=exif)


def with_other_page(pixels: np.ndarray, kind: int) -> Write:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as file:
            file.write(RGB, photometric="rgb")
            file.write(pixels, photometric="minisblack" if pixels.ndim == 2 else "rgb", subfiletype=kind)

    return write


def with_change(change: Callable[[bytearray], bytes | bytearray]) -> Write:
    def write(path: Path) -> None:
        content = io.BytesIO()
        Image.fromarray(RGB).save(content, "PNG")
        path.write_bytes(change(bytearray(content.getvalue())))

    return write


def with_a_wrong_sum(content: bytearray) -> bytearray:
    content[-13] ^= 1  # the last byte before the IEND chunk, of the sum of IDAT
    return content


def without_width(path: Path) -> None:
    """Write a TIFF whose header says that it is 0 pixels wide."""
    Image.fromarray(RGB).save(path)
    width = struct.pack("<HHI", 256, 4, 1)  # the tag, its type LONG, one value, which follows
    before, after = path.read_bytes().split(width + struct.pack("<I", RGB.shape[1]))
    path.write_bytes(before + width + struct.pack("<I", 0) + after)


READABLE_FILES = {
    "rgb.png": by_pillow(RGB),
    "gray.png": by_pillow(GRAY),
    "opaque.png": by_pillow(np.dstack([RGB, OPAQUE])),
    "bilevel.png": lambda path: Image.fromarray(GRAY > 127).save(path),
    "palette.png": lambda path: Image.fromarray(RGB).quantize(16).save(path),
    "wide.png": by_pillow(RGB_16_BIT[..., 0]),
    "unused-key.png": by_pillow(RGB, transparency=(1, 2, 3)),
    "trailing.png": with_change(lambda content: content + b"more"),
    **{f"turned-{number}.jpg": with_orientation(number) for number in (0, 3, 6, 8, 9)},
    "progressive.jpg": by_pillow(RGB, progressive=True),
    "rgb.bmp": by_pillow(RGB),
    "gray.gif": by_pillow(GRAY),
    "rgb.webp": by_pillow(RGB, lossless=True),
    "rgb.ppm": by_pillow(RGB),
    "gray.pgm": by_pillow(GRAY),
    "lzw.tif": by_pillow(RGB, compression="tiff_lzw"),
    "jpeg.tif": by_pillow(RGB, compression="jpeg"),
    "planes.tif": by_tifffile(RGB.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
    "tiles.tif": by_tifffile(RGB, photometric="rgb", tile=(16, 16)),
    "big.tif": by_tifffile(RGB, photometric="rgb", bigtiff=True),
    "from-white.tif": by_tifffile(GRAY, photometric="miniswhite"),
    "wide.tif": by_tifffile(RGB_16_BIT[..., 0]),
    "wide-from-white.tif": by_tifffile(RGB_16_BIT[..., 0], photometric="miniswhite"),
    "wide-lzw.tif": by_vips(RGB_16_BIT[..., 0], compression="lzw", predictor="horizontal"),
    "pyramid.tif": by_vips(np.tile(RGB, (30, 30, 1)), pyramid=True, tile=True),
    "thumbnail.tif": with_other_page(RGB[::2, ::2], 1),
}
NEITHER = {
    "wrong-sum.png": with_change(with_a_wrong_sum),
    "no-end.png": with_change(lambda content: content[:-12]),
    "cut.png": with_change(lambda content: content[:99]),
    "pages.tif": with_other_page(RGB, 0),
    "mask.tif": with_other_page(GRAY > 127, 4),
    "stack.tif": by_tifffile(np.stack([GRAY] * 5), imagej=True, truncate=True),
    "bands.tif": by_tifffile(np.dstack([RGB, GRAY]), photometric="minisblack", planarconfig="contig"),
    "unmarked.tif": by_tifffile(RGB, photometric="minisblack", planarconfig="contig"),
    "signed.tif": by_tifffile(GRAY.astype("i2")),
    "float.tif": by_tifffile(GRAY.astype("f4")),
    "no-width.tif": without_width,
    "cmyk.jpg": lambda path: Image.fromarray(RGB).convert("CMYK").save(path),
    "animated.gif": by_pillow(GRAY, save_all=True, append_images=[Image.fromarray(255 - GRAY)]),
}
TRAINING_REFUSES = {
    "wide-colors.tif": by_tifffile(RGB_16_BIT, photometric="rgb"),
    "wide-planes.tif": by_tifffile(PLANES, photometric="rgb", planarconfig="separate"),
    "wide-packed-planes.tif": by_tifffile(PLANES, photometric="rgb", planarconfig="separate", compression="zlib"),
    "transparent.png": by_pillow(np.dstack([RGB, GRAY])),
    "wide.pgm": by_pillow(RGB_16_BIT[..., 0]),
}


def decode_pixels(path: Path, to: Path) -> np.ndarray:
    """The pixels that `restore` reads, as (H, W, 3) in 8 bits."""
    pixels = np.array(decode(path, to).raster.mapped()).astype(int)
    pixels = (pixels[..., :-1] if pixels.shape[2] in (2, 4) else pixels) if pixels.shape[2] > 1 else pixels
    pixels = (pixels + 128) // 257 if read_header(path).dtype == "uint16" else pixels
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


@pytest.mark.parametrize("name", READABLE_FILES)
def test_training_and_restoration_read_the_same_pixels(name: str, tmp_path: Path) -> None:
    READABLE_FILES[name](path := tmp_path / name)
    pixels = read_image(path).permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, decode_pixels(path, tmp_path / "raster"))
    assert image_size(path) == read_header(path).size == pixels.shape[:2]


@pytest.mark.parametrize("name", NEITHER)
def test_training_and_restoration_refuse_the_same_files(name: str, tmp_path: Path) -> None:
    NEITHER[name](path := tmp_path / name)
    for reader in (read_image, lambda path: decode(path, tmp_path / "raster")):
        with pytest.raises(LossmithError, match=rf"image '.*{name}' "):
            reader(path)


@pytest.mark.parametrize("name", TRAINING_REFUSES)
def test_training_refuses_files_that_only_restoration_reads_in_full(name: str, tmp_path: Path) -> None:
    TRAINING_REFUSES[name](path := tmp_path / name)
    decode(path, tmp_path / "raster")
    with pytest.raises(LossmithError, match=rf"image '.*{name}' "):
        read_image(path)


def test_other_kinds_of_image_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    for reader in (read_image, read_header):
        with pytest.raises(LossmithError, match=r"phone.jpg' is a HEIC file; convert it to PNG"):
            reader(tmp_path / "phone.jpg")
