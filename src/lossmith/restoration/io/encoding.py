"""Encodes a raster into an image file, with metadata and a record of the restoration.

libvips writes the pixels, row by row. It loses EXIF tags that it does not know, so the header of a PNG or a JPEG
is written by Pillow, and the directory of a TIFF is replaced after its pixels are written.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import rename_record
from lossmith.restoration.io.exif import (
    ASCII,
    BYTE,
    UNDEFINED,
    Directory,
    Entry,
    amend,
    exif_block,
    read_directories,
    swap_byte_order,
)
from lossmith.restoration.io.formats import MAX_SIDE, Format
from lossmith.restoration.io.metadata import (
    ICC,
    IPTC,
    IPTC_RESOURCE,
    LAYOUT,
    RECORD,
    RESOLUTION,
    XMP,
    Metadata,
)
from lossmith.restoration.io.vips import image_of, vips
from lossmith.restoration.tiling.raster import Raster

JPEG_QUALITY = 95
MAX_CLASSIC_TIFF = 4_000_000_000
"""Bytes of pixels beyond which a BigTIFF is written."""
NUMPY_MARK = b"\x93NUMPY"
MAX_RECORD = 1 << 20
"""Bytes at the end of a `.npy` file in which the record of a restoration is looked for."""


@dataclass(frozen=True)
class HeaderSpan:
    """Where the metadata of a PNG or a JPEG stand: between `start` and the marker of the pixel data."""

    start: int
    """Bytes of the file before the metadata."""
    mark: bytes
    """Marker of the pixel data."""
    lead: int
    """Bytes between the end of the metadata and the marker."""

    def end(self, content: bytes) -> int:
        """The end of the metadata in a file of one pixel, or in the beginning of a file without metadata."""
        return content.rindex(self.mark) - self.lead


PNG = HeaderSpan(33, b"IDAT", 4)
JPEG = HeaderSpan(2, b"\xff\xdb", 0)


def check_fits(shape: tuple[int, int, int], format: Format) -> None:
    """Raise LossmithError where a format cannot hold an image of shape (H, W, C)."""
    *sides, channels = shape
    longest, limit = max(sides), MAX_SIDE.get(format)
    if limit is not None and longest > limit:
        raise LossmithError(
            f"{format.upper()} holds {limit} pixels a side, the result has {longest}; take `format` png or tiff"
        )
    if format == "jpeg" and channels in (2, 4):
        raise LossmithError("JPEG has no transparency; take another `format`")


def encode(
    path: Path, raster: Raster, format: Format, quality: int | None, metadata: Metadata, record: dict[str, Any]
) -> None:
    """Write an image file. PNG and TIFF hold 16 bits; for JPEG and WebP they are rounded to 8.

    Raises OSError.
    """
    tags: Directory = {**metadata.tags, RECORD: Entry(ASCII, record_text(record))}
    image = image_of(raster)
    try:
        if format == "png":
            _write_with_header(path, _png_header(metadata, tags), PNG, image.pngsave_target, filter="all")
        elif format == "jpeg":
            options = {"Q": JPEG_QUALITY if quality is None else quality, "subsample_mode": "off"}
            save = _to_8bit(image).jpegsave_target
            _write_with_header(path, _jpeg_header(metadata, tags), JPEG, save, **options)
        elif format == "tiff":
            _write_tiff(path, image, raster.nbytes > MAX_CLASSIC_TIFF, metadata, tags)
        else:
            _write_webp(path, raster, quality, metadata, tags)
    except vips().Error as error:
        raise OSError(None, str(error).strip().splitlines()[-1]) from error


def record_text(record: dict[str, Any]) -> bytes:
    """The record of a restoration as it stands in a file."""
    return json.dumps({"lossmith restore": record}, sort_keys=True).encode() + b"\0"


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of the restoration that `encode` wrote into a file; None without one."""
    try:
        record = json.loads(_record_text(path))["lossmith restore"]
    except Exception:  # a file that cannot be read was not written by `restore`
        return None
    return rename_record(record) if isinstance(record, dict) else None


def _record_text(path: Path) -> str | bytes:
    from PIL import Image

    with path.open("rb") as file:
        mark = file.read(len(NUMPY_MARK))
        if mark == NUMPY_MARK:
            file.seek(max(0, path.stat().st_size - MAX_RECORD))
            end = file.read()
            return end[end.rindex(b'{"lossmith restore"') :].rstrip(b"\0")
        if mark[:2] in (b"II", b"MM"):  # Pillow does not open every kind of TIFF
            entry = read_directories(file).main[RECORD]
            return entry.data.rstrip(b"\0") if isinstance(entry, Entry) else b""
    with Image.open(path) as image:
        return str(image.getexif()[RECORD])


