"""What of all that a file says goes into its result: as it was, made true for it, or not, which is said."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import isfinite

from lossmith.core.errors import LossmithError
from lossmith.restoration.io import geo
from lossmith.restoration.io.decoding import Original
from lossmith.restoration.io.exif import (
    EXIF,
    LONG,
    RATIONAL,
    SHORT,
    Directory,
    Entry,
    entry,
    exif_of,
    numbers,
)
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.metadata import ACROSS, DOWN, HIGHEST, LAYOUT, RECORD, UNIT, Metadata
from lossmith.restoration.io.profiles import space_of, srgb_profile
from lossmith.restoration.io.xmp import corrected

WIDTH, HEIGHT, PIXELS_ACROSS, PIXELS_DOWN = 0x0100, 0x0101, 0xA002, 0xA003
SUBJECT = (0x9214, 0xA214)
"""Where in the image the subject is, in pixels."""
FOCAL = (0xA20E, 0xA20F)
"""Pixels per inch or centimetre of the camera's sensor."""
OLD_JPEG = 0x9102
"""Bits per pixel of the JPEG that the camera made."""
MAKER_NOTE, DESCRIPTION = 0x927C, 0x010E
BEFORE_ICC = (b"cICP", b"mDCV", b"cLLI")
"""Chunks of a PNG that say more of its colors than a profile beside them, or other things."""
NOTES_KEPT = "the camera maker's notes are kept as they were, and may say what is no longer true"
ROOM = 60_000
"""Bytes of EXIF that a JPEG has room for, beside the record of what was done."""
SEGMENT = 65_000
"""Bytes of anything else that one segment of a JPEG has room for."""
NAMES: dict[Format, str] = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF"}


Growth = tuple[float, float]
"""How many times as many pixels a result has across and down."""


@dataclass(frozen=True)
class Cargo:
    """What is written beside the pixels of a result."""

    metadata: Metadata
    """True for the result."""
    from_profile: bytes | None = None
    """The profile from which the pixels are converted to sRGB, where the format has no place for it."""
    remarks: tuple[str, ...] = ()
    """What is not kept or not as it was, in words that fit behind a file's name."""


def loaded(original: Original, format: Format, size: tuple[int, int], narrowed: bool) -> Cargo:
    """What of `original` goes into a result of `size` (height, width); `narrowed`: from 16 bits to 8.

    Raises LossmithError when the format has no room for it.
    """
    said = original.metadata
    remarks = [_left_out(what) for what in said.lost]
    if narrowed and format in ("jpeg", "webp"):
        remarks.append(f"makes 8 bits of 16, since {NAMES[format]} holds no more (--format png and tiff do)")
    growth = size[1] / original.size[1], size[0] / original.size[0]
    dpi = None
    if said.dpi:
        across, down = (factor * each for factor, each in zip(growth, said.dpi, strict=True))
        dpi = (across, down) if max(across, down) < HIGHEST else None
        if dpi is None:
            remarks.append(_left_out("the resolution: no format holds as many pixels per inch"))
        elif growth != (1, 1):
            remarks.append("changes the resolution in pixels per inch, so that the size on paper stays")
    profile, chunks = _colors(original, format, remarks)
    tags = _tags(original, size, growth, dpi, remarks)
    xmp = said.xmp
    if xmp is not None:
        xmp, lost = corrected(xmp, size, growth, dpi, said.orientation is not None)
        remarks += [_left_out(what) for what in lost]
    kept = replace(
        said,
        icc=profile[0],
        dpi=dpi,
        tags=tags,
        geo=_place(original, format, growth, remarks),
        xmp=xmp,
        chunks=chunks,
        orientation=None,
        lost=(),
    )
    kept = _fitting(kept, format, remarks)
    return Cargo(kept, profile[1], tuple(dict.fromkeys(remarks)))


def _left_out(what: str) -> str:
    return f"leaves out {what}"


def _no_place(what: str, format: Format, *others: Format) -> str:
    have = "has" if len(others) == 1 else "have"
    return _left_out(f"{what}, for which {NAMES[format]} has no place (--format {' and '.join(others)} {have})")


Profiles = tuple[bytes | None, bytes | None]


def _colors(original: Original, format: Format, remarks: list[str]) -> tuple[Profiles, dict[bytes, bytes]]:
    """The profile that is written and the one that is converted from; and what PNG says of colors otherwise."""
    said = original.metadata
    chunks = dict(said.chunks) if format == "png" else {}
    gray = original.channels < 3
    space = space_of(said.icc)
    holds = "RGB" if format == "webp" or not gray else "GRAY"
    if said.icc is not None and space is None:
        remarks.append(_left_out("a color profile that is damaged, or none for images"))
    elif space == holds:
        if format != "png":
            _tell_chunks([name for name in BEFORE_ICC if name in said.chunks], format, remarks)
        return (said.icc, None), chunks
    elif space in ("GRAY", "RGB") and gray:
        remarks.append(
            f"leaves out a color profile for {space}, which {NAMES[format]} does not hold for "
            f"{'RGB' if format == 'webp' else 'gray'}, but keeps its colors, converted to sRGB"
        )
        return (srgb_profile() if holds == "RGB" else None, said.icc), {}
    elif space is not None:
        remarks.append(
            _left_out(f"a color profile that is for {space}, while the pixels are {'gray' if gray else 'RGB'}")
        )
    if format == "png":
        return (None, None), chunks
    if b"sRGB" in said.chunks and holds == "RGB" and not any(name in said.chunks for name in BEFORE_ICC):
        return (srgb_profile(), None), {}
    _tell_chunks(said.chunks, format, remarks)
    return (None, None), {}


