"""Every image becomes uint8 RGB as it is meant to be seen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lossmith.data import image_size, read_image

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAYS = COLORS[..., 0]


def tensor(pixels: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) as read_image should give it."""
    color = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
    return torch.from_numpy(color.astype(np.uint8)).permute(2, 0, 1)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "webp"])
def test_color_images_are_read_exactly(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLORS).save(tmp_path / f"a.{suffix}", lossless=True)
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, tensor(COLORS))
    assert image_size(tmp_path / f"a.{suffix}") == (5, 7)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
def test_gray_becomes_three_equal_channels(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GRAYS).save(tmp_path / f"a.{suffix}")
    assert torch.equal(read_image(str(tmp_path / f"a.{suffix}")), tensor(GRAYS))


def test_black_and_white_and_palettes_become_colors(tmp_path: Path) -> None:
    Image.fromarray(GRAYS > 99).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png"), tensor((GRAYS > 99) * 255))
    palette = Image.fromarray(COLORS).quantize(8)
    palette.save(tmp_path / "b.png")
    assert torch.equal(read_image(tmp_path / "b.png"), tensor(np.asarray(palette.convert("RGB"))))


def test_jpeg_equals_pillows_decoding(tmp_path: Path) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as file:
        assert torch.equal(read_image(tmp_path / "a.jpg"), tensor(np.asarray(file)))


TURNS = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.rot90(np.fliplr(a)),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.fliplr(a), -1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
def test_exif_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLORS).save(path, exif=exif, lossless=True, quality=100, subsampling=0)
    image = read_image(path)
    expected = tensor(np.ascontiguousarray(TURNS[orientation](COLORS)))
    assert image.shape == expected.shape
    assert (image.int() - expected.int()).abs().float().mean() < (3 if suffix == "jpg" else 1e-9)
    assert image_size(path) == tuple(expected.shape[1:])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_channel_is_dropped(tmp_path: Path, mode: str) -> None:
    Image.fromarray(COLORS).convert(mode).save(tmp_path / "a.png")
    expected = Image.fromarray(COLORS).convert(mode[:-1])
    assert torch.equal(read_image(tmp_path / "a.png"), tensor(np.asarray(expected)))


def test_a_palette_whose_colors_are_all_opaque_is_read(tmp_path: Path) -> None:
    palette = Image.fromarray(COLORS).quantize(8)
    palette.save(tmp_path / "a.png", transparency=bytes([255] * 8))
    assert read_image(tmp_path / "a.png").shape == (3, 5, 7)


def test_a_cameras_multi_image_jpeg_gives_its_main_image(tmp_path: Path) -> None:
    main = Image.fromarray(COLORS)
    main.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.fromarray(255 - COLORS)])
    assert read_image(tmp_path / "a.jpg").shape == (3, 5, 7)
