"""What an image says beside its pixels, and what of it nobody here can keep."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lossmith.restoration.io.exif import ASCII, Directory, Entry, numbers, read_directories

ORIENTATION, ACROSS, DOWN, UNIT = 0x0112, 0x011A, 0x011B, 0x0128
RESOLUTION = (ACROSS, DOWN, UNIT)
RECORD = 0x000B
"""EXIF's ProcessingSoftware, in which all four formats can say by what an image was made."""
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
IPTC_RESOURCE = 0x0404
"""Under which Photoshop keeps IPTC in a JPEG."""
LAYOUT = {*range(254, 260), 262, 263, 266, 273, *range(277, 285), *range(288, 294), 296, *range(317, 326)}
LAYOUT |= {332, 334, 336, *range(338, 342), 347, *range(512, 522), *range(529, 533)}
"""Tags that say how a file lays out its pixels."""
COLOR_CHUNKS = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
HIGHEST = 65535.5
"""Pixels per inch that JPEG has room for, which are more than anything has."""
CENTIMETRES = 2.54
NOTHING = ((None, None), (1.0, 1.0))
"""Resolutions that say nothing where they have no unit."""
THUMBNAIL = "the embedded thumbnail"


@dataclass(frozen=True)
class Metadata:
    """Everything that is known beside the pixels, as it was said of the image as it was."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down, of the image as it should be seen."""
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
    """What a PNG says of its colors without a profile."""
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
    except Exception:  # an image with damaged EXIF is still an image
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
    down = said[DOWN] or across
    if dpi is None and factor and across:
        dpi = resolution(factor * across, factor * (down or across))
    elif factor is None and (across, down) not in NOTHING:
        metadata = metadata.lacking("a resolution without a unit")
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
