"""Which metadata of an image go into its result: unchanged, corrected, or left out with a note."""

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
    exif_block,
    numbers,
)
from lossmith.restoration.io.formats import Format
from lossmith.restoration.io.metadata import ACROSS, DOWN, LAYOUT, MAX_DPI, RECORD, UNIT, Metadata
from lossmith.restoration.io.profiles import space_of, srgb_profile
from lossmith.restoration.io.xmp import correct_xmp

WIDTH, HEIGHT, PIXELS_ACROSS, PIXELS_DOWN = 0x0100, 0x0101, 0xA002, 0xA003
SUBJECT_TAGS = (0x9214, 0xA214)
"""Position of the subject in the image, in pixels."""
FOCAL_RESOLUTION_TAGS = (0xA20E, 0xA20F)
"""Pixels per inch or centimeter of the camera's sensor."""
COMPRESSED_BITS_PER_PIXEL = 0x9102
MAKER_NOTE, DESCRIPTION = 0x927C, 0x010E
CHUNKS_BEFORE_ICC = (b"cICP", b"mDCV", b"cLLI")
"""PNG chunks that take precedence over a profile."""
MAKER_NOTE_KEPT = "the camera maker's notes are kept as they were, and may no longer be true"
SIZE_NOTE = "leaves out a description that says how large the image was"
MAX_JPEG_EXIF = 60_000
"""Bytes of EXIF that fit into a JPEG beside the record of the restoration."""
MAX_JPEG_SEGMENT = 65_000
"""Bytes of anything else that fit into one segment of a JPEG."""
FORMAT_NAMES: dict[Format, str] = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF", "npy": "NumPy"}


Growth = tuple[float, float]
"""How many times as many pixels a result has across and down."""


@dataclass(frozen=True)
class TransferredMetadata:
    """What is written beside the pixels of a result."""

    metadata: Metadata
    """Metadata that hold for the result."""
    source_profile: bytes | None = None
    """The profile from which pixels are converted to sRGB, where the format cannot hold it."""
    notes: tuple[str, ...] = ()
    """What is changed or left out, as phrases that a file name can follow."""


def transfer_metadata(
    original: Original, format: Format, size: tuple[int, int], narrowed: bool
) -> TransferredMetadata:
    """The metadata of `original` for a result of `size` (height, width).

    `narrowed` says that the result has 8 bits and the original 16.

    Raises LossmithError where the format has no room for the metadata.
    """
    source = original.metadata
    notes = [_left_out(name) for name in source.lost]
    if narrowed and format in ("jpeg", "webp"):
        notes.append(
            f"reduces 16 bits to 8, since {FORMAT_NAMES[format]} holds no more (`format` png and tiff do)"
        )
    growth = size[1] / original.size[1], size[0] / original.size[0]
    dpi = None
    if source.dpi:
        across, down = (factor * dots for factor, dots in zip(growth, source.dpi, strict=True))
        dpi = (across, down) if max(across, down) < MAX_DPI else None
        if dpi is None:
            notes.append(_left_out("the resolution: no format holds as many pixels per inch"))
        elif growth != (1, 1):
            notes.append("changes the resolution in pixels per inch, so that the size on paper stays")
    profile, chunks = _colors(original, format, notes)
    tags = _tags(original, size, growth, dpi, notes)
    xmp = source.xmp
    if xmp is not None:
        xmp, lost = correct_xmp(xmp, size, growth, dpi, source.orientation is not None)
        notes += [_left_out(name) for name in lost]
    metadata = replace(
        source,
        icc=profile[0],
        dpi=dpi,
        tags=tags,
        geo=_georeference(original, format, growth, notes),
        xmp=xmp,
        chunks=chunks,
        orientation=None,
        lost=(),
    )
    metadata = _fitting(metadata, format, notes)
    return TransferredMetadata(metadata, profile[1], tuple(dict.fromkeys(notes)))


def _left_out(name: str) -> str:
    return f"leaves out {name}"