def _to_8bit(image: Any) -> Any:
    """Round 16 bits to 8."""
    if image.format == "uchar":
        return image
    narrow = (image / 257).rint().cast("uchar")
    return narrow.copy(interpretation="srgb" if image.bands > 2 else "b-w")


def _write_with_header(
    path: Path, header: bytes, span: HeaderSpan, save: Callable[..., None], **options: Any
) -> None:
    """Let libvips write a file, with `header` in the place of its own metadata."""
    failures: list[OSError] = []
    with path.open("wb") as file:

        def write(content: Any) -> int:
            chunk = bytes(content)
            try:
                if file.tell() == 0:  # the first chunk holds the whole header
                    file.write(chunk[: span.start] + header)
                    file.write(chunk[chunk.index(span.mark) - span.lead :])
                else:
                    file.write(chunk)
            except OSError as error:  # libvips would not tell the reason
                failures.append(error)
                return -1
            return len(chunk)

        target = vips().TargetCustom()
        target.on_write(write)
        try:
            save(target, keep="none", **options)
        except vips().Error as error:
            raise failures[0] if failures else error from error


def _png_header(metadata: Metadata, tags: Directory) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo, putchunk

    colors = io.BytesIO()
    for name, content in metadata.chunks.items():  # PngInfo leaves out chunks that it does not know
        putchunk(colors, name, content)
    info = PngInfo()
    for key, value in metadata.texts.items():
        info.add_text(key, value)
    if metadata.comment:
        info.add_text("Comment", metadata.comment)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    options = _pillow_options(metadata, tags)
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", pnginfo=info, **options)
    return colors.getvalue() + file.getvalue()[PNG.start : PNG.end(file.getvalue())]


def _jpeg_header(metadata: Metadata, tags: Directory) -> bytes:
    from PIL import Image

    options = _pillow_options(metadata, tags)
    if metadata.iptc:
        resource = b"8BIM" + IPTC_RESOURCE.to_bytes(2, "big") + b"\0\0" + len(metadata.iptc).to_bytes(4, "big")
        block = b"Photoshop 3.0\0" + resource + metadata.iptc + b"\0" * (len(metadata.iptc) % 2)
        options["extra"] = b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block
    if metadata.comment:
        options["comment"] = metadata.comment.encode()
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "JPEG", **options)
    return file.getvalue()[JPEG.start : JPEG.end(file.getvalue())]


def _pillow_options(metadata: Metadata, tags: Directory) -> dict[str, Any]:
    """Options of Pillow's writers for metadata that every format can hold, where there are any."""
    options = {
        "exif": b"Exif\0\0" + exif_block(tags, metadata.order),
        "icc_profile": metadata.icc,
        "dpi": metadata.dpi,
    }
    return {name: value for name, value in options.items() if value}


def _write_webp(path: Path, raster: Raster, quality: int | None, metadata: Metadata, tags: Directory) -> None:
    """Write by Pillow: the encoder holds the whole image in any case, and libvips loses EXIF."""
    from PIL import Image

    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[raster.channels]
    image = Image.new("RGBA" if raster.channels in (2, 4) else "RGB", (raster.width, raster.height))
    top = 0
    for strip in raster.strips():
        narrow = strip if strip.dtype == np.uint8 else ((strip.astype(np.uint32) + 128) // 257).astype(np.uint8)
        rows = Image.fromarray(narrow.squeeze(-1) if raster.channels == 1 else narrow, mode)
        image.paste(rows.convert(image.mode), (0, top))
        top += len(strip)
    options = _pillow_options(metadata, tags) | ({"xmp": metadata.xmp} if metadata.xmp else {})
    options |= {"lossless": True} if quality is None else {"quality": quality}
    image.save(path, "WEBP", exact=True, **options)  # exact keeps colors of transparent pixels


def _write_tiff(path: Path, image: Any, big: bool, metadata: Metadata, tags: Directory) -> None:
    image.tiffsave(str(path), compression="deflate", predictor="horizontal", bigtiff=big, keep="none")
    amend(path, tiff_entries(metadata, tags), without=RESOLUTION)


def tiff_entries(metadata: Metadata, tags: Directory) -> Directory:
    """The entries of the first directory of a TIFF that hold metadata, little-endian."""
    blobs = {XMP: (BYTE, metadata.xmp), IPTC: (UNDEFINED, metadata.iptc), ICC: (UNDEFINED, metadata.icc)}
    entries = {tag: Entry(kind, content) for tag, (kind, content) in blobs.items() if content}
    image_tags = {
        tag: content for tag, content in {**tags, **metadata.geo}.items() if tag not in LAYOUT or tag in RESOLUTION
    }
    return {**swap_byte_order(image_tags, metadata.order, "<"), **entries}
