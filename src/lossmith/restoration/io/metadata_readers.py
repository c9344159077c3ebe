"""Reads the metadata of each file format."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossmith.restoration.io.exif import EXIF, GPS, MAX_METADATA_BYTES, Directories, Directory, Entry
from lossmith.restoration.io.geo import TAGS as GEO
from lossmith.restoration.io.metadata import (
    ACROSS,
    CM_PER_INCH,
    COLOR_CHUNKS,
    DOWN,
    ICC,
    IPTC,
    IPTC_RESOURCE,
    LAYOUT,
    ORIENTATION,
    PHOTOSHOP,
    RECORD,
    THUMBNAIL_NOTE,
    UNIT,
    XMP,
    Metadata,
    valid_dpi,
    with_exif,
    with_orientation,
)

TEXT_TAGS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 18246, 18249, 37510, *range(40091, 40096))
"""TIFF tags about the image and not the file: description, camera, date, author, rating ..."""
WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF"}
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"hIST")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
NONSQUARE_NOTE = "the shape of pixels that are not square"
EXIF_MARK = b"Exif\0\0"
PADDING_BYTES = b"\0\n\r\xff"
TRAILING_NOTE = "data in the file behind the image"
MORE_IMAGES_NOTE = "the further images in the file"


def metadata_of_png(path: Path) -> tuple[Metadata, Any]:
    """The metadata of a PNG, and Pillow's stream of its chunks, read to the end without the pixels.

    Raises what Pillow raises for a damaged file.
    """
    from PIL.PngImagePlugin import PngStream

    chunks: dict[bytes, bytes] = {}
    text_count = 0
    with path.open("rb") as file:
        file.seek(8)
        stream = PngStream(file)
        while (chunk := _next_chunk(stream))[0] != b"IEND":
            kind, offset, length = chunk
            if kind in (b"IDAT", b"fdAT"):
                file.seek(length + 4, 1)
                continue
            content = _content(stream, kind, offset, length)
            stream.crc(kind, content)
            chunks[kind] = content
            text_count += kind in TEXT_CHUNKS
        file.seek(4, 1)
        trailing = bool(file.read().strip(PADDING_BYTES))
    info = stream.im_info
    texts: dict[str, str] = {key: value for key, value in stream.im_text.items() if key != "XML:com.adobe.xmp"}
    exif = info.get("exif") or _raw_profile(texts, "exif", EXIF_MARK) or _raw_profile(texts, "APP1", EXIF_MARK)
    xmp = _bytes(info.get("xmp")) or _raw_profile(texts, "xmp", b"<")
    known = {b"iCCP", b"eXIf", *TEXT_CHUNKS, *COLOR_CHUNKS, *PIXEL_CHUNKS}
    others = sorted(kind.decode() for kind in chunks.keys() - known - {b"pHYs"})
    lost = [f"PNG chunks ({', '.join(others)})"] if others else []
    lost += [
        f"what PNG text holds as hexadecimal numbers ({key})" for key in texts if key.startswith("Raw profile")
    ]
    lost += [NONSQUARE_NOTE] if len(set(info.get("aspect", (1, 1)))) > 1 else []
    lost += ["PNG text that is too long, or whose keyword comes again"] if text_count > len(stream.im_text) else []
    lost += [TRAILING_NOTE] if trailing else []
    metadata = Metadata(
        icc=info.get("icc_profile"),
        dpi=valid_dpi(*info.get("dpi", (0, 0))),
        xmp=xmp,
        texts={key: value for key, value in texts.items() if not key.startswith("Raw profile")},
        chunks={kind: chunks[kind] for kind in COLOR_CHUNKS if kind in chunks},
        lost=tuple(lost),
    )
    return with_exif(metadata, exif), stream


def _content(stream: Any, kind: bytes, offset: int, length: int) -> bytes:
    """The content of a chunk, which Pillow's stream has parsed where it knows its kind."""
    if hasattr(stream, f"chunk_{kind.decode()}"):
        try:
            parsed: bytes = stream.call(kind, offset, length)
            return parsed
        except ValueError:
            if kind not in TEXT_CHUNKS:
                raise
    stream.fp.seek(offset)
    content: bytes = stream.fp.read(length)
    return content


