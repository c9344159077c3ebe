"""What files and folders hold and nobody uses is told once, or refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from lossmith.core.errors import LossmithError
from lossmith.data import Data, find_images, prepare_data, read_image
from lossmith.data.headers import read_headers

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)
GRAYS = COLORS[..., 0]
BANDS = np.dstack([COLORS, GRAYS])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(path: Path, *chunks: bytes) -> Path:
    """A PNG with more chunks behind its header."""
    Image.fromarray(COLORS).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(chunks) + content[33:])
    return path


# --- channels and depth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "options", "sentence"),
    [
        (BANDS, {"photometric": "rgb", "extrasamples": ["unspecified"]}, "4 channels, of which the last is not"),
        (BANDS.astype("u2"), {"photometric": "rgb", "extrasamples": ["unspecified"]}, "4 channels, of which the"),
        (BANDS, {"photometric": "minisblack", "planarconfig": "contig"}, "4 channels, of which the last is not"),
        (BANDS[..., :2], {"photometric": "minisblack", "planarconfig": "contig"}, "2 channels, of which the last"),
        (np.dstack([BANDS, BANDS]), {"photometric": "rgb", "planarconfig": "contig"}, "has 8 channels; only gray"),
        (GRAYS.astype("i1"), {}, "holds 32-bit or signed integers"),
        (GRAYS.astype("f2"), {}, "holds a channel of float16"),
        (COLORS.astype("f4"), {"photometric": "rgb"}, "holds 3 channels of float32"),
        (np.stack([GRAYS] * 5), {"imagej": True, "truncate": True}, "holds a stack of 5 images"),
    ],
)
def test_a_tiff_of_other_channels_is_refused(
    tmp_path: Path, pixels: np.ndarray, options: dict, sentence: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    for reader in (read_image, lambda path: read_headers([path])):
        with pytest.raises(LossmithError, match=rf"a.tif' .*{sentence}"):
            reader(tmp_path / "a.tif")


def test_a_marked_alpha_channel_is_alpha(tmp_path: Path) -> None:
    opaque = np.dstack([COLORS, np.full_like(GRAYS, 255)])
    tifffile.imwrite(tmp_path / "a.tif", opaque, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read_image(tmp_path / "a.tif").permute(1, 2, 0).numpy(), COLORS)


def test_16_bit_white_is_zero_is_inverted(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GRAYS.astype("u2") * 257, photometric="miniswhite")
    assert np.array_equal(read_image(tmp_path / "a.tif")[0].numpy(), 255 - GRAYS)


@pytest.mark.parametrize("hot", [[], [65535], [0, 65535, 65535]], ids=["none", "white", "black and white"])
@pytest.mark.parametrize(("low", "high"), [(400, 3100), (0, 4096), (30000, 33000), (0, 16384)])
def test_16_bit_images_of_few_levels_are_refused_whatever_hot_pixels_they_have(
    tmp_path: Path, low: int, high: int, hot: list[int]
) -> None:
    values = RNG.integers(low, high, (200, 200)).astype("u2")
    values[3, : len(hot)] = hot
    Image.fromarray(values).save(tmp_path / "a.png")
    inner = np.sort(values, axis=None)[4:-4].astype(int)  # but for one value in 10,000 at each end
    levels = len(np.unique((inner + 128) // 257))
    sentence = rf"values, {inner[0]} to {inner[-1]} of 65535, would become {levels} levels of the 8 bits.*scale"
    with pytest.raises(LossmithError, match=sentence):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 3), (40, 1)])
def test_tiny_16_bit_images_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    values = np.linspace(0, 65535, size[0] * size[1]).astype("u2").reshape(size)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (3, *size)


def test_16_bit_images_made_of_8_bits_are_read(tmp_path: Path) -> None:
    Image.fromarray((GRAYS // 20).astype("u2") * 257).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[0].numpy(), GRAYS // 20)


@pytest.mark.parametrize("header", [b"P6 2 1 65535\n", b"P6 2 1 1023\n", b"P5 6 1 4095\n"])
def test_a_ppm_of_more_than_8_bits_is_refused(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.ppm").write_bytes(header + bytes(12))
    with pytest.raises(LossmithError, match="more than 8 bits; save it as PNG"):
        read_image(tmp_path / "a.ppm")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "pointer of git-lfs"),
        (b"/annex/objects/SHA256E-s3--0.jpg\n", "pointer of git-annex"),
        (b"<!DOCTYPE html><html>", "is a web page"),
    ],
)
def test_files_in_place_of_an_image_are_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(LossmithError, match=sentence):
        read_image(tmp_path / "a.jpg")


# --- remarks ---------------------------------------------------------------------------------------------------


def remarks(*paths: Path) -> str:
    return " | ".join(read_headers(paths).remarks)


def test_a_note_that_holds_for_many_files_is_given_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(RNG.integers(0, 65536, (20, 24)).astype("u2")).save(tmp_path / f"{name}.png")
    Image.fromarray(COLORS).save(tmp_path / "d.png")
    headers = read_headers(sorted(tmp_path.iterdir()))
    assert len(headers.remarks) == 1
    assert headers.remarks[0].endswith(": 'a.png' and 2 more")
    assert caplog.messages == [headers.remarks[0]]
    assert headers.of([tmp_path / "d.png"]) == [(20, 24)]


def test_the_first_unreadable_image_is_named_and_the_others_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(LossmithError, match=r"a\.png' .*\(and 2 more cannot be read\)"):
        read_headers(sorted(tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("chunks", "remark"),
    [
        ([chunk(b"gAMA", struct.pack(">I", 100000))], "gAMA"),
        ([chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))], "cHRM"),
        ([chunk(b"cICP", bytes([9, 16, 0, 1]))], "cICP"),
        ([chunk(b"gAMA", struct.pack(">I", 45455))], ""),
        ([chunk(b"cICP", bytes([1, 13, 0, 1]))], ""),
        ([chunk(b"sRGB", b"\0")], ""),
    ],
)
def test_color_profiles_other_than_srgb_are_reported(tmp_path: Path, chunks: list[bytes], remark: str) -> None:
    messages = remarks(png_with(tmp_path / "a.png", *chunks))
    assert remark in messages
    assert bool(messages) == bool(remark)


def test_a_profile_is_reported_unless_it_equals_srgb(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, icc in {"srgb": srgb, "junk": b"junk" * 50}.items():
        Image.fromarray(COLORS).save(tmp_path / f"{name}.jpg", icc_profile=icc)
    Image.fromarray(GRAYS).save(tmp_path / "gray.jpg", icc_profile=srgb)
    assert not remarks(tmp_path / "srgb.jpg", tmp_path / "gray.jpg")
    assert "cannot be understood: 'junk.jpg'" in remarks(tmp_path / "junk.jpg")


def test_the_main_image_of_a_multi_image_jpeg_is_used(tmp_path: Path) -> None:
    main = Image.fromarray(COLORS)
    main.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[main])
    assert "only the main one is read: 'a.jpg'" in remarks(tmp_path / "a.jpg")


def test_notes_about_images_are_collected_for_the_report(photos: Path, tmp_path: Path) -> None:
    main = Image.fromarray(COLORS)
    main.save(tmp_path / "several.jpg", "MPO", save_all=True, append_images=[main])
    data = prepare_data(Data([photos, tmp_path]), "jpeg")
    assert [remark for remark in data.remarks if "'several.jpg'" in remark]


# --- folders ---------------------------------------------------------------------------------------------------


def test_broken_symlinks_are_refused_and_counted(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "0.png").symlink_to(photos / "0.png")
    for i in range(1, 4):
        (tmp_path / f"{i}.png").symlink_to(f"/annex/{i}.png")
    with pytest.raises(LossmithError, match=r"1\.png' is a link to '/annex/1\.png', .* so are 2 more links"):
        find_images(tmp_path)
    with pytest.raises(LossmithError, match="is a link to"):
        find_images(tmp_path / "2.png")


def test_skipped_files_are_reported_once(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.dng", "b.npz", "notes.txt", "Thumbs.db", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "A.PNG").write_bytes((photos / "0.png").read_bytes())
    assert [path.name for path in find_images(tmp_path)] == ["A.PNG"]
    assert len(caplog.messages) == 2
    log = caplog.text
    assert "not searched: 'sub'" in log
    assert "'a.dng' and 2 more" in log
