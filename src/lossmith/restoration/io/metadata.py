"""Metadata of an image: profile, resolution, EXIF, XMP, IPTC, comments, and what cannot be kept."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lossmith.restoration.io.exif import ASCII, Directory, Entry, numbers, read_directories

ORIENTATION, ACROSS, DOWN, UNIT = 0x0112, 0x011A, 0x011B, 0x0128
RESOLUTION = (ACROSS, DOWN, UNIT)
RECORD = 0x000B
"""The EXIF tag ProcessingSoftware, where all four formats can hold the record of a restoration."""
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
IPTC_RESOURCE = 0x0404
"""The Photoshop resource that holds IPTC in a JPEG."""
LAYOUT = {*range(254, 260), 262, 263, 266, 273, *range(277, 285), *range(288, 294), 296, *range(317, 326)}
LAYOUT |= {332, 334, 336, *range(338, 342), 347, *range(512, 522), *range(529, 533)}
"""TIFF tags of the pixel layout, which belong to the file and not to the image."""
COLOR_CHUNKS = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI")
MAX_DPI = 65535.5
"""Pixels per inch that JPEG has room for."""
CM_PER_INCH = 2.54
UNITLESS_DEFAULTS = ((None, None), (1.0, 1.0))
"""Resolutions without a unit that carry no information."""
THUMBNAIL_NOTE = "the embedded thumbnail"
NO_UNIT_NOTE = "a resolution without a unit"


@dataclass(frozen=True)
class Metadata:
    """The metadata of an image file, as it was read."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down, of the image once it is upright."""
    tags: Directory = field(default_factory=dict)
    """EXIF, with its nested directories."""
    geo: Directory = field(default_factory=dict)
    """GeoTIFF tags."""
    order: str = "<"
    """Byte order of `tags` and `geo`: "<" or ">"."""
    orientation: int | None = None
    """EXIF orientation, 1 to 8, where the file has one."""
    xmp: bytes | None = None
    iptc: bytes | None = None
    comment: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    """PNG text by keyword."""
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    """PNG chunks about color, other than a profile, by name."""
    lost: tuple[str, ...] = ()
    """Names of what the file holds and no result keeps."""

    def with_lost(self, *names: str) -> "Metadata":
        """The metadata with more names of what is not kept."""
        return replace(self, lost=(*self.lost, *names))


def with_exif(metadata: Metadata, exif: bytes | None) -> Metadata:
    """The metadata with the tags, orientation and resolution of an EXIF block."""
    if not exif:
        return metadata
    try:
        directories = read_directories(io.BytesIO(exif.removeprefix(b"Exif\0\0")))
    except Exception:  # damaged EXIF must not stop a restoration
        return metadata.with_lost("EXIF, which is damaged")
    metadata = replace(metadata, tags=directories.main, order=directories.order)
    if directories.damaged:
        metadata = metadata.with_lost("a part of EXIF, which is damaged")
    return with_orientation(metadata.with_lost(THUMBNAIL_NOTE) if directories.following else metadata)


def with_orientation(metadata: Metadata) -> Metadata:
    """Move orientation and resolution out of the tags; a resolution that is already known is kept."""
    values = {tag: _first(metadata.tags, tag, metadata.order) for tag in (ORIENTATION, ACROSS, DOWN, UNIT)}
    tags = {tag: content for tag, content in metadata.tags.items() if tag not in values}
    factor = {2: 1.0, 3: CM_PER_INCH}.get(int(values[UNIT] or 2))
    dpi = metadata.dpi
    across = values[ACROSS]
    down = values[DOWN] or across
    if dpi is None and factor and across:
        dpi = valid_dpi(factor * across, factor * (down or across))
    elif factor is None and (across, down) not in UNITLESS_DEFAULTS:
        metadata = metadata.with_lost(NO_UNIT_NOTE)
    orientation = values[ORIENTATION]
    if dpi and orientation in range(5, 9):
        dpi = dpi[::-1]
    return replace(metadata, tags=tags, dpi=dpi, orientation=None if orientation is None else int(orientation))


def valid_dpi(across: Any, down: Any) -> tuple[float, float] | None:
    """Pixels per inch across and down as floats; None where a value is not a number that every format holds."""
    try:
        dpi = float(across), float(down)
    except Exception:  # None, a fraction with denominator 0, or text
        return None
    return dpi if all(0 < value < MAX_DPI for value in dpi) else None


def _first(tags: Directory, tag: int, order: str) -> float | None:
    content = tags.get(tag)
    if not isinstance(content, Entry) or not content.count or content.kind in (ASCII, 7):
        return None
    value = numbers(content, order)[0]
    return value if value == value and abs(value) < 1e9 else None
