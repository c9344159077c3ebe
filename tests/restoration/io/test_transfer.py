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
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from torch import nn

from lossmith.restoration import ENDINGS, FileRestorer, Format, RestoreOptions, TorchEngine

COLORS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
RGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:e="http://ns.adobe.com/exif/1.0/" '
    b'xmp:Rating="5" tiff:Orientation="1" tiff:ImageWidth="30" e:PixelXDimension="30">'
    b"<tiff:ImageLength>20</tiff:ImageLength></rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x50\0\x06Author"
CASTLE = "a ch\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}teau"
PHOTOSHOP = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + b"\0"
MAKER = b"Nikon\0\x02\x10" + bytes(range(40))


def restored(source: Path, format: Format, scale: int = 2, **options: Any) -> tuple[Path, list[str]]:
    """The result, and the notes that are given before the work."""
    module = nn.Upsample(scale_factor=scale) if scale > 1 else nn.Identity()
    restorer = FileRestorer(TorchEngine(module, scale), RestoreOptions(format, precision="float32", **options))
    restorer.inspect(source)
    sentences = restorer.change_notes()
    result = source.with_name("result" + ENDINGS[format])
    restorer.restore(source, result)
    assert restorer.change_notes() == sentences  # nothing is found out later
    return result, sentences


def exif(**more: Any) -> Image.Exif:
    tags = Image.Exif()
    tags[0x013B], tags[0x4746] = "Jos\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), 4
    tags.get_ifd(0x8769).update({0x829A: 0.01, 0x9204: -1.5, 0xA002: 30, 0xA003: 20, 0x927C: MAKER})
    tags.get_ifd(0x8825).update({1: "N", 2: (51.0, 28.0, 40.0)})
    return tags


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def thumbnail(content: bytes) -> bytes:
    """EXIF with a nested directory, as cameras write it."""
    directory = struct.pack("<H", 0) + struct.pack("<L", 0)
    return b"Exif\0\0II*\0" + struct.pack("<LHL", 8, 0, 14) + directory + content


def jpeg(path: Path, **more: Any) -> None:
    Image.fromarray(COLORS).save(path, "JPEG", **more)


def png(path: Path, *chunks: tuple[bytes, bytes], **more: Any) -> None:
    info = more.pop("info", PngInfo())
    for name, content in chunks:
        info.add(name, content)
    Image.fromarray(COLORS).save(path, "PNG", pnginfo=info, **more)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))


