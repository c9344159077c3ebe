"""Metadata of an image are in the result, corrected for its size and colors, or named in the notes."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import nn

from lossmith.restoration import FileRestorer, Format, RestoreOptions, TorchEngine

from .metadata_samples import (
    CASTLE,
    COLORS,
    FORMATS,
    GEO,
    GEO_KEYS,
    IPTC,
    MAKER,
    PACKET,
    PHOTOSHOP,
    RGB_PROFILE,
    bmp_with_profile,
    chunk,
    exif,
    foreign,
    gif,
    gif_with_more,
    hexadecimal_text,
    jpeg,
    jpeg_bytes,
    png,
    png_beginning_with,
    restore_file,
    segment,
    srgb_mark,
    texts,
    thumbnail,
    tiff,
    webp,
    webp_with_more,
    with_tail,
)


def info(name: str, value: Any) -> Callable[[Path], bool]:
    def matches(result: Path) -> bool:
        with Image.open(result) as image:
            image.load()
            return bool(image.info.get(name) == value)

    return matches


def holds(content: bytes) -> Callable[[Path], bool]:
    return lambda result: content in result.read_bytes()


def tag(number: int, value: Any, folder: int | None = None) -> Callable[[Path], bool]:
    def matches(result: Path) -> bool:
        with Image.open(result) as image:
            tags = image.getexif() if folder is None else image.getexif().get_ifd(folder)
        return bool(tags.get(number) == value)

    return matches


def dpi(result: Path) -> bool:
    with Image.open(result) as image:
        values = image.info.get("dpi") or (image.getexif().get(0x011A), image.getexif().get(0x011B))
    return bool(np.allclose(np.array(values, float), (600, 300), atol=0.1))


def earth(result: Path) -> bool:
    if result.suffix != ".tif":
        return b"Geo" in result.read_bytes()
    tags = tifffile.TiffFile(result).pages[0].tags
    values = [tags[number].value for number in (33550, 33922, 34735) if number in tags]
    return values == [(5.0, 5.0, 0.0), (4.0, 6.0, 0.0, 5e5, 4e6, 0.0), (1, 1, 0, 1, 3072, 0, 1, 32632)]


@dataclass(frozen=True)
class MetadataCase:
    """One kind of metadata, how to find it in a result, and the word by which a note names it."""

    write: Callable[[Path], None]
    is_kept: Callable[[Path], bool]
    word: str
    formats: tuple[str, ...] = ()
    """Formats that must keep it; for the others a note must name it."""


EXIF_FACTS = {
    "author beyond ASCII": (holds("Jos\N{LATIN SMALL LETTER E WITH ACUTE}".encode()), "EXIF"),
    "rating": (tag(0x4746, 4), "EXIF"),
    "exposure": (tag(0x829A, 0.01, 0x8769), "EXIF"),
    "negative fraction": (tag(0x9204, -1.5, 0x8769), "EXIF"),
    "place": (tag(2, (51.0, 28.0, 40.0), 0x8825), "GPS"),
    "size": (tag(0xA002, 60, 0x8769), "EXIF"),
    "notes of the maker": (holds(MAKER), "maker's notes"),
}
TABLE: dict[str, MetadataCase] = {
    **{
        f"{kind.__name__}: {name}": MetadataCase(
            lambda path, kind=kind: kind(path, exif=exif()), is_kept, word, FORMATS
        )  # type: ignore[misc]
        for kind in (jpeg, png, webp)
        for name, (is_kept, word) in EXIF_FACTS.items()
    },
    **{
        f"{kind.__name__}: profile": MetadataCase(
            lambda path, kind=kind: kind(path, icc_profile=RGB_PROFILE),  # type: ignore[misc]
            info("icc_profile", RGB_PROFILE),
            "profile",
            FORMATS,
        )
        for kind in (jpeg, png, webp)
    },
    "tiff: profile": MetadataCase(
        lambda path: tiff(path, iccprofile=RGB_PROFILE), info("icc_profile", RGB_PROFILE), "profile", FORMATS
    ),
    "jpeg: xmp": MetadataCase(lambda path: jpeg(path, xmp=PACKET), holds(b'xmp:Rating="5"'), "XMP", FORMATS),
    "jpeg: size in xmp": MetadataCase(
        lambda path: jpeg(path, xmp=PACKET), holds(b'tiff:ImageWidth="60"'), "XMP", FORMATS
    ),
    "webp: xmp": MetadataCase(
        lambda path: webp(path, xmp=PACKET), holds(b'e:PixelXDimension="60"'), "XMP", FORMATS
    ),
    "tiff: xmp": MetadataCase(
        lambda path: tiff(path, (700, 1, len(PACKET), PACKET)), holds(b">40</tiff:ImageLength>"), "XMP", FORMATS
    ),
    "jpeg: comment": MetadataCase(
        lambda path: jpeg(path, comment=b"hello"), holds(b"hello"), "comment", ("png", "jpeg")
    ),
    "gif: comment": MetadataCase(
        lambda path: gif(path, comment=b"hello"), holds(b"hello"), "comment", ("png", "jpeg")
    ),
    "jpeg: iptc": MetadataCase(
        lambda path: jpeg(
            path,
            extra=segment(
                0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + b"\0"
            ),
        ),
        holds(IPTC),
        "IPTC",
        ("jpeg", "tiff"),
    ),
    "tiff: iptc": MetadataCase(
        lambda path: tiff(path, (33723, 7, len(IPTC), IPTC)), holds(IPTC), "IPTC", ("jpeg", "tiff")
    ),
    "png: text": MetadataCase(
        lambda path: png(path, info=texts()), info("parameters", "a castle, Seed: 1"), "PNG text", ("png",)
    ),
    "png: packed text": MetadataCase(
        lambda path: png(path, info=texts(zip=True)), info("parameters", "a castle, Seed: 1"), "PNG text", ("png",)
    ),
    "png: international text": MetadataCase(
        lambda path: png(path, info=foreign()),
        holds("a ch\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}teau".encode()),
        "PNG text",
        ("png",),
    ),
    "tiff: resolution without a unit": MetadataCase(
        lambda path: tiff(path, resolution=(2, 1), resolutionunit=1), dpi, "resolution"
    ),
    "tiff: place on Earth": MetadataCase(lambda path: tiff(path, *GEO, GEO_KEYS), earth, "GeoTIFF", ("tiff",)),
    "jpeg: resolution": MetadataCase(lambda path: jpeg(path, dpi=(300, 150)), dpi, "resolution", FORMATS),
    "png: resolution": MetadataCase(lambda path: png(path, dpi=(300, 150)), dpi, "resolution", FORMATS),
    "tiff: resolution": MetadataCase(
        lambda path: tiff(path, resolution=(300, 150), resolutionunit="inch"), dpi, "resolution", FORMATS
    ),
    "tiff: resolution per centimetre": MetadataCase(
        lambda path: tiff(path, resolution=(300 / 2.54, 150 / 2.54), resolutionunit=3), dpi, "resolution", FORMATS
    ),
    **{
        f"png: {name}": MetadataCase(
            lambda path, name=name, content=content: png(path, (name.encode(), content)),  # type: ignore[misc]
            holds(name.encode() + content),
            name,
            ("png",),
        )
        for name, content in {
            "gAMA": struct.pack(">L", 100_000),
            "cHRM": struct.pack(">8L", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000),
            "cICP": b"\x09\x10\0\1",
        }.items()
    },
    "png: sRGB": MetadataCase(
        lambda path: png(path, (b"sRGB", b"\0")),
        lambda result: info("srgb", 0)(result) or info_of(result, "icc_profile", b"")[16:20] == b"RGB ",
        "sRGB",
        FORMATS,
    ),
    "png: sRGB of gray": MetadataCase(
        lambda path: Image.fromarray(COLORS[..., 0]).save(path, "PNG", pnginfo=srgb_mark()),
        lambda result: info("srgb", 0)(result) or info_of(result, "icc_profile", b"")[16:20] == b"RGB ",
        "sRGB",
        ("png", "webp"),
    ),
    "png: light of HDR": MetadataCase(
        lambda path: png_beginning_with(path, (b"cICP", b"\x09\x10\0\1"), (b"mDCV", bytes(24))),
        holds(chunk(b"mDCV", bytes(24))),
        "mDCV",
        ("png",),
    ),
    "png: cICP before a profile": MetadataCase(
        lambda path: png(path, (b"cICP", b"\x09\x10\0\1"), icc_profile=RGB_PROFILE),
        holds(b"cICP\x09\x10\0\1"),
        "cICP",
        ("png",),
    ),
    "png: one keyword twice": MetadataCase(
        lambda path: png_beginning_with(path, (b"tEXt", b"a\0first"), (b"tEXt", b"a\0second")),
        holds(b"first"),
        "keyword",
    ),
    "png: text longer than Pillow takes": MetadataCase(
        lambda path: png_beginning_with(path, (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 21)))),
        holds(b"zTXta"),
        "PNG text",
    ),
    "png: more behind it": MetadataCase(
        lambda path: with_tail(png, path, b"PK\3\4hidden"), holds(b"hidden"), "behind the image"
    ),
    "jpeg: more behind it": MetadataCase(
        lambda path: with_tail(jpeg, path, b"ftypmp42"), holds(b"ftypmp42"), "behind the image"
    ),
    "jpeg: oblong pixels": MetadataCase(
        lambda path: path.write_bytes(jpeg_bytes()[:13] + b"\0\0\2\0\1" + jpeg_bytes()[18:]),
        holds(b"\0\0\2\0\1"),
        "not square",
    ),
    "webp: another chunk": MetadataCase(webp_with_more, holds(b"seal"), "C2PA"),
    "gif: extension": MetadataCase(gif_with_more, holds(b"abcd"), "ICCRGBG1012"),
    "bmp: profile": MetadataCase(bmp_with_profile, info("icc_profile", RGB_PROFILE), "profile", FORMATS),
    "ppm: comments": MetadataCase(
        lambda path: path.write_bytes(b"P6 30 # a castle\n20\n# at dawn\n255\n" + COLORS.tobytes()),
        holds(b"a castle\nat dawn"),
        "comment",
        ("png", "jpeg"),
    ),
    "jpeg: comment in other letters": MetadataCase(
        lambda path: jpeg(path, comment=b"a ch\xe2teau"),
        lambda result: info_of(result, "comment", b"") == CASTLE.encode() or info("Comment", CASTLE)(result),
        "comment",
        ("png", "jpeg"),
    ),
    "png: xmp as older programs write it": MetadataCase(
        lambda path: png(path, info=hexadecimal_text("xmp", PACKET)), holds(b'xmp:Rating="5"'), "XMP", FORMATS
    ),
    "png: iptc as older programs write it": MetadataCase(
        lambda path: png(path, info=hexadecimal_text("iptc", PHOTOSHOP)), holds(b"Raw profile"), "type iptc"
    ),
    "png: background": MetadataCase(lambda path: png(path, (b"bKGD", bytes(6))), holds(b"bKGD"), "bKGD"),
    "png: time": MetadataCase(lambda path: png(path, (b"tIME", b"\x07\xe0\1\1\0\0\0")), holds(b"tIME"), "tIME"),
    "jpeg: thumbnail": MetadataCase(
        lambda path: jpeg(path, exif=thumbnail(b"STALE")), holds(b"STALE"), "thumbnail"
    ),
    "jpeg: manifest": MetadataCase(
        lambda path: jpeg(path, extra=segment(0xEB, b"JPc2pa")), holds(b"JPc2pa"), "APP11"
    ),
    "tiff: description": MetadataCase(
        lambda path: tiff(path, description="a scan"), holds(b"a scan"), "description", FORMATS
    ),
    "tiff: author": MetadataCase(
        lambda path: tiff(path, (315, 2, 0, "Jane")), tag(0x013B, "Jane"), "author", FORMATS
    ),
    "tiff: unknown tag": MetadataCase(
        lambda path: tiff(path, (50999, 2, 0, "private")), holds(b"private"), "50999"
    ),
    "tiff: sizes in the description": MetadataCase(
        lambda path: tifffile.imwrite(path, COLORS, photometric="rgb"), holds(b'"shape"'), "description"
    ),
}


def info_of(path: Path, name: str, otherwise: Any) -> Any:
    with Image.open(path) as image:
        return image.info.get(name, otherwise)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", TABLE)
def test_all_metadata_is_in_the_result_or_in_the_notes(name: str, format: Format, tmp_path: Path) -> None:
    entry = TABLE[name]
    entry.write(tmp_path / "source")
    result, remarks = restore_file(tmp_path / "source", format)
    if format in entry.formats:
        assert entry.is_kept(result)
    else:
        assert not entry.is_kept(result)
        assert any(entry.word in remark and "'source'" in remark for remark in remarks)


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_turned_upright_has_no_orientation_left(format: Format, tmp_path: Path) -> None:
    tags = exif()
    tags[0x0112] = 6
    Image.fromarray(COLORS).save(
        tmp_path / "a.jpg", exif=tags, xmp=PACKET.replace(b'Orientation="1"', b'Orientation="6"')
    )
    result, _ = restore_file(tmp_path / "a.jpg", format)
    with Image.open(result) as image:
        assert image.size == (40, 60)
        assert image.getexif().get(0x0112, 1) == 1
        exposure = image.getexif().get_ifd(0x8769)
    assert (exposure[0xA002], exposure[0xA003]) == (40, 60)
    content = result.read_bytes()
    assert b'tiff:Orientation="1"' in content
    assert b'tiff:ImageWidth="40"' in content


def test_a_loss_of_metadata_in_many_files_is_one_line(tmp_path: Path) -> None:
    restorer = FileRestorer(TorchEngine(nn.Identity(), 1), RestoreOptions("webp"))
    for number in range(3):
        png(tmp_path / f"{number}.png", info=texts())
        restorer.inspect(tmp_path / f"{number}.png")
    assert [line.endswith(": '0.png' and 2 more") for line in restorer.change_notes()] == [True]


def test_reducing_16_bits_to_8_is_reported_unless_requested(tmp_path: Path) -> None:
    pixels = COLORS[..., 0].astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert any("16 bits to 8" in note for note in restore_file(tmp_path / "a.png", "jpeg")[1])
    assert restore_file(tmp_path / "a.png", "png", bits="8")[1] == []


def test_colors_of_fully_transparent_pixels_are_kept(tmp_path: Path) -> None:
    values = np.dstack([COLORS, np.zeros((20, 30), np.uint8)])
    Image.fromarray(values).save(tmp_path / "a.png")
    result, _ = restore_file(tmp_path / "a.png", "webp", scale=1)
    assert np.array_equal(np.asarray(Image.open(result)), values)


def test_text_that_contains_the_marker_of_pixel_data_does_no_harm(tmp_path: Path) -> None:
    words = PngInfo()
    words.add_text("parameters", "IDAT and \xff\xdb")
    png(tmp_path / "a.png", info=words)
    result, _ = restore_file(tmp_path / "a.png", "png", scale=1)
    assert info("parameters", "IDAT and \xff\xdb")(result)
    jpeg(tmp_path / "a.jpg", xmp=PACKET, comment=b"\xff\xdb IDAT")
    assert Image.open(io.BytesIO(restore_file(tmp_path / "a.jpg", "jpeg", scale=1)[0].read_bytes())).load()


def test_maker_notes_are_kept_or_left_out_and_not_both(tmp_path: Path) -> None:
    tags = exif()
    tags.get_ifd(0x8769)[0x927C] = MAKER + bytes(61_000)
    png(tmp_path / "a.png", exif=tags)
    remarks = [line for line in restore_file(tmp_path / "a.png", "jpeg")[1] if "maker's notes" in line]
    assert len(remarks) == 1
    assert remarks[0].startswith("leaves out")
