"""What a file says beside its pixels, and what of it nobody here can keep."""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lossmith.restoration.exif import ASCII, EXIF, GPS, Directories, Directory, Entry, numbers, read_directories
from lossmith.restoration.geo import TAGS as GEO

ORIENTATION, ACROSS, DOWN, UNIT = 0x0112, 0x011A, 0x011B, 0x0128
RESOLUTION = (ACROSS, DOWN, UNIT)
RECORD = 0x000B
"""EXIF's ProcessingSoftware, in which all four formats can say by what a picture was made."""
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
IPTC_RESOURCE = 0x0404
"""Under which Photoshop keeps IPTC in a JPEG."""
TEXT = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 18246, 18249, 37510, *range(40091, 40096))
"""Tags of a TIFF that are about the picture, not about the file: description, camera, date, author, rating ..."""
LAYOUT = {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, *range(277, 283), 283, 284, *range(288, 294), 296, 317}
LAYOUT |= {
    318,
    319,
    320,
    321,
    *range(322, 326),
    332,
    334,
    336,
    338,
    339,
    340,
    341,
    347,
    *range(512, 522),
    *range(529, 533),
}
"""Tags that say how a file lays out its pixels."""
COLOUR_CHUNKS = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"hIST")
HIGHEST = 65535.5
"""Pixels per inch that JPEG has room for, which are more than anything has."""
CENTIMETRES = 2.54
FURTHER = "the further pictures in the file"
THUMBNAIL = "the embedded thumbnail"


@dataclass(frozen=True)
class Metadata:
    """Everything that is known beside the pixels, as it was said of the picture as it was."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down, of the picture as it should be seen."""
    tags: Directory = field(default_factory=dict)
    """EXIF, with the directories within it."""
    geo: Directory = field(default_factory=dict)
    """The tags of GeoTIFF."""
    order: str = "<"
    """The order of the bytes in `tags` and `geo`."""
    orientation: int | None = None
    """How the camera was held, where that is said."""
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    """The text of a PNG, by keyword."""
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    """What a PNG says of its colours without a profile."""
    lost: tuple[str, ...] = ()
    """What is there, and is not kept."""

    def lacking(self, *what: str) -> "Metadata":
        return replace(self, lost=(*self.lost, *what))