def png_beginning_with(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG that begins with chunks that Pillow does not write."""
    png(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(chunk(*each) for each in chunks) + content[33:])


def followed(kind: Callable[..., None], path: Path, content: bytes) -> None:
    kind(path)
    path.write_bytes(path.read_bytes() + content)


def webp_with_more(path: Path) -> None:
    followed(webp, path, b"C2PA" + struct.pack("<L", 4) + b"seal")
    content = path.read_bytes()
    path.write_bytes(content[:4] + struct.pack("<L", len(content) - 8) + content[8:])


def gif_with_more(path: Path) -> None:
    gif(path)
    content = path.read_bytes().replace(b"GIF87a", b"GIF89a")
    at = 13 + 3 * 16
    path.write_bytes(content[:at] + b"!\xff\x0bICCRGBG1012\x04abcd\0" + content[at:])


def bmp_with_profile(path: Path) -> None:
    """A BMP of version 5: header, pixels (bottom up, rows of whole 4 bytes), profile."""
    rows = np.pad(COLORS[::-1, :, ::-1].reshape(20, 90), ((0, 0), (0, 2))).tobytes()
    head = struct.pack("<LllHHLLllLL", 124, 30, 20, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16) + b"DEBM"
    head = head.ljust(112, b"\0") + struct.pack("<LLL", 124 + len(rows), len(RGB_PROFILE), 0)
    size = 14 + 124 + len(rows) + len(RGB_PROFILE)
    path.write_bytes(b"BM" + struct.pack("<LLL", size, 0, 138) + head + rows + RGB_PROFILE)


def texts(**more: bool) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", "a castle, Seed: 1", **more)
    return info


def foreign() -> PngInfo:
    info = PngInfo()
    info.add_itxt("Title", CASTLE, "fr", "Titre")
    return info


def jpeg_bytes() -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLORS).save(file, "JPEG")
    return file.getvalue()


def as_numbers(name: str, content: bytes) -> PngInfo:
    block = PngInfo()
    block.add_text(f"Raw profile type {name}", f"\n{name}\n{len(content):8}\n{content.hex()}\n")
    return block


def srgb_mark() -> PngInfo:
    mark = PngInfo()
    mark.add(b"sRGB", b"\0")
    return mark


def webp(path: Path, **more: Any) -> None:
    Image.fromarray(COLORS).save(path, "WEBP", lossless=True, **more)


def tiff(path: Path, *tags: tuple[int, int, int, Any], **more: Any) -> None:
    extra = [(*tag, True) for tag in tags]
    tifffile.imwrite(path, COLORS, photometric="rgb", metadata=None, software=False, extratags=extra, **more)


def gif(path: Path, **more: Any) -> None:
    Image.fromarray(COLORS).quantize(16).save(path, "GIF", **more)


def info(name: str, value: Any) -> Callable[[Path], bool]:
    def there(result: Path) -> bool:
        with Image.open(result) as image:
            image.load()
            return bool(image.info.get(name) == value)

    return there


def holds(content: bytes) -> Callable[[Path], bool]:
    return lambda result: content in result.read_bytes()


def tag(number: int, value: Any, folder: int | None = None) -> Callable[[Path], bool]:
    def there(result: Path) -> bool:
        with Image.open(result) as image:
            tags = image.getexif() if folder is None else image.getexif().get_ifd(folder)
        return bool(tags.get(number) == value)

    return there


def dpi(result: Path) -> bool:
    with Image.open(result) as image:
        found = image.info.get("dpi") or (image.getexif().get(0x011A), image.getexif().get(0x011B))
    return bool(np.allclose(np.array(found, float), (600, 300), atol=0.1))


def earth(result: Path) -> bool:
    if result.suffix != ".tif":
        return b"Geo" in result.read_bytes()
    tags = tifffile.TiffFile(result).pages[0].tags
    found = [tags[number].value for number in (33550, 33922, 34735) if number in tags]
    return found == [(5.0, 5.0, 0.0), (4.0, 6.0, 0.0, 5e5, 4e6, 0.0), (1, 1, 0, 1, 3072, 0, 1, 32632)]


GEO = ((33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (2, 3, 0, 5e5, 4e6, 0)))
GEO_KEYS = (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 32632))


@dataclass(frozen=True)
class Said:
    """One kind of metadata, how to find it in a result, and the word by which a note names it."""

    write: Callable[[Path], None]
    there: Callable[[Path], bool]
    word: str
    lives: tuple[str, ...] = ()
    """Formats that must keep it; for the others a note must name it."""


ALL = ("png", "jpeg", "webp", "tiff")
EXIF_FACTS = {
    "author beyond ASCII": (holds("Jos\N{LATIN SMALL LETTER E WITH ACUTE}".encode()), "EXIF"),
    "rating": (tag(0x4746, 4), "EXIF"),
    "exposure": (tag(0x829A, 0.01, 0x8769), "EXIF"),
    "negative fraction": (tag(0x9204, -1.5, 0x8769), "EXIF"),
    "place": (tag(2, (51.0, 28.0, 40.0), 0x8825), "GPS"),
    "size": (tag(0xA002, 60, 0x8769), "EXIF"),
    "notes of the maker": (holds(MAKER), "maker's notes"),
}
TABLE: dict[str, Said] = {
    **{
        f"{kind.__name__}: {name}": Said(lambda path, kind=kind: kind(path, exif=exif()), there, word, ALL)  # type: ignore[misc]
        for kind in (jpeg, png, webp)
        for name, (there, word) in EXIF_FACTS.items()
    },
    **{
        f"{kind.__name__}: profile": Said(
            lambda path, kind=kind: kind(path, icc_profile=RGB_PROFILE),  # type: ignore[misc]
            info("icc_profile", RGB_PROFILE),
            "profile",
            ALL,
        )
        for kind in (jpeg, png, webp)
    },
    "tiff: profile": Said(
        lambda path: tiff(path, iccprofile=RGB_PROFILE), info("icc_profile", RGB_PROFILE), "profile", ALL
    ),
    "jpeg: xmp": Said(lambda path: jpeg(path, xmp=PACKET), holds(b'xmp:Rating="5"'), "XMP", ALL),
    "jpeg: size in xmp": Said(lambda path: jpeg(path, xmp=PACKET), holds(b'tiff:ImageWidth="60"'), "XMP", ALL),
    "webp: xmp": Said(lambda path: webp(path, xmp=PACKET), holds(b'e:PixelXDimension="60"'), "XMP", ALL),
    "tiff: xmp": Said(
        lambda path: tiff(path, (700, 1, len(PACKET), PACKET)), holds(b">40</tiff:ImageLength>"), "XMP", ALL
    ),
    "jpeg: comment": Said(lambda path: jpeg(path, comment=b"hello"), holds(b"hello"), "comment", ("png", "jpeg")),
    "gif: comment": Said(lambda path: gif(path, comment=b"hello"), holds(b"hello"), "comment", ("png", "jpeg")),
    "jpeg: iptc": Said(
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
    "tiff: iptc": Said(
        lambda path: tiff(path, (33723, 7, len(IPTC), IPTC)), holds(IPTC), "IPTC", ("jpeg", "tiff")
    ),
    "png: text": Said(
        lambda path: png(path, info=texts()), info("parameters", "a castle, Seed: 1"), "PNG text", ("png",)
    ),
    "png: packed text": Said(
        lambda path: png(path, info=texts(zip=True)), info("parameters", "a castle, Seed: 1"), "PNG text", ("png",)
    ),
    "png: international text": Said(
        lambda path: png(path, info=foreign()),
        holds("a ch\N{LATIN SMALL LETTER A WITH CIRCUMFLEX}teau".encode()),
        "PNG text",
        ("png",),
    ),
    "tiff: resolution without a unit": Said(
        lambda path: tiff(path, resolution=(2, 1), resolutionunit=1), dpi, "resolution"
    ),
    "tiff: place on Earth": Said(lambda path: tiff(path, *GEO, GEO_KEYS), earth, "GeoTIFF", ("tiff",)),
    "jpeg: resolution": Said(lambda path: jpeg(path, dpi=(300, 150)), dpi, "resolution", ALL),
    "png: resolution": Said(lambda path: png(path, dpi=(300, 150)), dpi, "resolution", ALL),
    "tiff: resolution": Said(
        lambda path: tiff(path, resolution=(300, 150), resolutionunit="inch"), dpi, "resolution", ALL
    ),
    "tiff: resolution per centimetre": Said(
        lambda path: tiff(path, resolution=(300 / 2.54, 150 / 2.54), resolutionunit=3), dpi, "resolution", ALL
    ),
    **{
        f"png: {name}": Said(
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
    "png: sRGB": Said(
        lambda path: png(path, (b"sRGB", b"\0")),
        lambda result: info("srgb", 0)(result) or info_of(result, "icc_profile", b"")[16:20] == b"RGB ",
        "sRGB",
        ALL,
    ),
    "png: sRGB of gray": Said(
        lambda path: Image.fromarray(COLORS[..., 0]).save(path, "PNG", pnginfo=srgb_mark()),
        lambda result: info("srgb", 0)(result) or info_of(result, "icc_profile", b"")[16:20] == b"RGB ",
        "sRGB",
        ("png", "webp"),
    ),
    "png: light of HDR": Said(
        lambda path: png_beginning_with(path, (b"cICP", b"\x09\x10\0\1"), (b"mDCV", bytes(24))),
        holds(chunk(b"mDCV", bytes(24))),
        "mDCV",
        ("png",),
    ),
    "png: cICP before a profile": Said(
        lambda path: png(path, (b"cICP", b"\x09\x10\0\1"), icc_profile=RGB_PROFILE),
        holds(b"cICP\x09\x10\0\1"),
        "cICP",
        ("png",),
    ),
    "png: one keyword twice": Said(
        lambda path: png_beginning_with(path, (b"tEXt", b"a\0first"), (b"tEXt", b"a\0second")),
        holds(b"first"),
        "keyword",
    ),
    "png: text longer than Pillow takes": Said(
        lambda path: png_beginning_with(path, (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 21)))),
        holds(b"zTXta"),
        "PNG text",
    ),
    "png: more behind it": Said(
        lambda path: followed(png, path, b"PK\3\4hidden"), holds(b"hidden"), "behind the image"
    ),
    "jpeg: more behind it": Said(
        lambda path: followed(jpeg, path, b"ftypmp42"), holds(b"ftypmp42"), "behind the image"
    ),
    "jpeg: oblong pixels": Said(
        lambda path: path.write_bytes(jpeg_bytes()[:13] + b"\0\0\2\0\1" + jpeg_bytes()[18:]),
        holds(b"\0\0\2\0\1"),
        "not square",
    ),
    "webp: another chunk": Said(webp_with_more, holds(b"seal"), "C2PA"),
    "gif: extension": Said(gif_with_more, holds(b"abcd"), "ICCRGBG1012"),
    "bmp: profile": Said(bmp_with_profile, info("icc_profile", RGB_PROFILE), "profile", ALL),
    "ppm: comments": Said(
        lambda path: path.write_bytes(b"P6 30 # a castle\n20\n# at dawn\n255\n" + COLORS.tobytes()),
        holds(b"a castle\nat dawn"),
        "comment",
        ("png", "jpeg"),
    ),
    "jpeg: comment in other letters": Said(
        lambda path: jpeg(path, comment=b"a ch\xe2teau"),
        lambda result: info_of(result, "comment", b"") == CASTLE.encode() or info("Comment", CASTLE)(result),
        "comment",
        ("png", "jpeg"),
    ),
    "png: xmp as older programs write it": Said(
        lambda path: png(path, info=as_numbers("xmp", PACKET)), holds(b'xmp:Rating="5"'), "XMP", ALL
    ),
    "png: iptc as older programs write it": Said(
        lambda path: png(path, info=as_numbers("iptc", PHOTOSHOP)), holds(b"Raw profile"), "type iptc"
    ),
    "png: background": Said(lambda path: png(path, (b"bKGD", bytes(6))), holds(b"bKGD"), "bKGD"),
    "png: time": Said(lambda path: png(path, (b"tIME", b"\x07\xe0\1\1\0\0\0")), holds(b"tIME"), "tIME"),
    "jpeg: thumbnail": Said(lambda path: jpeg(path, exif=thumbnail(b"STALE")), holds(b"STALE"), "thumbnail"),
    "jpeg: manifest": Said(lambda path: jpeg(path, extra=segment(0xEB, b"JPc2pa")), holds(b"JPc2pa"), "APP11"),
    "tiff: description": Said(lambda path: tiff(path, description="a scan"), holds(b"a scan"), "description", ALL),
    "tiff: author": Said(lambda path: tiff(path, (315, 2, 0, "Jane")), tag(0x013B, "Jane"), "author", ALL),
    "tiff: unknown tag": Said(lambda path: tiff(path, (50999, 2, 0, "private")), holds(b"private"), "50999"),
    "tiff: sizes in the description": Said(
        lambda path: tifffile.imwrite(path, COLORS, photometric="rgb"), holds(b'"shape"'), "description"
    ),
}


def info_of(path: Path, name: str, otherwise: Any) -> Any:
    with Image.open(path) as image:
        return image.info.get(name, otherwise)


@pytest.mark.parametrize("format", ALL)
@pytest.mark.parametrize("name", TABLE)
def test_all_metadata_is_in_the_result_or_in_the_notes(name: str, format: Format, tmp_path: Path) -> None:
    entry = TABLE[name]
    entry.write(tmp_path / "source")
    result, remarks = restored(tmp_path / "source", format)
    if format in entry.lives:
        assert entry.there(result)
    else:
        assert not entry.there(result)
        assert any(entry.word in remark and "'source'" in remark for remark in remarks)


def gray_profile() -> bytes:
    """A minimal gray profile of gamma 2.2 under ICC.1:2010."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(65536 * value)) for value in values)

    white = fixed(0.9642, 1, 0.8249)
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0" + bytes(78)),
        (b"wtpt", b"XYZ \0\0\0\0" + white),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))),
    ]
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(padded))
        body += padded
    size = struct.pack(">I", 132 + 12 * len(tags) + len(body))
    head = (
        size + b"lcms" + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    )
    return (head + b"acsp" + bytes(28) + white).ljust(128, b"\0") + table + body


