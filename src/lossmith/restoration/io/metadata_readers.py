"""What files of each format say beside their pixels."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lossmith.restoration.io.exif import EXIF, GPS, MOST, Directories, Directory, Entry
from lossmith.restoration.io.geo import TAGS as GEO
from lossmith.restoration.io.metadata import (
    ACROSS,
    CENTIMETRES,
    COLOR_CHUNKS,
    DOWN,
    ICC,
    IPTC,
    IPTC_RESOURCE,
    LAYOUT,
    ORIENTATION,
    PHOTOSHOP,
    RECORD,
    THUMBNAIL,
    UNIT,
    XMP,
    Metadata,
    oriented,
    resolution,
    with_exif,
)

TEXT = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 18246, 18249, 37510, *range(40091, 40096))
"""Tags of a TIFF that are about the image, not about the file: description, camera, date, author, rating ..."""
WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ", b"ANIM", b"ANMF"}
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"hIST")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
OBLONG = "the shape of pixels that are not square"
EXIF_MARK = b"Exif\0\0"
PADDING = b"\0\n\r\xff"
BEHIND = "what stands in the file behind the image"
FURTHER = "the further images in the file"


def metadata_of_png(path: Path) -> tuple[Metadata, Any]:
    """And Pillow's stream of chunks, read to its end without the pixels.

    Raises whatever Pillow raises of a damaged file.
    """
    from PIL.PngImagePlugin import PngStream

    chunks: dict[bytes, bytes] = {}
    words = 0
    with path.open("rb") as file:
        file.seek(8)
        stream = PngStream(file)
        while (found := _next_chunk(stream))[0] != b"IEND":
            kind, place, length = found
            if kind in (b"IDAT", b"fdAT"):
                file.seek(length + 4, 1)
                continue
            content = _content(stream, kind, place, length)
            stream.crc(kind, content)
            chunks[kind] = content
            words += kind in TEXT_CHUNKS
        file.seek(4, 1)
        behind = bool(file.read().strip(PADDING))
    info = stream.im_info
    texts: dict[str, str] = {key: value for key, value in stream.im_text.items() if key != "XML:com.adobe.xmp"}
    exif = info.get("exif") or _raw_profile(texts, "exif", EXIF_MARK) or _raw_profile(texts, "APP1", EXIF_MARK)
    xmp = _bytes(info.get("xmp")) or _raw_profile(texts, "xmp", b"<")
    spoken = {b"iCCP", b"eXIf", *TEXT_CHUNKS, *COLOR_CHUNKS, *PIXEL_CHUNKS}
    others = sorted(kind.decode() for kind in chunks.keys() - spoken - {b"pHYs"})
    lost = [f"PNG chunks ({', '.join(others)})"] if others else []
    lost += [f"what stands as numbers in PNG text ({key})" for key in texts if key.startswith("Raw profile")]
    lost += [OBLONG] if len(set(info.get("aspect", (1, 1)))) > 1 else []
    lost += ["PNG text that is too long, or whose keyword comes again"] if words > len(stream.im_text) else []
    lost += [BEHIND] if behind else []
    metadata = Metadata(
        icc=info.get("icc_profile"),
        dpi=resolution(*info.get("dpi", (0, 0))),
        xmp=xmp,
        texts={key: value for key, value in texts.items() if not key.startswith("Raw profile")},
        chunks={kind: chunks[kind] for kind in COLOR_CHUNKS if kind in chunks},
        lost=tuple(lost),
    )
    return with_exif(metadata, exif), stream


def _content(stream: Any, kind: bytes, place: int, length: int) -> bytes:
    """A chunk, which the stream has understood if it can."""
    if hasattr(stream, f"chunk_{kind.decode()}"):
        try:
            understood: bytes = stream.call(kind, place, length)
            return understood
        except ValueError:
            if kind not in TEXT_CHUNKS:
                raise
    stream.fp.seek(place)
    content: bytes = stream.fp.read(length)
    return content


def _next_chunk(stream: Any) -> tuple[bytes, int, int]:
    try:
        found: tuple[bytes, int, int] = stream.read()
    except struct.error as error:
        raise ValueError("it ends too early") from error
    return found


def _raw_profile(texts: dict[str, str], name: str, mark: bytes) -> bytes | None:
    """A block that older programs write as hexadecimal text, if it begins as it should; it leaves the texts."""
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
    """Raises whatever Pillow raises of a damaged file."""
    from PIL.JpegImagePlugin import JpegImageFile

    with path.open("rb") as file, JpegImageFile(file) as image:
        info, segments = image.info, image.applist
        # in what stands behind the last segment, the mark of the end is nothing else
        behind = file.read().partition(b"\xff\xd9")[2].strip(PADDING)
    photoshop: dict[int, Any] = info.get("photoshop", {})
    comments = [_text(content).rstrip("\0") for name, content in segments if name == "COM"]
    iptc = photoshop.pop(IPTC_RESOURCE, None)
    lost = [word for name, content in segments for word in _lost_of_segment(name, content)]
    lost += ["Photoshop's own notes"] if photoshop else []
    lost += [BEHIND] if behind and FURTHER not in lost else []
    lost += [OBLONG] if info.get("jfif_unit") == 0 and len(set(info.get("jfif_density", (1, 1)))) > 1 else []
    # of a file that says none, Pillow says 72
    factor = {1: 1.0, 2: CENTIMETRES}.get(info.get("jfif_unit", 0), 0.0)
    metadata = Metadata(
        icc=info.get("icc_profile"),
        dpi=resolution(*(factor * dots for dots in info.get("jfif_density", (0, 0)))),
        xmp=_bytes(info.get("xmp")),
        iptc=iptc,
        comment="\n".join(comments) or None,
        lost=tuple(dict.fromkeys(lost)),
    )
    return with_exif(metadata, info.get("exif"))


def _lost_of_segment(name: str, content: bytes) -> Iterator[str]:
    known = {
        "APP1": (b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"),
        "APP2": (b"ICC_PROFILE\0",),
        "APP13": (b"Photoshop 3.0\0",),
        "APP14": (b"Adobe",),
        "COM": (b"",),
    }
    if name == "APP0":
        if content.startswith(b"JFXX") or (content.startswith(b"JFIF") and len(content) > 14):
            yield THUMBNAIL
    elif content.startswith(b"MPF\0"):
        yield FURTHER
    elif content.startswith(b"http://ns.adobe.com/xmp/extension/"):
        yield "the second part of XMP"
    elif not content.startswith(known.get(name, ())):
        called = re.match(rb"[\w.:/ -]*", content[:40])
        yield f"a JPEG segment ({name} {called[0].decode() if called else ''})".replace(" )", ")")


def metadata_of_gif(path: Path) -> tuple[Metadata, tuple[int, int]]:
    """And the width and height that it announces. Raises whatever Pillow raises of a damaged file."""
    from PIL.GifImagePlugin import GifImageFile

    with GifImageFile(path) as image:
        comment, xmp = image.info.get("comment"), _bytes(image.info.get("xmp"))
        name = image.info.get("extension", (b"",))[0].decode("ascii", "replace")
        announced = image.size
    known = {"", "NETSCAPE2.0", "ANIMEXTS1.0"} | ({"XMP DataXMP"} if xmp else set())
    lost = () if name in known else (f"a GIF extension ({name})",)
    text = _text(comment) if comment else None
    return Metadata(comment=text, xmp=xmp or None, lost=lost), announced


def lost_of_webp(path: Path) -> tuple[str, ...]:
    """Chunks that nobody here knows."""
    found = []
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sL", head)
            found.append(name)
            file.seek(length + length % 2, 1)
    others = sorted(name.decode("ascii", "replace").strip() for name in {*found} - WEBP_CHUNKS)
    return (f"WebP chunks ({', '.join(others)})",) if others else ()


def metadata_of_ppm(path: Path) -> Metadata:
    """Comments stand between the numbers of its head, in lines of their own or behind them."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    comments, rest = [], head[2:]
    numbers_left = 2 if head[1:2] in b"14" else 3
    while numbers_left and (found := re.match(rb"\s*(?:#([^\r\n]*)|\d+)", rest)):
        rest = rest[found.end() :]
        if found[1] is None:
            numbers_left -= 1
        else:
            comments.append(_text(found[1]).strip())
    return Metadata(comment="\n".join(comments) or None)


def metadata_of_bmp(path: Path) -> Metadata:
    """Of the fifth kind, a profile; Source: BITMAPV5HEADER of the Windows documentation."""
    with path.open("rb") as file:
        head = file.read(14 + 124)
        size = int.from_bytes(head[14:18], "little")
        colors = head[70:74][::-1] if size >= 108 else b""
        if colors == b"MBED" and size >= 124:
            start, length = struct.unpack("<LL", head[126:134])
            file.seek(14 + start)
            return Metadata(icc=file.read(min(length, MOST)))
    plain = colors in (b"", b"sRGB", b"Win ")
    return Metadata() if plain else Metadata(lost=("what BMP says of its colors",))


def metadata_of_tiff(directories: Directories) -> Metadata:
    """What its first directory says."""
    from PIL.TiffTags import lookup

    order, main = directories.order, directories.main
    special = {XMP, IPTC, PHOTOSHOP, ICC, EXIF, GPS, ORIENTATION, RECORD, *TEXT, *GEO, *LAYOUT}
    others = [
        lookup(tag).name if lookup(tag).name != "unknown" else str(tag)
        for tag in sorted(main)
        if tag not in special
    ]
    lost = [f"TIFF tags ({', '.join(others)})"] if others else []
    lost += ["Photoshop's own notes"] if PHOTOSHOP in main else []
    lost += ["a tag, which is damaged"] if directories.damaged else []
    tags = {tag: main[tag] for tag in (RECORD, *TEXT, EXIF, GPS, ORIENTATION, ACROSS, DOWN, UNIT) if tag in main}
    metadata = Metadata(
        icc=_data(main.get(ICC)),
        tags=tags,
        geo={tag: main[tag] for tag in GEO if tag in main},
        order=order,
        xmp=_data(main.get(XMP)),
        iptc=_data(main.get(IPTC)),
        lost=tuple(lost),
    )
    return oriented(metadata)


def _text(content: bytes) -> str:
    """Whose letters nobody has said."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _data(content: "Entry | Directory | None") -> bytes | None:
    return content.data or None if isinstance(content, Entry) else None


def _bytes(content: Any) -> bytes | None:
    return content.encode() if isinstance(content, str) else content or None