def _tell_chunks(chunks: Collection[bytes], format: Format, remarks: list[str]) -> None:
    if chunks:
        names = ", ".join(chunk.decode() for chunk in chunks)
        remarks.append(_no_place(f"what PNG says of its colors ({names})", format, "png"))


def _tags(
    original: Original, size: tuple[int, int], growth: Growth, dpi: tuple[float, float] | None, remarks: list[str]
) -> Directory:
    """EXIF that is true for the result."""
    said, order = original.metadata, original.metadata.order
    tags = {tag: content for tag, content in said.tags.items() if tag not in LAYOUT or tag in (WIDTH, HEIGHT)}
    height, width = size
    for tag, length in ((WIDTH, width), (HEIGHT, height)):
        if tag in tags:
            tags[tag] = entry(LONG, [length], order)
    if dpi:
        tags |= {tag: entry(RATIONAL, [dots], order) for tag, dots in zip((ACROSS, DOWN), dpi, strict=True)}
        tags[UNIT] = entry(SHORT, [2], order)
    if (height, width) != (original.height, original.width) and _tells_sizes(tags.get(DESCRIPTION)):
        del tags[DESCRIPTION]
        remarks.append(_left_out("a description that says how large the image was"))
    maker = tags.pop(RECORD, None)
    if isinstance(maker, Entry) and not maker.data.startswith(b'{"lossmith'):
        remarks.append(_left_out("EXIF ProcessingSoftware, where now stands what was done"))
    exposure = tags.get(EXIF)
    if isinstance(exposure, dict):
        tags[EXIF] = dict(_exposure(original, exposure, size, growth, remarks))
    return tags


def _tells_sizes(description: "Entry | Directory | None") -> bool:
    return isinstance(description, Entry) and (b'"shape"' in description.data or b"SizeX" in description.data)


def _exposure(
    original: Original, exposure: Directory, size: tuple[int, int], growth: Growth, remarks: list[str]
) -> Iterator[tuple[int, "Entry | Directory"]]:
    order = original.metadata.order
    for tag, content in exposure.items():
        if tag in (PIXELS_ACROSS, PIXELS_DOWN):
            yield tag, entry(LONG, [size[1] if tag == PIXELS_ACROSS else size[0]], order)
        elif tag in SUBJECT and original.turned:
            remarks.append(_left_out("where the subject is (EXIF), since the image was turned"))
        elif tag in (*SUBJECT, *FOCAL) and isinstance(content, Entry):
            first = FOCAL.index(tag) if tag in FOCAL else 0  # across and down by turns, or one of them
            values = [growth[(first + i) % 2] * value for i, value in enumerate(numbers(content, order))]
            if all(isfinite(value) and 0 <= value < 1 << 16 for value in values):
                yield (
                    tag,
                    entry(content.kind, values if content.kind == RATIONAL else [*map(round, values)], order),
                )
            else:
                remarks.append(_left_out("places in the image (EXIF) that are no numbers or too large"))
        elif tag == OLD_JPEG:
            remarks.append(_left_out("the bits per pixel of the camera's JPEG (EXIF)"))
        else:
            if tag == MAKER_NOTE:
                remarks.append(NOTES_KEPT)
            yield tag, content


def _place(original: Original, format: Format, growth: Growth, remarks: list[str]) -> Directory:
    said = original.metadata
    if not said.geo:
        return {}
    if format != "tiff":
        remarks.append(_no_place("where the image lies on Earth (GeoTIFF)", format, "tiff"))
    elif original.turned:
        remarks.append(_left_out("where the image lies on Earth (GeoTIFF), since it was turned"))
    else:
        try:
            return geo.enlarged(said.geo, said.order, growth)
        except Exception:  # of numbers that are missing
            remarks.append(_left_out("where the image lies on Earth (GeoTIFF), which is damaged"))
    return {}


def _fitting(kept: Metadata, format: Format, remarks: list[str]) -> Metadata:
    """What the format has room and a place for."""
    if kept.texts and format != "png":
        remarks.append(_no_place("PNG text", format, "png"))
        kept = replace(kept, texts={})
    if kept.comment and format in ("webp", "tiff"):
        remarks.append(_no_place("the comment", format, "png", "jpeg"))
        kept = replace(kept, comment=None)
    if kept.iptc and format in ("png", "webp"):
        remarks.append(_no_place("IPTC", format, "jpeg", "tiff"))
        kept = replace(kept, iptc=None)
    return _fitting_segments(kept, remarks) if format == "jpeg" else kept


def _fitting_segments(kept: Metadata, remarks: list[str]) -> Metadata:
    long = [name for name in ("xmp", "iptc", "comment") if len(getattr(kept, name) or "") > SEGMENT]
    if long:
        names = {"xmp": "XMP", "iptc": "IPTC", "comment": "the comment"}
        remarks += [_left_out(f"{names[name]}, which is longer than JPEG has room for") for name in long]
        parts = {name: None if name in long else getattr(kept, name) for name in names}
        kept = replace(kept, xmp=parts["xmp"], iptc=parts["iptc"], comment=parts["comment"])
    exposure = kept.tags.get(EXIF)
    if len(exif_of(kept.tags, kept.order)) > ROOM and isinstance(exposure, dict) and MAKER_NOTE in exposure:
        remarks.remove(NOTES_KEPT)
        remarks.append(_left_out("the camera maker's notes, which are longer than JPEG has room for"))
        kept = replace(
            kept, tags={**kept.tags, EXIF: {tag: e for tag, e in exposure.items() if tag != MAKER_NOTE}}
        )
    if (length := len(exif_of(kept.tags, kept.order))) > ROOM:
        raise LossmithError(f"says {length} bytes of EXIF, and JPEG has room for {ROOM}; take another --format")
    return kept
