"""A raster into an image file, with what the original said beside its pixels, and a record of what was done.

libvips writes the pixels, row by row. It loses EXIF that it does not know, so what stands before the pixels of a
PNG or a JPEG is Pillow's, and the directory of a TIFF is amended.
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
    exif_of,
    read_directories,
    reordered,
)
from lossmith.restoration.io.formats import LONGEST_SIDE, Format
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
LONGEST_TIFF = 4_000_000_000
"""Bytes of pixels from which on a TIFF is a BigTIFF."""


@dataclass(frozen=True)
class Parts:
    """Where in a file that what is said beside its pixels may stand."""

    start: int
    """Bytes before it."""
    mark: bytes
    """With what the rest begins ..."""
    lead: int
    """... but for so many bytes before."""

    def end(self, content: bytes) -> int:
        """Where the rest begins in a file of one pixel, or in the beginning of one that says nothing."""
        return content.rindex(self.mark) - self.lead


PNG = Parts(33, b"IDAT", 4)
JPEG = Parts(2, b"\xff\xdb", 0)


def check_fits(shape: tuple[int, int, int], format: Format) -> None:
    """Raise LossmithError when the format cannot hold an image of this shape (H, W, C)."""
    *sides, channels = shape
    longest, limit = max(sides), LONGEST_SIDE.get(format)
    if limit is not None and longest > limit:
        raise LossmithError(
            f"{format.upper()} holds {limit} pixels a side, the result has {longest}; take --format png or tiff"
        )
    if format == "jpeg" and channels in (2, 4):
        raise LossmithError("JPEG has no transparency; take another --format")


def encode(
    path: Path, raster: Raster, format: Format, quality: int | None, metadata: Metadata, record: dict[str, Any]
) -> None:
    """Write the image. 16 bits go into PNG and TIFF as they are and into JPEG and WebP rounded to 8.

    Raises OSError.
    """
    text = json.dumps({"lossmith restore": record}, sort_keys=True).encode() + b"\0"
    tags: Directory = {**metadata.tags, RECORD: Entry(ASCII, text)}
    image = image_of(raster)
    try:
        if format == "png":
            _write_around(path, _png_words(metadata, tags), PNG, image.pngsave_target, filter="all")
        elif format == "jpeg":
            wanted = {"Q": JPEG_QUALITY if quality is None else quality, "subsample_mode": "off"}
            _write_around(path, _jpeg_words(metadata, tags), JPEG, _narrow(image).jpegsave_target, **wanted)
        elif format == "tiff":
            _write_tiff(path, image, raster.nbytes > LONGEST_TIFF, metadata, tags)
        else:
            _write_webp(path, raster, quality, metadata, tags)
    except vips().Error as error:
        raise OSError(None, str(error).strip().splitlines()[-1]) from error


def read_record(path: Path) -> dict[str, Any] | None:
    """What `encode` has written into a file about how it was made; None where there is nothing of the kind."""
    try:
        record = json.loads(_recorded(path))["lossmith restore"]
    except Exception:  # whatever is wrong with it, it is no image of ours
        return None
    return rename_record(record) if isinstance(record, dict) else None


def _recorded(path: Path) -> str | bytes:
    from PIL import Image

    with path.open("rb") as file:
        if file.read(2) in (b"II", b"MM"):  # of which Pillow does not open every kind
            said = read_directories(file).main[RECORD]
            return said.data.rstrip(b"\0") if isinstance(said, Entry) else b""
    with Image.open(path) as image:
        return str(image.getexif()[RECORD])


def _narrow(image: Any) -> Any:
    """16 bits to the nearest of 8."""
    if image.format == "uchar":
        return image
    narrow = (image / 257).rint().cast("uchar")
    return narrow.copy(interpretation="srgb" if image.bands > 2 else "b-w")


def _write_around(path: Path, words: bytes, parts: Parts, save: Callable[..., None], **options: Any) -> None:
    """The file that libvips writes, with `words` in the place of what it would say beside the pixels."""
    failures: list[OSError] = []
    with path.open("wb") as file:

        def write(content: Any) -> int:
            new = bytes(content)
            try:
                if file.tell() == 0:  # what stands before the pixels comes at once
                    file.write(new[: parts.start] + words)
                    file.write(new[new.index(parts.mark) - parts.lead :])
                else:
                    file.write(new)
            except OSError as error:  # libvips would say no more than that it failed
                failures.append(error)
                return -1
            return len(new)

        target = vips().TargetCustom()
        target.on_write(write)
        try:
            save(target, keep="none", **options)
        except vips().Error as error:
            raise failures[0] if failures else error from error


def _png_words(metadata: Metadata, tags: Directory) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo, putchunk

    colors = io.BytesIO()
    for name, content in metadata.chunks.items():  # of which Pillow's PngInfo leaves out what it does not know
        putchunk(colors, name, content)
    info = PngInfo()
    for key, value in metadata.texts.items():
        info.add_text(key, value)
    if metadata.comment:
        info.add_text("Comment", metadata.comment)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    options = _said(metadata, tags)
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG", pnginfo=info, **options)
    return colors.getvalue() + file.getvalue()[PNG.start : PNG.end(file.getvalue())]


def _jpeg_words(metadata: Metadata, tags: Directory) -> bytes:
    from PIL import Image

    options = _said(metadata, tags)
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


def _said(metadata: Metadata, tags: Directory) -> dict[str, Any]:
    """What Pillow writes into every format, if it is there."""
    said = {
        "exif": b"Exif\0\0" + exif_of(tags, metadata.order),
        "icc_profile": metadata.icc,
        "dpi": metadata.dpi,
    }
    return {name: value for name, value in said.items() if value}


def _write_webp(path: Path, raster: Raster, quality: int | None, metadata: Metadata, tags: Directory) -> None:
    """By Pillow: the encoder holds the whole image, whoever calls it, and libvips loses EXIF."""
    from PIL import Image

    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[raster.channels]
    image = Image.new("RGBA" if raster.channels in (2, 4) else "RGB", (raster.width, raster.height))
    top = 0
    for strip in raster.strips():
        narrow = strip if strip.dtype == np.uint8 else ((strip.astype(np.uint32) + 128) // 257).astype(np.uint8)
        rows = Image.fromarray(narrow.squeeze(-1) if raster.channels == 1 else narrow, mode)
        image.paste(rows.convert(image.mode), (0, top))
        top += len(strip)
    options = _said(metadata, tags) | ({"xmp": metadata.xmp} if metadata.xmp else {})
    options |= {"lossless": True} if quality is None else {"quality": quality}
    image.save(path, "WEBP", exact=True, **options)  # colors too where nothing is seen of them


def _write_tiff(path: Path, image: Any, big: bool, metadata: Metadata, tags: Directory) -> None:
    image.tiffsave(str(path), compression="deflate", predictor="horizontal", bigtiff=big, keep="none")
    blobs = {XMP: (BYTE, metadata.xmp), IPTC: (UNDEFINED, metadata.iptc), ICC: (UNDEFINED, metadata.icc)}
    entries = {tag: Entry(kind, content) for tag, (kind, content) in blobs.items() if content}
    kept = {
        tag: content for tag, content in {**tags, **metadata.geo}.items() if tag not in LAYOUT or tag in RESOLUTION
    }
    amend(path, {**reordered(kept, metadata.order, "<"), **entries}, without=RESOLUTION)
