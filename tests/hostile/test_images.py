"""Damaged and malicious image files are read or refused in one sentence, and a restoration goes on."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lossmith.core.pixel_format import PixelFormat
from lossmith.data import (
    PictureHeader,
    image_size,
    read_image,
    read_picture,
    read_picture_header,
    read_picture_metadata,
)
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine
from lossmith.restoration.io.decoding import decode
from lossmith.restoration.io.formats import ENDINGS

from .amounts import FEW, MANY, count_fuzzed
from .corruption import damage, result_or_refusal

pytestmark = pytest.mark.filterwarnings("ignore")  # of Pillow, for damaged files
PHOTO_FORMATS = [format for format in ENDINGS if format != "npy"]  # what a model for photographs writes
COLORS = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
COLORS_16_BIT = COLORS.astype(np.uint16) * 257
BANDS = np.concatenate([COLORS_16_BIT, COLORS_16_BIT], 2).transpose(2, 0, 1)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(**entries: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112], tags[0x010E], tags[0x011A], tags[0x0128] = 6, "words", 72.0, 2
    tags.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return tags


def files() -> dict[str, bytes]:
    """A small file of every kind that is read, and of some that are refused."""
    image, gray = Image.fromarray(COLORS), Image.fromarray(COLORS[..., 0])
    metadata = {"exif": exif(), "icc_profile": b"profile" * 9, "dpi": (72, 72)}
    return {
        "a.png": encode(image, "PNG", **metadata),
        "16.png": encode(Image.fromarray(COLORS_16_BIT[..., 0]), "PNG"),
        "palette.png": encode(image.quantize(8), "PNG", transparency=0),
        "bits.png": encode(gray.convert("1"), "PNG"),
        "alpha.png": encode(gray.convert("LA"), "PNG"),
        "a.jpg": encode(image, "JPEG", **metadata),
        "progressive.jpg": encode(image, "JPEG", progressive=True),
        "cmyk.jpg": encode(image.convert("CMYK"), "JPEG"),
        "two.jpg": encode(image, "MPO", save_all=True, append_images=[image]),
        "a.tif": encode(image, "TIFF", **metadata),
        "16.tif": encode(Image.fromarray(COLORS_16_BIT[..., 0]), "TIFF"),
        "lzw.tif": encode(image, "TIFF", compression="tiff_lzw"),
        "zip.tif": encode(image, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encode(image, "TIFF", compression="jpeg"),
        "floats.tif": encode(gray.convert("F"), "TIFF"),
        "wide.tif": deep_tiff(COLORS_16_BIT, photometric="rgb", compression="zlib", tile=(16, 16)),
        "planes.tif": deep_tiff(BANDS, photometric="minisblack", planarconfig="separate", compression="zlib"),
        "ome.tif": deep_tiff(BANDS, photometric="minisblack", ome=True, metadata={"axes": "CYX"}),
        "imagej.tif": deep_tiff(BANDS, imagej=True, metadata={"axes": "CYX"}),
        "packed-floats.tif": packed_floats(),
        "a.npy": array_file(),
        "a.webp": encode(image, "WEBP", exif=exif()),
        "exact.webp": encode(image, "WEBP", lossless=True),
        "a.gif": encode(image, "GIF"),
        "a.bmp": encode(image, "BMP"),
        "a.ppm": encode(image, "PPM"),
        "text.png": b"not an image",
        "empty.jpg": b"",
    }


def deep_tiff(values: np.ndarray, **options: Any) -> bytes:
    """16 bits in color, or many channels."""
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def packed_floats() -> bytes:
    """Floats whose bytes are told apart before they are packed."""
    import pyvips

    image = pyvips.Image.new_from_array(COLORS / np.float32(255))
    tiles = {"tile": True, "tile_width": 16, "tile_height": 16}
    return bytes(image.tiffsave_buffer(compression="lzw", predictor="float", **tiles))


def array_file() -> bytes:
    file = io.BytesIO()
    np.save(file, BANDS)
    return file.getvalue()


FILES = files()
for_each_kind = pytest.mark.parametrize("kind", FILES)


def assert_read_or_refused(path: Path, scratch: Path) -> None:
    """All readers, also those of sizes and metadata, give a result or raise LossmithError."""
    result_or_refusal(lambda: read_image(path))
    result_or_refusal(lambda: image_size(path))
    result_or_refusal(lambda: decode(path, scratch))
    result_or_refusal(lambda: read_picture_metadata(path))
    header = result_or_refusal(lambda: read_picture_header(path))
    if isinstance(header, PictureHeader):
        pixels = PixelFormat(header.channels, header.dtype, 0, 1)
        picture = result_or_refusal(lambda: read_picture(path, pixels, nan="mask"))
        assert not isinstance(picture, torch.Tensor) or picture.shape == (header.channels, *header.size)
    count_fuzzed(f"images: {path.suffix[1:]}")


@for_each_kind
@settings(max_examples=FEW, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_image_is_read_or_refused(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / kind
    path.write_bytes(data.draw(damage(FILES[kind])))
    assert_read_or_refused(path, path.with_name("raster"))


@pytest.mark.slow
@for_each_kind
@settings(max_examples=2 * MANY, deadline=None, derandomize=True)
@given(data=st.data())
def test_many_damaged_images_are_read_or_refused(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / kind
    path.write_bytes(data.draw(damage(FILES[kind])))
    assert_read_or_refused(path, path.with_name("raster"))


@for_each_kind
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".webp", ".bmp", ".ppm", ""])
def test_an_image_with_a_wrong_extension_is_read_or_refused(kind: str, suffix: str, tmp_path: Path) -> None:
    for name in ("true" + Path(kind).suffix, "false" + suffix):
        (tmp_path / name).write_bytes(FILES[kind])
    expected, actual = (
        result_or_refusal(lambda name=name: read_image(tmp_path / name))
        for name in ("true" + Path(kind).suffix, "false" + suffix)
    )
    assert type(actual) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected)


# --- bombs ----------------------------------------------------------------------------------------------------


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
    )


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def tiff(width: int, height: int, bits: int, channels: int) -> bytes:
    """A TIFF that has a header and no pixels."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2 if channels == 3 else 1), (273, 4, 1, 8), (277, 3, 1, channels), (278, 4, 1, height)]
    tags += [(279, 4, 1, min(width * height * channels * bits // 8, 2**32 - 1))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


LAVISH = zlib.compress(bytes(3 * 10**8), 9)
"""300 MB, in 300 kB."""
BOMBS = {
    "sides.png": png(60_000, 60_000),
    "largest.png": png(2**31 - 1, 2**31 - 1),
    "text.png": png(9, 9, chunk(b"zTXt", b"a\0\0" + LAVISH)),
    "international text.png": png(9, 9, chunk(b"iTXt", b"a\0\1\0\0\0" + LAVISH)),
    "profile.png": png(9, 9, chunk(b"iCCP", b"a\0\0" + LAVISH)),
    "pixels.png": png(9, 9, chunk(b"IDAT", LAVISH)),
    "sides.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + FILES["a.gif"][10:],
    "sides.bmp": FILES["a.bmp"][:18] + struct.pack("<ii", 10**6, -(10**6)) + FILES["a.bmp"][26:],
    "sides.ppm": b"P6 99999999 99999999 255 ",
    "digits.ppm": b"P6 " + b"9" * 10**6,
    "sides.tif": tiff(10**6, 10**6, 8, 3),
    "wide.tif": tiff(30_000, 30_000, 16, 3),
    "just allowed.tif": tiff(13_000, 13_000, 16, 3),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_without_its_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    results = [
        result_or_refusal(lambda: read_image(path)),
        result_or_refusal(lambda: decode(path, tmp_path / "raster")),
    ]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e7
    if name not in ("pixels.png", "text.png", "international text.png"):  # whose bombs are skipped
        assert all(isinstance(result, str) for result in results)


# --- restored all the same ------------------------------------------------------------------------------------


def restorer(format: Any) -> FileRestorer:
    options = RestoreOptions(format=format, memory=0.1, halo=0, precision="float32")
    return FileRestorer(TorchEngine(torch.nn.Identity(), 1), options)


def assert_restored_or_refused(content: bytes, kind: str, format: Any, folder: Path) -> bool:
    """Restore an image: the result is readable, or absent after a refusal. Returns whether it was restored."""
    source, out = folder / kind, folder / f"out-{format}"
    source.write_bytes(content)
    out.mkdir(exist_ok=True)
    result = out / f"a{ENDINGS[format]}"
    result.unlink(missing_ok=True)
    refusal = result_or_refusal(lambda: restorer(format).restore(source, result))
    assert {path.name for path in out.iterdir()} <= {result.name, f".{result.name}.unfinished"}
    count_fuzzed("images restored")
    if isinstance(refusal, str):
        assert not result.exists()
        return False
    read_image(result) if Image.open(result).mode in ("L", "RGB") else Image.open(result).load()
    return True


@pytest.mark.parametrize("format", PHOTO_FORMATS)
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.tif", "a.webp"])
@settings(max_examples=FEW // 2, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_metadata_stops_no_restoration(
    kind: str, format: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    assert_restored_or_refused(data.draw(damage(FILES[kind])), kind, format, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@pytest.mark.parametrize("format", PHOTO_FORMATS)
@pytest.mark.parametrize("kind", ["a.png", "a.jpg", "a.tif", "a.webp"])
@settings(max_examples=MANY, deadline=None, derandomize=True)
@given(data=st.data())
def test_much_damaged_metadata_stops_no_restoration(
    kind: str, format: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    assert_restored_or_refused(data.draw(damage(FILES[kind])), kind, format, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("format", PHOTO_FORMATS)
@pytest.mark.parametrize("bits", [0x00000000, 0x80000000, 0x7F800000, 0x7FC00000, 0x7F7FFFFF, 0xBF800000])
def test_a_resolution_that_is_not_finite_is_left_out(format: str, bits: int, tmp_path: Path) -> None:
    """NaN, infinity, 0, and what is too large for any format: as a float in the EXIF of a JPEG."""
    tags = exif()
    tags[0x011A] = 72.0
    content = encode(Image.fromarray(COLORS), "JPEG", exif=tags)
    place = content.find(b"\x01\x1a\0\x05\0\0\0\x01")
    assert place > 0
    float_tag = b"\x01\x1a\0\x0b\0\0\0\x01" + struct.pack(">I", bits)
    assert assert_restored_or_refused(
        content[:place] + float_tag + content[place + 12 :], "a.jpg", format, tmp_path
    )


def test_more_metadata_than_a_format_holds_is_one_sentence(tmp_path: Path) -> None:
    tags = exif()
    tags[0x010E] = "x" * 70_000
    content = encode(Image.fromarray(COLORS), "PNG", exif=tags)
    assert assert_restored_or_refused(content, "a.png", "png", tmp_path)
    assert not assert_restored_or_refused(content, "a.png", "jpeg", tmp_path)


def test_a_damaged_image_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    """Messages of the decoder are not shown."""
    kind = "zip.tif"
    (tmp_path / kind).write_bytes(FILES[kind][:-40])
    (tmp_path / "good.png").write_bytes(FILES["alpha.png"])
    command = [sys.executable, "-m", "lossmith", "compare", str(tmp_path), "--out", str(tmp_path / "runs")]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith(f"lossmith: image '{tmp_path / kind}' is ")
    assert process.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