def _next_chunk(stream: Any) -> tuple[bytes, int, int]:
    try:
        chunk: tuple[bytes, int, int] = stream.read()
    except struct.error as error:
        raise ValueError("it ends too early") from error
    return chunk


def _raw_profile(texts: dict[str, str], name: str, mark: bytes) -> bytes | None:
    """A block that older programs write as hexadecimal text, removed from `texts`, if it begins with `mark`."""
    text = texts.get(f"Raw profile type {name}")
    try:
        content = bytes.fromhex("".join((text or "").split("\n")[3:]))
    except ValueError:
        return None
    if not content.startswith(mark):
        return None
    del texts[f"Raw profile type {name}"]
    return content


def metadata_of_jpeg(path: Path) -> Metadata:
    """The metadata of a JPEG. Raises what Pillow raises for a damaged file."""
    from PIL.JpegImagePlugin import JpegImageFile

    with path.open("rb") as file, JpegImageFile(file) as image:
        info, segments = image.info, image.applist
        # compressed data never contain the end marker FF D9
        trailing = file.read().partition(b"\xff\xd9")[2].strip(PADDING_BYTES)
    photoshop: dict[int, Any] = info.get("photoshop", {})
    comments = [_text(content).rstrip("\0") for name, content in segments if name == "COM"]
    iptc = photoshop.pop(IPTC_RESOURCE, None)
    lost = [note for name, content in segments for note in _lost_of_segment(name, content)]
    lost += ["Photoshop's own notes"] if photoshop else []
    lost += [TRAILING_NOTE] if trailing and MORE_IMAGES_NOTE not in lost else []
    lost += (
        [NONSQUARE_NOTE] if info.get("jfif_unit") == 0 and len(set(info.get("jfif_density", (1, 1)))) > 1 else []
    )
    # only JFIF: for a file without a resolution Pillow reports 72 dpi
    factor = {1: 1.0, 2: CM_PER_INCH}.get(info.get("jfif_unit", 0), 0.0)
    metadata = Metadata(
        icc=info.get("icc_profile"),
        dpi=valid_dpi(*(factor * dots for dots in info.get("jfif_density", (0, 0)))),
        xmp=_bytes(info.get("xmp")),
        iptc=iptc,
        comment="\n".join(comments) or None,
        lost=tuple(dict.fromkeys(lost)),
    )
    return with_exif(metadata, info.get("exif"))