GRAY_PROFILE = gray_profile()
GRAYS = Image.fromarray(COLORS[..., 0])


@pytest.mark.parametrize("format", ALL)
@pytest.mark.parametrize("profile", [GRAY_PROFILE, RGB_PROFILE, b"no profile" * 20])
@pytest.mark.parametrize(
    "image", [GRAYS, GRAYS.convert("P"), Image.fromarray(COLORS), Image.fromarray(COLORS).quantize(9)]
)
def test_the_color_profile_fits_the_pixels_that_are_written(
    image: Image.Image, profile: bytes, format: Format, tmp_path: Path
) -> None:
    image.save(tmp_path / "a.png", icc_profile=profile)
    result, remarks = restored(tmp_path / "a.png", format)
    with Image.open(result) as image:
        written = image.info.get("icc_profile")
        mode = image.mode
    assert written is None or written[16:20] == {"L": b"GRAY", "RGB": b"RGB "}[mode]
    assert written == profile or any("profile" in remark for remark in remarks)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_pixels_without_their_profile_are_converted_to_srgb(dtype: Any, tmp_path: Path) -> None:
    ramp = (np.arange(256, dtype=np.uint32) * (257 if dtype == np.uint16 else 1)).astype(dtype)
    Image.fromarray(np.tile(ramp, (4, 1))).save(tmp_path / "a.png", icc_profile=GRAY_PROFILE)
    result, _ = restored(tmp_path / "a.png", "webp", scale=1)
    linear = (np.arange(256) / 255) ** 2.2
    expected = 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    # a rounding of ours, and one within lcms
    assert np.abs(np.asarray(Image.open(result))[0, :, 1] - expected).max() <= 1.5


