"""Images with metadata of many kinds, and their restoration."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from torch import nn

from lossmith.restoration import ENDINGS, FileRestorer, Format, RestoreOptions, TorchEngine

FORMATS: tuple[Format, ...] = ("png", "jpeg", "webp", "tiff")
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


def restore_file(source: Path, format: Format, scale: int = 2, **options: Any) -> tuple[Path, list[str]]:
    """The result, and the notes that are given before the work."""
    module = nn.Upsample(scale_factor=scale) if scale > 1 else nn.Identity()
    restorer = FileRestorer(TorchEngine(module, scale), RestoreOptions(format, precision="float32", **options))
    restorer.inspect(source)
    sentences = restorer.change_notes()
    result = source.with_name("result" + ENDINGS[format])
    restorer.restore(source, result)
    assert restorer.change_notes() == sentences  # nothing is found out later
    return result, sentences


def exif(**options: Any) -> Image.Exif:
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


def jpeg(path: Path, **options: Any) -> None:
    Image.fromarray(COLORS).save(path, "JPEG", **options)


def png(path: Path, *chunks: tuple[bytes, bytes], **options: Any) -> None:
    info = options.pop("info", PngInfo())
    for name, content in chunks:
        info.add(name, content)
    Image.fromarray(COLORS).save(path, "PNG", pnginfo=info, **options)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))


def png_beginning_with(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG that begins with chunks that Pillow does not write."""
    png(path)
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(chunk(*entry) for entry in chunks) + content[33:])


def with_tail(kind: Callable[..., None], path: Path, content: bytes) -> None:
    kind(path)
    path.write_bytes(path.read_bytes() + content)


def webp_with_more(path: Path) -> None:
    with_tail(webp, path, b"C2PA" + struct.pack("<L", 4) + b"seal")
    content = path.read_bytes()
    path.write_bytes(content[:4] + struct.pack("<L", len(content) - 8) + content[8:])


def gif_with_more(path: Path) -> None:
    gif(path)
    content = path.read_bytes().replace(b"GIF87a", b"GIF89a")
    position = 13 + 3 * 16
    path.write_bytes(content[:position] + b"!\xff\x0bICCRGBG1012\x04abcd\0" + content[position:])


def bmp_with_profile(path: Path) -> None:
    """A BMP of version 5: header, pixels (bottom up, rows of whole 4 bytes), profile."""
    rows = np.pad(COLORS[::-1, :, ::-1].reshape(20, 90), ((0, 0), (0, 2))).tobytes()
    head = struct.pack("<LllHHLLllLL", 124, 30, 20, 1, 24, 0, len(rows), 0, 0, 0, 0) + bytes(16) + b"DEBM"
    head = head.ljust(112, b"\0") + struct.pack("<LLL", 124 + len(rows), len(RGB_PROFILE), 0)
    size = 14 + 124 + len(rows) + len(RGB_PROFILE)
    path.write_bytes(b"BM" + struct.pack("<LLL", size, 0, 138) + head + rows + RGB_PROFILE)


def texts(**options: bool) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", "a castle, Seed: 1", **options)
    return info


def foreign() -> PngInfo:
    info = PngInfo()
    info.add_itxt("Title", CASTLE, "fr", "Titre")
    return info


def jpeg_bytes() -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLORS).save(file, "JPEG")
    return file.getvalue()


def hexadecimal_text(name: str, content: bytes) -> PngInfo:
    block = PngInfo()
    block.add_text(f"Raw profile type {name}", f"\n{name}\n{len(content):8}\n{content.hex()}\n")
    return block


def srgb_mark() -> PngInfo:
    mark = PngInfo()
    mark.add(b"sRGB", b"\0")
    return mark


def webp(path: Path, **options: Any) -> None:
    Image.fromarray(COLORS).save(path, "WEBP", lossless=True, **options)


def tiff(path: Path, *tags: tuple[int, int, int, Any], **options: Any) -> None:
    extra = [(*tag, True) for tag in tags]
    tifffile.imwrite(path, COLORS, photometric="rgb", metadata=None, software=False, extratags=extra, **options)


def gif(path: Path, **options: Any) -> None:
    Image.fromarray(COLORS).quantize(16).save(path, "GIF", **options)


GEO = ((33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (2, 3, 0, 5e5, 4e6, 0)))
GEO_KEYS = (34735, 3, 8, (1, 1, 0, 1, 3072, 0, 1, 32632))
