"""Images that are not restored: each is refused in a sentence, and nothing is left of the result."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine
from lossmith.restoration.io.decoding import decode

from .samples import identity, noise, photo, refusal


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
    message = "^there is not enough memory to run model 'full' on a small image"
    with pytest.raises(LossmithError, match=message):
        restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(LossmithError, match=message):
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


def test_unreadable_images_are_refused_in_one_sentence(tmp_path: Path) -> None:
    result = tmp_path / "out" / "a.png"
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.tif")
    Image.fromarray(noise(40, 40, 3)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    assert "holds several images" in refusal(tmp_path / "moving.webp", result)
    assert "holds several images" in refusal(tmp_path / "pages.tif", result)
    assert "CMYK" in refusal(tmp_path / "print.tif", result)
    assert "truncated or damaged" in refusal(tmp_path / "half.png", result)


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
    assert "decompression bomb" in refusal(tmp_path / "bomb.png", tmp_path / "out" / "a.png")
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
    assert "WEBP holds 16383 pixels a side" in refusal(
        tmp_path / "wide.png", tmp_path / "a.webp", RestoreOptions("webp")
    )
    assert "JPEG has no transparency" in refusal(
        tmp_path / "clear.png", tmp_path / "a.jpg", RestoreOptions("jpeg")
    )


def test_a_full_disk_is_one_sentence_and_leaves_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    assert refusal(tmp_path / "a.png", tmp_path / "b.png").endswith("No space left on device")