@pytest.mark.parametrize("format", ALL)
def test_an_image_turned_upright_has_no_orientation_left(format: Format, tmp_path: Path) -> None:
    tags = exif()
    tags[0x0112] = 6
    Image.fromarray(COLORS).save(
        tmp_path / "a.jpg", exif=tags, xmp=PACKET.replace(b'Orientation="1"', b'Orientation="6"')
    )
    result, _ = restored(tmp_path / "a.jpg", format)
    with Image.open(result) as image:
        assert image.size == (40, 60)
        assert image.getexif().get(0x0112, 1) == 1
        exposure = image.getexif().get_ifd(0x8769)
    assert (exposure[0xA002], exposure[0xA003]) == (40, 60)
    content = result.read_bytes()
    assert b'tiff:Orientation="1"' in content
    assert b'tiff:ImageWidth="40"' in content


def place_of(tags: dict[int, Any], column: float, row: float) -> tuple[float, float]:
    """The world coordinates of a point in pixels from the upper left corner; OGC GeoTIFF 1.1, B.6."""
    points = 1025 in tags.get(34735, ())[4::4] and 2 in tags[34735][7::4]
    column, row = (column - 0.5, row - 0.5) if points else (column, row)
    if 34264 in tags:
        a, b, _, d, e, f, _, h = tags[34264][:8]
        return a * column + b * row + d, e * column + f * row + h
    across, down, _ = tags[33550]
    i, j, _, x, y, _ = tags[33922]
    return x + across * (column - i), y - down * (row - j)


