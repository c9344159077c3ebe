"""Pictures of every type and number of channels are read back to the bit, whoever wrote them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import DTYPES, RGB_8BIT, STORED_AS_THEY_ARE, PixelFormat
from lossmith.data import picture_suffix, read_image, read_picture, read_picture_header, write_image, write_picture

CHANNELS = (1, 2, 3, 4, 5, 8)
VIPS_DTYPES = sorted({*DTYPES} - {"float16"})


def values(dtype: str, channels: int, height: int = 13, width: int = 17) -> np.ndarray:
    """(H, W, C) of the whole range of a type; of floats, of many magnitudes and both signs."""
    rng = np.random.default_rng(channels)
    shape = height, width, channels
    if np.dtype(dtype).kind == "f":
        return (rng.normal(size=shape) * 10 ** rng.uniform(-2, 2, shape)).astype(dtype)
    limits = np.iinfo(dtype)
    array = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    array[0, 0], array[-1, -1] = limits.min, limits.max
    return array


def format_of(array: np.ndarray) -> PixelFormat:
    return PixelFormat(array.shape[2], array.dtype.name, 0, 1)


def read_back(path: Path, array: np.ndarray) -> None:
    """The picture in a file is the array, (H, W, C), and the header says so."""
    header = read_picture_header(path)
    assert (header.size, header.channels, header.dtype) == (array.shape[:2], array.shape[2], array.dtype.name)
    picture = read_picture(path, format_of(array))
    kept = array if array.dtype.name in STORED_AS_THEY_ARE else array.astype(np.float32)
    assert picture.numpy().dtype == kept.dtype
    assert np.array_equal(picture.numpy().transpose(1, 2, 0), kept)


def squeezed(array: np.ndarray) -> np.ndarray:
    return array[..., 0] if array.shape[2] == 1 else array


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_by_tifffile(tmp_path: Path, dtype: str, channels: int, compression: str | None) -> None:
    array = values(dtype, channels)
    options: dict[str, Any] = {"compression": compression, "photometric": "rgb" if channels == 3 else "minisblack"}
    tifffile.imwrite(
        tmp_path / "a.tif", squeezed(array), **options, planarconfig="contig" if channels > 1 else None
    )
    read_back(tmp_path / "a.tif", array)
    if channels > 1:
        planes = array.transpose(2, 0, 1)
        tifffile.imwrite(tmp_path / "b.tif", planes, **options, planarconfig="separate", byteorder=">")
        read_back(tmp_path / "b.tif", array)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", VIPS_DTYPES)
@pytest.mark.parametrize("compression", ["none", "deflate", "lzw"])
def test_tiff_by_libvips(tmp_path: Path, dtype: str, channels: int, compression: str) -> None:
    """Also what tifffile cannot unpack: LZW, and floats with a predictor of their own."""
    array = values(dtype, channels)
    if channels in (2, 4):  # libvips takes the last one for alpha
        array[..., -1] = 1 if array.dtype.kind == "f" else np.iinfo(dtype).max
    image = pyvips.Image.new_from_array(array)
    predictor = "float" if array.dtype.kind == "f" else "horizontal"
    tiles = {"tile": True, "tile_width": 16, "tile_height": 16}
    for name, options in {"a": {}, "b": {"predictor": predictor}, "c": {**tiles, "predictor": predictor}}.items():
        image.tiffsave(str(tmp_path / f"{name}.tif"), compression=compression, **options)
        read_back(tmp_path / f"{name}.tif", array[..., :-1] if channels in (2, 4) else array)


@pytest.mark.parametrize(("mode", "dtype"), [("L", "uint8"), ("I;16", "uint16"), ("I", "int32"), ("F", "float32")])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_by_pillow(tmp_path: Path, mode: str, dtype: str, compression: str) -> None:
    array = values(dtype, 1)
    image = Image.fromarray(array[..., 0])
    assert image.mode == mode
    image.save(tmp_path / "a.tif", compression=compression)
    read_back(tmp_path / "a.tif", array)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_numpy(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values(dtype, channels)
    np.save(tmp_path / "last.npy", array)
    np.save(tmp_path / "first.npy", array.transpose(2, 0, 1).astype(np.dtype(dtype).newbyteorder(">")))
    for name in ("last", "first"):
        read_back(tmp_path / f"{name}.npy", array)
    if channels == 1:
        np.save(tmp_path / "plane.npy", array[..., 0])
        read_back(tmp_path / "plane.npy", array)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_by_libvips(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values(dtype, channels)
    kind = {("uint8", 1): "b-w", ("uint8", 3): "srgb", ("uint16", 1): "grey16", ("uint16", 3): "rgb16"}
    image = pyvips.Image.new_from_array(array).copy(interpretation=kind[dtype, channels])
    image.pngsave(str(tmp_path / "a.png"), filter="all")
    read_back(tmp_path / "a.png", array)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opaque_alpha_of_png_is_left_out(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values(dtype, channels)
    array[..., -1] = np.iinfo(dtype).max
    kind = {("uint8", 2): "b-w", ("uint8", 4): "srgb", ("uint16", 2): "grey16", ("uint16", 4): "rgb16"}
    image = pyvips.Image.new_from_array(array).copy(interpretation=kind[dtype, channels])
    image.pngsave(str(tmp_path / "a.png"))
    read_back(tmp_path / "a.png", array[..., :-1])
    array[3, 4, -1] -= 1
    pyvips.Image.new_from_array(array).copy(interpretation=kind[dtype, channels]).pngsave(str(tmp_path / "b.png"))
    with pytest.raises(LossmithError, match=r"b.png' has transparent pixels; put it on a background first"):
        read_picture(tmp_path / "b.png", PixelFormat(channels - 1, dtype, 0, 1))


WRITTEN = [
    *(("tif", dtype, channels) for dtype in DTYPES for channels in CHANNELS),
    *(("png", dtype, channels) for dtype in ("uint8", "uint16") for channels in (1, 3)),
]


@pytest.mark.parametrize(("suffix", "dtype", "channels"), WRITTEN)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, dtype: str, channels: int) -> None:
    array = values(dtype, channels)
    path = tmp_path / f"a.{suffix}"
    low, high = (-1000.0, 1000.0) if array.dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    pixels = PixelFormat(channels, dtype, low, high)
    image = pixels.to_unit(pixels.to_stored(array.transpose(2, 0, 1)))
    write_picture(path, image, pixels)
    if suffix == "png":
        assert np.array_equal(pyvips.Image.new_from_file(str(path)).numpy().reshape(array.shape), array)
    elif dtype in STORED_AS_THEY_ARE:
        assert np.array_equal(tifffile.imread(path).reshape(array.shape), array)
    # floats and 32 bits are kept as float32 of the range, 24 bits of a value; float16 of 11 bits
    tolerance = 0 if dtype in STORED_AS_THEY_ARE else 2e-3 if dtype == "float16" else 2e-7
    difference = pixels.to_unit(read_picture(path, pixels)) - image
    assert (difference.abs() <= tolerance * image.abs().clamp(min=1)).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_8_bits_are_rounded_as_in_images(tmp_path: Path, suffix: str) -> None:
    image = torch.rand(3, 40, 50) * 1.2 - 0.1
    write_image(tmp_path / "image.png", image)
    write_picture(tmp_path / f"picture.{suffix}", image, RGB_8BIT)
    assert torch.equal(read_image(tmp_path / f"picture.{suffix}"), read_image(tmp_path / "image.png"))


def test_values_beyond_the_range_are_kept(tmp_path: Path) -> None:
    pixels = PixelFormat(1, "uint16", 100, 200)
    write_picture(tmp_path / "a.png", torch.tensor([[[-0.5, 0.004, 1.5, -9, 1e9]]]), pixels)
    values = read_picture(tmp_path / "a.png", pixels)
    assert values.tolist() == [[[50, 100, 250, 0, 65535]]]


def test_pictures_of_8_bit_rgb_are_images(tmp_path: Path) -> None:
    array = values("uint8", 3)
    for name, image in {
        "a.png": Image.fromarray(array),
        "b.jpg": Image.fromarray(array),
        "c.tif": Image.fromarray(array),
        "d.png": Image.fromarray(array).quantize(16),
        "e.tif": Image.fromarray(array).quantize(16),
        "f.gif": Image.fromarray(array[..., 0]),
        "g.webp": Image.fromarray(array),
        "h.png": Image.fromarray(array).convert("RGBA"),
        "i.bmp": Image.fromarray(array[..., 0]),
    }.items():
        image.save(tmp_path / name)
        assert torch.equal(read_picture(tmp_path / name, RGB_8BIT), read_image(tmp_path / name)), name


def test_png_holds_gray_and_rgb_of_whole_numbers() -> None:
    suffixes = {(dtype, n): picture_suffix(PixelFormat(n, dtype)) for dtype in DTYPES for n in CHANNELS}
    assert set(suffixes.values()) == {".png", ".tif"}
    in_png = {kind for kind, suffix in suffixes.items() if suffix == ".png"}
    assert in_png == {("uint8", 1), ("uint8", 3), ("uint16", 1), ("uint16", 3)}