def _lost_of_segment(name: str, content: bytes) -> Iterator[str]:
    """What of a JPEG segment is not kept."""
    known = {
        "APP1": (b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"),
        "APP2": (b"ICC_PROFILE\0",),
        "APP13": (b"Photoshop 3.0\0",),
        "APP14": (b"Adobe",),
        "COM": (b"",),
    }
    if name == "APP0":
        if content.startswith(b"JFXX") or (content.startswith(b"JFIF") and len(content) > 14):
            yield THUMBNAIL_NOTE
    elif content.startswith(b"MPF\0"):
        yield MORE_IMAGES_NOTE
    elif content.startswith(b"http://ns.adobe.com/xmp/extension/"):
        yield "the second part of XMP"
    elif not content.startswith(known.get(name, ())):
        label = re.match(rb"[\w.:/ -]*", content[:40])
        yield f"a JPEG segment ({name} {label[0].decode() if label else ''})".replace(" )", ")")


def metadata_of_gif(path: Path) -> tuple[Metadata, tuple[int, int]]:
    """The metadata of a GIF, and the (width, height) of its canvas.

    Raises what Pillow raises for a damaged file.
    """
    from PIL.GifImagePlugin import GifImageFile

    with GifImageFile(path) as image:
        comment, xmp = image.info.get("comment"), _bytes(image.info.get("xmp"))
        name = image.info.get("extension", (b"",))[0].decode("ascii", "replace")
        canvas_size = image.size
    known = {"", "NETSCAPE2.0", "ANIMEXTS1.0"} | ({"XMP DataXMP"} if xmp else set())
    lost = () if name in known else (f"a GIF extension ({name})",)
    text = _text(comment) if comment else None
    return Metadata(comment=text, xmp=xmp or None, lost=lost), canvas_size


def lost_of_webp(path: Path) -> tuple[str, ...]:
    """Notes on the chunks of a WebP that are not kept."""
    names = []
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sL", head)
            names.append(name)
            file.seek(length + length % 2, 1)
    others = sorted(name.decode("ascii", "replace").strip() for name in {*names} - WEBP_CHUNKS)
    return (f"WebP chunks ({', '.join(others)})",) if others else ()


def metadata_of_ppm(path: Path) -> Metadata:
    """The comments of a PBM, PGM or PPM, which stand between the numbers of its header."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    comments, rest = [], head[2:]
    numbers_left = 2 if head[1:2] in b"14" else 3
    while numbers_left and (match := re.match(rb"\s*(?:#([^\r\n]*)|\d+)", rest)):
        rest = rest[match.end() :]
        if match[1] is None:
            numbers_left -= 1
        else:
            comments.append(_text(match[1]).strip())
    return Metadata(comment="\n".join(comments) or None)


def metadata_of_bmp(path: Path) -> Metadata:
    """The profile of a BMP of version 5. Source: BITMAPV5HEADER of the Windows documentation."""
    with path.open("rb") as file:
        head = file.read(14 + 124)
        size = int.from_bytes(head[14:18], "little")
        colors = head[70:74][::-1] if size >= 108 else b""
        if colors == b"MBED" and size >= 124:
            start, length = struct.unpack("<LL", head[126:134])
            file.seek(14 + start)
            return Metadata(icc=file.read(min(length, MAX_METADATA_BYTES)))
    plain = colors in (b"", b"sRGB", b"Win ")
    return Metadata() if plain else Metadata(lost=("what BMP says of its colors",))


def metadata_of_tiff(directories: Directories) -> Metadata:
    """The metadata of the first directory of a TIFF."""
    from PIL.TiffTags import lookup

    order, main = directories.order, directories.main
    handled = {XMP, IPTC, PHOTOSHOP, ICC, EXIF, GPS, ORIENTATION, RECORD, *TEXT_TAGS, *GEO, *LAYOUT}
    others = [
        lookup(tag).name if lookup(tag).name != "unknown" else str(tag)
        for tag in sorted(main)
        if tag not in handled
    ]
    lost = [f"TIFF tags ({', '.join(others)})"] if others else []
    lost += ["Photoshop's own notes"] if PHOTOSHOP in main else []
    lost += ["a tag, which is damaged"] if directories.damaged else []
    tags = {
        tag: main[tag] for tag in (RECORD, *TEXT_TAGS, EXIF, GPS, ORIENTATION, ACROSS, DOWN, UNIT) if tag in main
    }
    metadata = Metadata(
        icc=_data(main.get(ICC)),
        tags=tags,
        geo={tag: main[tag] for tag in GEO if tag in main},
        order=order,
        xmp=_data(main.get(XMP)),
        iptc=_data(main.get(IPTC)),
        lost=tuple(lost),
    )
    return with_orientation(metadata)


def _text(content: bytes) -> str:
    """Text of an unknown encoding: UTF-8 where it is valid, else Latin-1."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _data(content: "Entry | Directory | None") -> bytes | None:
    return content.data or None if isinstance(content, Entry) else None


def _bytes(content: Any) -> bytes | None:
    return content.encode() if isinstance(content, str) else content or None