@pytest.mark.parametrize("kind", [1, 2], ids=["pixels are areas", "pixels are points"])
@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_geotiff_coordinates_of_every_pixel_are_kept(kind: int, matrix: bool, scale: int, tmp_path: Path) -> None:
    keys = (34735, 3, 8, (1, 1, 0, 1, 1025, 0, 1, kind))
    model = (34264, 12, 16, (10.0, 2.0, 0, 5e5, 3.0, -9.0, 0, 4e6, 0, 0, 0, 0, 0, 0, 0, 1))
    tiff(tmp_path / "a.tif", *((model,) if matrix else GEO), keys)
    result, _ = restored(tmp_path / "a.tif", "tiff", scale)
    before, after = (
        {each.code: each.value for each in tifffile.TiffFile(path).pages[0].tags}
        for path in (tmp_path / "a.tif", result)
    )
    for column, row in ((0, 0), (7, 3), (30, 20)):
        assert place_of(after, scale * column, scale * row) == pytest.approx(place_of(before, column, row))


def test_a_loss_of_metadata_in_many_files_is_one_line(tmp_path: Path) -> None:
    restorer = FileRestorer(TorchEngine(nn.Identity(), 1), RestoreOptions("webp"))
    for number in range(3):
        png(tmp_path / f"{number}.png", info=texts())
        restorer.inspect(tmp_path / f"{number}.png")
    assert [line.endswith(": '0.png' and 2 more") for line in restorer.change_notes()] == [True]


def test_reducing_16_bits_to_8_is_reported_unless_requested(tmp_path: Path) -> None:
    wide = COLORS[..., 0].astype(np.uint16) * 257
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert any("16 bits to 8" in note for note in restored(tmp_path / "a.png", "jpeg")[1])
    assert restored(tmp_path / "a.png", "png", bits="8")[1] == []


def test_colors_of_fully_transparent_pixels_are_kept(tmp_path: Path) -> None:
    values = np.dstack([COLORS, np.zeros((20, 30), np.uint8)])
    Image.fromarray(values).save(tmp_path / "a.png")
    result, _ = restored(tmp_path / "a.png", "webp", scale=1)
    assert np.array_equal(np.asarray(Image.open(result)), values)


def test_text_that_contains_the_marker_of_pixel_data_does_no_harm(tmp_path: Path) -> None:
    words = PngInfo()
    words.add_text("parameters", "IDAT and \xff\xdb")
    png(tmp_path / "a.png", info=words)
    result, _ = restored(tmp_path / "a.png", "png", scale=1)
    assert info("parameters", "IDAT and \xff\xdb")(result)
    jpeg(tmp_path / "a.jpg", xmp=PACKET, comment=b"\xff\xdb IDAT")
    assert Image.open(io.BytesIO(restored(tmp_path / "a.jpg", "jpeg", scale=1)[0].read_bytes())).load()


def test_maker_notes_are_kept_or_left_out_and_not_both(tmp_path: Path) -> None:
    long = exif()
    long.get_ifd(0x8769)[0x927C] = MAKER + bytes(61_000)
    png(tmp_path / "a.png", exif=long)
    told = [line for line in restored(tmp_path / "a.png", "jpeg")[1] if "maker's notes" in line]
    assert len(told) == 1
    assert told[0].startswith("leaves out")