def _unsupported(name: str, format: Format, *others: Format) -> str:
    have = "has" if len(others) == 1 else "have"
    return _left_out(
        f"{name}, for which {FORMAT_NAMES[format]} has no place (`format` {' and '.join(others)} {have})"
    )


Profiles = tuple[bytes | None, bytes | None]


def _colors(original: Original, format: Format, notes: list[str]) -> tuple[Profiles, dict[bytes, bytes]]:
    """The profile to write, the profile to convert from, and the PNG color chunks to write."""
    source = original.metadata
    chunks = dict(source.chunks) if format == "png" else {}
    gray = original.channels < 3
    space = space_of(source.icc)
    target_space = "RGB" if format == "webp" or not gray else "GRAY"
    if source.icc is not None and space is None:
        notes.append(_left_out("a color profile that is damaged, or none for images"))
    elif space == target_space:
        if format != "png":
            _note_chunks([name for name in CHUNKS_BEFORE_ICC if name in source.chunks], format, notes)
        return (source.icc, None), chunks
    elif space in ("GRAY", "RGB") and gray:
        notes.append(
            f"leaves out a color profile for {space}, which {FORMAT_NAMES[format]} does not hold for "
            f"{'RGB' if format == 'webp' else 'gray'}, but keeps its colors, converted to sRGB"
        )
        return (srgb_profile() if target_space == "RGB" else None, source.icc), {}
    elif space is not None:
        notes.append(
            _left_out(f"a color profile that is for {space}, while the pixels are {'gray' if gray else 'RGB'}")
        )
    if format == "png":
        return (None, None), chunks
    overridden = any(name in source.chunks for name in CHUNKS_BEFORE_ICC)
    if b"sRGB" in source.chunks and target_space == "RGB" and not overridden:
        return (srgb_profile(), None), {}
    _note_chunks(source.chunks, format, notes)
    return (None, None), {}


def _note_chunks(chunks: Collection[bytes], format: Format, notes: list[str]) -> None:
    if chunks:
        names = ", ".join(chunk.decode() for chunk in chunks)
        notes.append(_unsupported(f"what PNG says of its colors ({names})", format, "png"))


def _tags(
    original: Original, size: tuple[int, int], growth: Growth, dpi: tuple[float, float] | None, notes: list[str]
) -> Directory:
    """EXIF with the sizes and the resolution of the result."""
    source, order = original.metadata, original.metadata.order
    tags = {tag: content for tag, content in source.tags.items() if tag not in LAYOUT or tag in (WIDTH, HEIGHT)}
    height, width = size
    for tag, length in ((WIDTH, width), (HEIGHT, height)):
        if tag in tags:
            tags[tag] = entry(LONG, [length], order)
    if dpi:
        tags |= {tag: entry(RATIONAL, [dots], order) for tag, dots in zip((ACROSS, DOWN), dpi, strict=True)}
        tags[UNIT] = entry(SHORT, [2], order)
    if (height, width) != (original.height, original.width) and _describes_size(tags.get(DESCRIPTION)):
        del tags[DESCRIPTION]
        notes.append(SIZE_NOTE)
    maker = tags.pop(RECORD, None)
    if isinstance(maker, Entry) and not maker.data.startswith(b'{"lossmith'):
        notes.append(_left_out("EXIF ProcessingSoftware, which holds the record of the restoration"))
    exposure = tags.get(EXIF)
    if isinstance(exposure, dict):
        tags[EXIF] = dict(_exposure(original, exposure, size, growth, notes))
    return tags


def _describes_size(description: "Entry | Directory | None") -> bool:
    return isinstance(description, Entry) and (b'"shape"' in description.data or b"SizeX" in description.data)


