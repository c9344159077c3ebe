"""Restoring one file: bit depth, alpha, metadata, refusals, and resuming."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import ENDINGS, FileRestorer, Format, RestoreOptions, TorchEngine
from lossmith.restoration.io.decoding import Metadata, decode
from lossmith.restoration.io.encoding import encode, read_record
from lossmith.restoration.tiling.raster import Raster

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS: list[Format] = ["png", "tiff", "webp"]


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def raster_of(values: np.ndarray[Any, Any], path: Path) -> Raster:
    height, width, channels = values.shape
    raster = Raster(path, height, width, channels, str(values.dtype)).create()
    raster.mapped("r+")[:] = values
    return raster


def identity(scale: int = 1, channels: int = 3) -> TorchEngine:
    return TorchEngine(nn.Upsample(scale_factor=scale) if scale > 1 else nn.Identity(), scale, channels=channels)


def photo(path: Path, **extra: Any) -> np.ndarray[Any, Any]:
    """Writes a JPEG or PNG of a rotated camera; returns the upright pixels."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "A camera", 6
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 40.0)})
    values = noise(24, 40, 3)
    Image.fromarray(values).save(path, exif=exif, icc_profile=PROFILE, dpi=(300, 150), **extra)
    return np.rot90(np.asarray(Image.open(path)), -1)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
def test_profile_resolution_and_exif_are_kept_and_the_image_is_upright(format: Format, tmp_path: Path) -> None:
    upright = photo(tmp_path / "photo.jpg", quality=90)
    result = tmp_path / f"result{ENDINGS[format]}"
    FileRestorer(identity(), RestoreOptions(format, precision="float32")).restore(tmp_path / "photo.jpg", result)
    with Image.open(result) as image:
        image.load()
        exif = image.getexif()
        assert image.info["icc_profile"] == PROFILE
        assert image.size == (24, 40)
        assert exif.get(0x0112, 1) == 1
        assert exif[0x010F].strip("\0") == "A camera"
        assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(0.01)
        assert exif.get_ifd(0x8825)[1].strip("\0") == "N"
        if format != "webp":  # which has EXIF only
            assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
        if format in LOSSLESS:
            assert np.array_equal(np.asarray(image), upright)
    assert decode(result, tmp_path / "again").metadata.dpi == pytest.approx((150, 300), abs=0.02)


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


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_gray_alpha_and_16_bits_are_kept(channels: int, dtype: str, tmp_path: Path) -> None:
    values = noise(20, 30, channels, dtype=dtype)
    encode(tmp_path / "a.png", raster_of(values, tmp_path / "raw"), "png", None, Metadata(), {})
    # a network for colors sees gray three times, so that its luma is the same value again
    FileRestorer(identity(), RestoreOptions(precision="float32")).restore(tmp_path / "a.png", tmp_path / "b.png")
    assert np.array_equal(decode(tmp_path / "b.png", tmp_path / "back").raster.mapped(), values)


