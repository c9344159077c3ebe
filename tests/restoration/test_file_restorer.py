"""Restoring one file: bit depth, alpha, metadata, notes, and resuming."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import nn

from lossmith.networks import network
from lossmith.restoration import ENDINGS, FileRestorer, Format, RestoreOptions, TorchEngine
from lossmith.restoration.io.decoding import Metadata, decode
from lossmith.restoration.io.encoding import encode, read_record

from .samples import PROFILE, RGB16, identity, noise, photo, raster_of

LOSSLESS: list[Format] = ["png", "tiff", "webp"]


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


@pytest.mark.parametrize(("transparency", "expected"), [("resize", lambda a: a), ("restore", lambda a: 255 - a)])
def test_alpha_is_resized_or_restored(transparency: Any, expected: Any, tmp_path: Path) -> None:
    values = noise(20, 30, 4)
    Image.fromarray(values).save(tmp_path / "a.png")
    options = RestoreOptions(transparency=transparency, precision="float32")
    restorer = FileRestorer(TorchEngine(Negative(), 1), options)
    restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    result = np.asarray(Image.open(tmp_path / "b.png"))
    assert np.array_equal(result[..., :3], 255 - values[..., :3])
    assert np.array_equal(result[..., 3], expected(values[..., 3]))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 1), (7, 5)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_at_half_size_takes_every_size(size: tuple[int, int], precision: Any, tmp_path: Path) -> None:
    module = network("srresnet_small(features=8, blocks=1, unshuffle=2)").eval()
    values = noise(*size, 3)
    Image.fromarray(values).save(tmp_path / "a.png")
    FileRestorer(TorchEngine(module, 1), RestoreOptions(precision=precision)).restore(
        tmp_path / "a.png", tmp_path / "b.png"
    )
    image = torch.from_numpy(values).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = module(image)[0].permute(1, 2, 0).clamp(0, 1) * 255
    # bfloat16 has 8 bits in all, of a residual that is small beside the image
    tolerance = 0.5 + 1e-3 if precision == "float32" else 2
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")) - expected.numpy()).max() <= tolerance


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


@pytest.mark.parametrize("length", [200, 240, 251])
def test_names_of_maximal_length_are_restored(length: int, tmp_path: Path) -> None:
    photo(tmp_path / f"{'a' * length}.png")
    result = tmp_path / f"{'b' * length}.png"
    FileRestorer(identity()).restore(tmp_path / f"{'a' * length}.png", result)
    assert read_record(result) is not None


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


def test_a_dark_16_bit_image_is_reported(tmp_path: Path) -> None:
    restorer = FileRestorer(identity())
    for name, values in {"dark": RGB16 >> 4, "bright": RGB16}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", values, photometric="rgb")
        restorer.restore(tmp_path / f"{name}.tif", tmp_path / f"{name}.png")
    assert [
        line.endswith("look dark to a model; spread them first: 'dark.tif'") for line in restorer.final_notes()
    ] == [True]


def test_a_started_image_resumes_with_its_finished_tiles(tmp_path: Path) -> None:
    calls: list[int] = []

    class CountingNetwork(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return images

    Image.fromarray(noise(1100, 1100, 3)).save(tmp_path / "a.png", compress_level=1)
    options = RestoreOptions(precision="float32")

    def stop(pixels: int) -> None:
        if pixels and len(calls) > 2:
            raise KeyboardInterrupt

    first = FileRestorer(TorchEngine(CountingNetwork(), 1), options)
    with pytest.raises(KeyboardInterrupt):
        first.restore(tmp_path / "a.png", tmp_path / "b.png", stop)
    assert not (tmp_path / "b.png").exists()
    steps: list[int] = []
    FileRestorer(TorchEngine(CountingNetwork(), 1), options).restore(
        tmp_path / "a.png", tmp_path / "b.png", steps.append
    )
    assert steps[0] > 0
    assert sum(steps) == pytest.approx(1100 * 1100, rel=0.02)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), np.asarray(Image.open(tmp_path / "a.png")))
    assert [path.name for path in tmp_path.iterdir() if "unfinished" in path.name] == []