def _exposure(
    original: Original, exposure: Directory, size: tuple[int, int], growth: Growth, notes: list[str]
) -> Iterator[tuple[int, "Entry | Directory"]]:
    """The nested EXIF directory with the sizes of the result."""
    order = original.metadata.order
    for tag, content in exposure.items():
        if tag in (PIXELS_ACROSS, PIXELS_DOWN):
            yield tag, entry(LONG, [size[1] if tag == PIXELS_ACROSS else size[0]], order)
        elif tag in SUBJECT_TAGS and original.turned:
            notes.append(_left_out("where the subject is (EXIF), since the image was turned"))
        elif tag in (*SUBJECT_TAGS, *FOCAL_RESOLUTION_TAGS) and isinstance(content, Entry):
            # across and down alternate in the subject's tags; those of the sensor have one value each
            first = FOCAL_RESOLUTION_TAGS.index(tag) if tag in FOCAL_RESOLUTION_TAGS else 0
            values = [growth[(first + i) % 2] * value for i, value in enumerate(numbers(content, order))]
            if all(isfinite(value) and 0 <= value < 1 << 16 for value in values):
                yield (
                    tag,
                    entry(content.kind, values if content.kind == RATIONAL else [*map(round, values)], order),
                )
            else:
                notes.append(_left_out("positions in the image (EXIF) that are invalid or too large"))
        elif tag == COMPRESSED_BITS_PER_PIXEL:
            notes.append(_left_out("the bits per pixel of the camera's JPEG (EXIF)"))
        else:
            if tag == MAKER_NOTE:
                notes.append(MAKER_NOTE_KEPT)
            yield tag, content


def _georeference(original: Original, format: Format, growth: Growth, notes: list[str]) -> Directory:
    source = original.metadata
    if not source.geo:
        return {}
    if format != "tiff":
        notes.append(_unsupported("where the image lies on Earth (GeoTIFF)", format, "tiff"))
    elif original.turned:
        notes.append(_left_out("where the image lies on Earth (GeoTIFF), since it was turned"))
    else:
        try:
            return geo.rescaled(source.geo, source.order, growth)
        except Exception:  # values are missing
            notes.append(_left_out("where the image lies on Earth (GeoTIFF), which is damaged"))
    return {}


def _fitting(metadata: Metadata, format: Format, notes: list[str]) -> Metadata:
    """The metadata without what the format cannot hold."""
    if metadata.texts and format != "png":
        notes.append(_unsupported("PNG text", format, "png"))
        metadata = replace(metadata, texts={})
    if metadata.comment and format in ("webp", "tiff"):
        notes.append(_unsupported("the comment", format, "png", "jpeg"))
        metadata = replace(metadata, comment=None)
    if metadata.iptc and format in ("png", "webp"):
        notes.append(_unsupported("IPTC", format, "jpeg", "tiff"))
        metadata = replace(metadata, iptc=None)
    return _fitting_segments(metadata, notes) if format == "jpeg" else metadata


def _fitting_segments(metadata: Metadata, notes: list[str]) -> Metadata:
    too_long = [
        name for name in ("xmp", "iptc", "comment") if len(getattr(metadata, name) or "") > MAX_JPEG_SEGMENT
    ]
    if too_long:
        names = {"xmp": "XMP", "iptc": "IPTC", "comment": "the comment"}
        notes += [_left_out(f"{names[name]}, which is longer than JPEG has room for") for name in too_long]
        parts = {name: None if name in too_long else getattr(metadata, name) for name in names}
        metadata = replace(metadata, xmp=parts["xmp"], iptc=parts["iptc"], comment=parts["comment"])
    exposure = metadata.tags.get(EXIF)
    if (
        len(exif_block(metadata.tags, metadata.order)) > MAX_JPEG_EXIF
        and isinstance(exposure, dict)
        and MAKER_NOTE in exposure
    ):
        notes.remove(MAKER_NOTE_KEPT)
        notes.append(_left_out("the camera maker's notes, which are longer than JPEG has room for"))
        metadata = replace(
            metadata,
            tags={**metadata.tags, EXIF: {tag: content for tag, content in exposure.items() if tag != MAKER_NOTE}},
        )
    if (length := len(exif_block(metadata.tags, metadata.order))) > MAX_JPEG_EXIF:
        raise LossmithError(
            f"says {length} bytes of EXIF, and JPEG has room for {MAX_JPEG_EXIF}; take another `format`"
        )
    return metadata