def test_a_gray_network_restores_color_channels_one_by_one(tmp_path: Path) -> None:
    values = noise(20, 30, 3)
    Image.fromarray(values).save(tmp_path / "a.png")
    FileRestorer(identity(channels=1)).restore(tmp_path / "a.png", tmp_path / "b.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), values)


class Negative(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 1 - images


@pytest.mark.parametrize(("alpha", "expected"), [("resize", lambda a: a), ("restore", lambda a: 255 - a)])
def test_alpha_is_resized_or_restored(alpha: Any, expected: Any, tmp_path: Path) -> None:
    values = noise(20, 30, 4)
    Image.fromarray(values).save(tmp_path / "a.png")
    restorer = FileRestorer(TorchEngine(Negative(), 1), RestoreOptions(alpha=alpha, precision="float32"))
    restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    result = np.asarray(Image.open(tmp_path / "b.png"))
    assert np.array_equal(result[..., :3], 255 - values[..., :3])
    assert np.array_equal(result[..., 3], expected(values[..., 3]))


def test_alpha_is_enlarged_with_the_image(tmp_path: Path) -> None:
    Image.new("RGBA", (30, 20), (10, 20, 30, 77)).save(tmp_path / "a.png")
    FileRestorer(identity(2)).restore(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (60, 40)
        assert image.getpixel((30, 20)) == (10, 20, 30, 77)


def test_bits_option_sets_the_bit_depth(tmp_path: Path) -> None:
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png")
    FileRestorer(identity(), RestoreOptions(bits="16")).restore(tmp_path / "a.png", tmp_path / "b.png")
    assert decode(tmp_path / "b.png", tmp_path / "back").raster.dtype == "uint16"


GRAY16, RGB16, RGBA16 = (
    noise(20, 30, dtype="uint16"),
    noise(20, 30, 3, dtype="uint16"),
    noise(20, 30, 4, dtype="uint16"),
)
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
    assert "begins with a small copy" in refused(tmp_path / "a.tif", tmp_path / "b.png")


@pytest.mark.parametrize("length", [200, 240, 251])
def test_names_of_maximal_length_are_restored(length: int, tmp_path: Path) -> None:
    photo(tmp_path / f"{'a' * length}.png")
    result = tmp_path / f"{'b' * length}.png"
    FileRestorer(identity()).restore(tmp_path / f"{'a' * length}.png", result)
    assert read_record(result) is not None


def test_a_name_too_long_with_its_new_extension_is_one_sentence(tmp_path: Path) -> None:
    photo(tmp_path / f"{'a' * 251}.png")
    restorer = FileRestorer(identity(), RestoreOptions("webp"))
    result = tmp_path / f"{'a' * 251}.webp"
    assert not restorer.is_done(tmp_path / f"{'a' * 251}.png", result)
    with pytest.raises(LossmithError, match="File name too long"):
        restorer.restore(tmp_path / f"{'a' * 251}.png", result)


def test_a_network_that_does_not_fit_into_memory_is_one_sentence(tmp_path: Path) -> None:
    class Full(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    photo(tmp_path / "a.png")
    restorer = FileRestorer(TorchEngine(Full(), 1, "full"))
    told = "^there is not enough memory to run model 'full' on a small image"
    with pytest.raises(LossmithError, match=told):
        restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(LossmithError, match=told):
        restorer.verify(tmp_path / "a.png", tmp_path / "work")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_network_that_fails_on_some_size_is_one_sentence(tmp_path: Path) -> None:
    class Choosy(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.shape[-1] != 37 else images.view(7, -1)

    Image.fromarray(noise(20, 37, 3)).save(tmp_path / "a.png")
    restorer = FileRestorer(TorchEngine(Choosy(), 1, "choosy"), RestoreOptions(precision="float32"))
    with pytest.raises(LossmithError, match="model 'choosy' fails on 20 x 37 pixels: "):
        restorer.restore(tmp_path / "a.png", tmp_path / "b.png")


def test_an_unsupported_tiff_compression_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB16, photometric="rgb", compression="lzma")
    assert "packed by LZMA; save it packed by Deflate" in refused(tmp_path / "a.tif", tmp_path / "b.png")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_premultiplied_alpha_is_divided_out(dtype: Any, tmp_path: Path) -> None:
    white = int(np.iinfo(dtype).max)
    alpha = np.full((20, 30, 1), white // 3, dtype)
    given = np.concatenate([noise(20, 30, 3, dtype=dtype) // 3, alpha], axis=2)
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb", extrasamples=["assocalpha"])
    found = decode(tmp_path / "a.tif", tmp_path / "raw").raster.mapped()
    straight = np.minimum(white, given[..., :3].astype(float) * white / (white // 3))
    assert np.abs(found[..., :3] - straight).max() <= 0.5
    assert np.array_equal(found[..., 3:], alpha)


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
    values, options, said = REFUSED_TIFFS[name]
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    if name == "12 bits":
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
            file.pages[0].tags["BitsPerSample"].overwrite(12)
    assert said in refused(tmp_path / "a.tif", tmp_path / "out" / "a.png")
    assert not (tmp_path / "out").exists()


def test_a_jpeg_damaged_in_the_middle_is_restored_and_reported(tmp_path: Path) -> None:
    Image.fromarray(noise(40, 40, 3)).save(tmp_path / "whole.jpg", quality=95)
    content = bytearray((tmp_path / "whole.jpg").read_bytes())
    content[-600:-580] = b"\xff\xd0" * 10  # markers that have no place there
    (tmp_path / "hurt.jpg").write_bytes(content)
    restorer = FileRestorer(identity())
    for name in ("whole", "hurt"):
        restorer.restore(tmp_path / f"{name}.jpg", tmp_path / f"{name}.png")
    assert restorer.final_notes() == [
        "JPEG data that are damaged in places, where pixels may be wrong: 'hurt.jpg'"
    ]


def test_smaller_copies_in_a_tiff_are_left_out_and_reported(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(RGB16, photometric="rgb")
        file.write(RGB16[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    decoded = decode(tmp_path / "a.tif", tmp_path / "raw")
    assert np.array_equal(decoded.raster.mapped(), RGB16)
    assert decoded.metadata.lost == ("smaller copies of the image in the file",)


def test_a_dark_16_bit_image_is_reported(tmp_path: Path) -> None:
    restorer = FileRestorer(identity())
    for name, values in {"dark": RGB16 >> 4, "bright": RGB16}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="rgb")
        restorer.restore(tmp_path / f"{name}.tif", tmp_path / f"{name}.png")
    assert [
        line.endswith("look dark to a model; spread them first: 'dark.tif'") for line in restorer.final_notes()
    ] == [True]


def refused(path: Path, to: Path, options: RestoreOptions = RestoreOptions(), scale: int = 1) -> str:  # noqa: B008
    with pytest.raises(LossmithError) as error:
        FileRestorer(identity(scale), options).restore(path, to)
    assert not to.exists()
    return str(error.value)


def test_unreadable_images_are_refused_in_one_sentence(tmp_path: Path) -> None:
    result = tmp_path / "out" / "a.png"
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.tif")
    Image.fromarray(noise(40, 40, 3)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    assert "holds several images" in refused(tmp_path / "moving.webp", result)
    assert "holds several images" in refused(tmp_path / "pages.tif", result)
    assert "CMYK" in refused(tmp_path / "print.tif", result)
    assert "truncated or damaged" in refused(tmp_path / "half.png", result)


def png_of(width: int, height: int, pixels: bytes) -> bytes:
    """A gray PNG that announces a size, and holds the given pixel data."""
    from PIL.PngImagePlugin import putchunk

    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, 2)
    putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    putchunk(file, b"IDAT", zlib.compress(pixels))
    putchunk(file, b"IEND", b"")
    return file.getvalue()


def test_a_small_file_that_announces_a_huge_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_of(50_000, 50_000, bytes(50_001)))
    assert "decompression bomb" in refused(tmp_path / "bomb.png", tmp_path / "out" / "a.png")
    assert not (tmp_path / "out").exists()


def test_a_genuine_image_beyond_pillows_pixel_limit_is_read(tmp_path: Path) -> None:
    height, width = 13_000, 14_000
    (tmp_path / "scan.png").write_bytes(png_of(width, height, bytes(height * (width + 1))))
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "scan.png")
    raster = decode(tmp_path / "scan.png", tmp_path / "raw").raster
    assert (raster.height, raster.width, raster.channels) == (height, width, 1)


def test_images_that_the_format_cannot_hold_are_refused_before_any_work(tmp_path: Path) -> None:
    Image.new("RGB", (16384, 1)).save(tmp_path / "wide.png")
    Image.new("RGBA", (4, 4), (0, 0, 0, 9)).save(tmp_path / "clear.png")
    assert "WEBP holds 16383 pixels a side" in refused(
        tmp_path / "wide.png", tmp_path / "a.webp", RestoreOptions("webp")
    )
    assert "JPEG has no transparency" in refused(
        tmp_path / "clear.png", tmp_path / "a.jpg", RestoreOptions("jpeg")
    )


def test_a_full_disk_is_one_sentence_and_leaves_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    assert refused(tmp_path / "a.png", tmp_path / "b.png").endswith("No space left on device")


def test_a_started_image_resumes_with_its_finished_tiles(tmp_path: Path) -> None:
    calls: list[int] = []

    class Counted(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return images

    Image.fromarray(noise(1100, 1100, 3)).save(tmp_path / "a.png", compress_level=1)
    options = RestoreOptions(precision="float32")

    def stop(pixels: int) -> None:
        if pixels and len(calls) > 2:
            raise KeyboardInterrupt

    first = FileRestorer(TorchEngine(Counted(), 1), options)
    with pytest.raises(KeyboardInterrupt):
        first.restore(tmp_path / "a.png", tmp_path / "b.png", stop)
    assert not (tmp_path / "b.png").exists()
    advanced: list[int] = []
    FileRestorer(TorchEngine(Counted(), 1), options).restore(
        tmp_path / "a.png", tmp_path / "b.png", advanced.append
    )
    assert advanced[0] > 0
    assert sum(advanced) == pytest.approx(1100 * 1100, rel=0.02)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), np.asarray(Image.open(tmp_path / "a.png")))
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []
