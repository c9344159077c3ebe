"""What cannot be read is refused in one sentence that names the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import image_size, read_image

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GRAYS = COLORS[..., 0]


def transparent_files(folder: Path) -> list[Path]:
    clear = Image.fromarray(COLORS).convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 254))
    clear.save(folder / "rgba.png")
    clear.convert("LA").save(folder / "la.png")
    Image.fromarray(COLORS).quantize(8).save(folder / "palette.png", transparency=0)
    Image.fromarray(COLORS).save(folder / "color.png", transparency=tuple(COLORS[0, 0].tolist()))
    return sorted(folder.iterdir())


def test_transparency_is_refused(tmp_path: Path) -> None:
    paths = transparent_files(tmp_path)
    assert len(paths) == 4
    for path in paths:
        with pytest.raises(
            LossmithError, match=f"{path.name}' has transparent pixels; put it on a background first$"
        ):
            read_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_is_refused(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLORS).convert("CMYK").save(tmp_path / f"a.{suffix}")
    with pytest.raises(LossmithError, match=rf"a.{suffix}' is in CMYK, for print; convert it to RGB first"):
        read_image(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    ("mode", "message"), [("F", "holds 32-bit floating-point values"), ("I", "holds 32-bit or signed integers")]
)
def test_32_bit_images_are_refused(tmp_path: Path, mode: str, message: str) -> None:
    Image.fromarray(GRAYS).convert(mode).save(tmp_path / "a.tiff")
    with pytest.raises(LossmithError, match=message):
        read_image(tmp_path / "a.tiff")


def test_other_color_spaces_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLORS).convert("LAB").save(tmp_path / "a.tiff")
    with pytest.raises(LossmithError, match="is in the color mode LAB; convert it to RGB first"):
        read_image(tmp_path / "a.tiff")


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_several_images_in_one_file_are_refused(tmp_path: Path, suffix: str) -> None:
    other = Image.fromarray(255 - COLORS)
    Image.fromarray(COLORS).save(tmp_path / f"a.{suffix}", save_all=True, append_images=[other])
    with pytest.raises(LossmithError, match=r"holds several images \(an animation or pages\)"):
        read_image(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff", "gif"])
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, fraction: float) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: int(fraction * path.stat().st_size)])
    with pytest.raises(LossmithError, match=rf"^image '{path}' is (truncated or damaged|not an image)"):
        read_image(path)


def test_a_flipped_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(LossmithError, match="is truncated or damaged"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_files_that_are_not_images_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(
        LossmithError, match=r"a.png' is (empty|not an image that can be read|truncated or damaged)"
    ):
        read_image(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LossmithError, match="may be a decompression bomb; cut it into parts"):
        read_image(tmp_path / "a.png")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for reader in (read_image, image_size):
        with pytest.raises(LossmithError, match=r"none.png' does not exist$"):
            reader(tmp_path / "none.png")
        with pytest.raises(LossmithError, match="is a folder, not an image"):
            reader(tmp_path)