def with_exif(metadata: Metadata, exif: bytes | None) -> Metadata:
    """With what an EXIF block says."""
    if not exif:
        return metadata
    try:
        read = read_directories(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
    except Exception:  # a picture with damaged EXIF is still a picture
        return metadata.lacking("EXIF, which is damaged")
    found = replace(metadata, tags=read.main, order=read.order)
    found = found.lacking("a part of EXIF, which is damaged") if read.damaged else found
    return oriented(found.lacking(THUMBNAIL) if read.following else found)


def oriented(metadata: Metadata) -> Metadata:
    """With the orientation and the resolution that its tags say, where it has no other resolution."""
    said = {tag: _first(metadata.tags, tag, metadata.order) for tag in (ORIENTATION, ACROSS, DOWN, UNIT)}
    tags = {tag: content for tag, content in metadata.tags.items() if tag not in said}
    factor = {2: 1.0, 3: CENTIMETRES}.get(int(said[UNIT] or 2))
    dpi = metadata.dpi
    across = said[ACROSS]
    if dpi is None and factor and across:
        dpi = resolution(factor * across, factor * (said[DOWN] or across))
    orientation = said[ORIENTATION]
    if dpi and orientation in range(5, 9):
        dpi = dpi[::-1]
    return replace(metadata, tags=tags, dpi=dpi, orientation=None if orientation is None else int(orientation))


def resolution(across: Any, down: Any) -> tuple[float, float] | None:
    """Pixels per inch across and down, where they are numbers that every format holds."""
    try:
        found = float(across), float(down)
    except Exception:  # of none, or of a fraction of 0, or of text
        return None
    return found if all(0 < each < HIGHEST for each in found) else None


def _first(tags: Directory, tag: int, order: str) -> float | None:
    content = tags.get(tag)
    if not isinstance(content, Entry) or not content.count or content.kind in (ASCII, 7):
        return None
    value = numbers(content, order)[0]
    return value if value == value and abs(value) < 1e9 else None


def metadata_of_png(path: Path) -> tuple[Metadata, Any]:
    """And Pillow's stream of chunks, read to its end without the pixels.

    Raises whatever Pillow raises of a damaged file.
    """
    from PIL.PngImagePlugin import PngStream

    chunks: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(8)
        stream = PngStream(file)
        while (found := _next_chunk(stream))[0] != b"IEND":
            kind, place, length = found
            if kind in (b"IDAT", b"fdAT"):
                file.seek(length + 4, 1)
                continue
            content = (
                stream.call(kind, place, length)
                if hasattr(stream, f"chunk_{kind.decode()}")
                else file.read(length)
            )
            stream.crc(kind, content)
            chunks[kind] = content
    info = stream.im_info
    texts: dict[str, str] = {key: value for key, value in stream.im_text.items() if key != "XML:com.adobe.xmp"}
    exif = info.get("exif") or _raw_profile(texts, "exif") or _raw_profile(texts, "APP1")
    spoken = {b"iCCP", b"eXIf", b"tEXt", b"zTXt", b"iTXt", *COLOUR_CHUNKS, *PIXEL_CHUNKS}
    others = sorted(kind.decode() for kind in chunks.keys() - spoken - {b"pHYs"})
    lost = [f"PNG chunks ({', '.join(others)})"] if others else []
    lost += [f"IPTC in PNG text ({key})" for key in texts if key.startswith("Raw profile")]
    lost += ["the shape of pixels that are not square"] if len(set(info.get("aspect", (1, 1)))) > 1 else []
    metadata = Metadata(
        icc=info.get("icc_profile"),
        dpi=resolution(*info.get("dpi", (0, 0))),
        xmp=_bytes(info.get("xmp")),
        texts={key: value for key, value in texts.items() if not key.startswith("Raw profile")},
        chunks={kind: chunks[kind] for kind in COLOUR_CHUNKS if kind in chunks},
        lost=tuple(lost),
    )
    return with_exif(metadata, exif), stream


def _next_chunk(stream: Any) -> tuple[bytes, int, int]:
    try:
        found: tuple[bytes, int, int] = stream.read()
    except struct.error as error:
        raise ValueError("it ends too early") from error
    return found


def _raw_profile(texts: dict[str, str], name: str) -> bytes | None:
    """A block that older programs write as hexadecimal text; it is taken out of the texts."""
    text = texts.get(f"Raw profile type {name}")
    try:
        content = bytes.fromhex("".join((text or "").split("\n")[3:]))
    except ValueError:
        return None
    if not content.startswith(b"Exif\0\0"):
        return None
    del texts[f"Raw profile type {name}"]
    return content


def metadata_of_jpeg(path: Path) -> Metadata:
    """Raises whatever Pillow raises of a damaged file."""
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(path) as image:
        info, segments = image.info, image.applist
    photoshop: dict[int, Any] = info.get("photoshop", {})
    comments = [content.decode("utf-8", "replace").rstrip("\0") for name, content in segments if name == "COM"]
    iptc = photoshop.pop(IPTC_RESOURCE, None)
    lost = [word for name, content in segments for word in _lost_of_segment(name, content)]
    lost += ["Photoshop's own notes"] if photoshop else []
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
        announced = image.size
    return Metadata(comment=comment.decode("utf-8", "replace") if comment else None, xmp=xmp or None), announced


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


def _data(content: "Entry | Directory | None") -> bytes | None:
    return content.data or None if isinstance(content, Entry) else None


def _bytes(content: Any) -> bytes | None:
    return content.encode() if isinstance(content, str) else content or None
