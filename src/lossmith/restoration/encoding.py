"""A raster into a picture file, with what the original said beside its pixels, and a record of what was done."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lossmith.errors import LossmithError
from lossmith.restoration.decoding import Metadata
from lossmith.restoration.png import write_png
from lossmith.restoration.raster import Raster
from lossmith.restoration.tiff import write_tiff

Format = Literal["png", "jpeg", "webp", "tiff"]
ENDINGS: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
LONGEST_SIDE = {"jpeg": 65535, "webp": 16383}
RECORD = 0x000B
"""EXIF's ProcessingSoftware, in which all four formats can say by what a picture was made."""
MAKER_NOTE = 0x927C
JPEG_QUALITY = 95
LONGEST_EXIF = 65000
"""Bytes that fit into the one segment that JPEG has for it."""


def check_fits(raster: Raster, format: Format, dtype: str) -> None:
    """Raise LossmithError when the format cannot hold a picture of this kind."""
    longest, limit = max(raster.height, raster.width), LONGEST_SIDE.get(format)
    if limit is not None and longest > limit:
        raise LossmithError(
            f"{format.upper()} holds {limit} pixels a side, the result has {longest}; take --format png or tiff"
        )
    if format == "jpeg" and raster.channels in (2, 4):
        raise LossmithError("JPEG has no transparency; take another --format")
    if (format, dtype, raster.channels) == ("tiff", "uint16", 2):
        raise LossmithError("few programs read a TIFF of 16-bit gray with alpha; take --format png")


def encode(
    path: Path, raster: Raster, format: Format, quality: int | None, metadata: Metadata, record: dict[str, Any]
) -> None:
    """Write the picture. 16 bits go into PNG and TIFF as they are and into JPEG and WebP rounded to 8.

    Raises OSError.
    """
    tags = {**metadata.tags, RECORD: json.dumps({"lossmith restore": record}, sort_keys=True)}
    shape = (raster.height, raster.width, raster.channels)
    bits = 8 * np.dtype(raster.dtype).itemsize
    if format == "png":
        write_png(path, raster.strips(), shape, bits, _png_chunks(metadata, tags))
    elif format == "tiff":
        write_tiff(path, raster.strips(), shape, bits, _tiff_tags(metadata, tags), metadata.folders)
    else:
        _write_by_pillow(path, raster, format, quality, metadata, tags)


def read_record(path: Path) -> dict[str, Any] | None:
    """What `encode` has written into a file about how it was made; None where there is nothing of the kind."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            record = json.loads(str(image.getexif()[RECORD]))["lossmith restore"]
    except Exception:  # whatever is wrong with it, it is no picture of ours
        return None
    return record if isinstance(record, dict) else None


def _exif(tags: dict[int, Any], metadata: Metadata) -> bytes:
    from PIL import Image

    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    for folder, entries in metadata.folders.items():
        exif.get_ifd(folder).update(entries)
        exif[folder] = exif.get_ifd(folder)
    written = exif.tobytes()
    if len(written) > LONGEST_EXIF and MAKER_NOTE in metadata.folders.get(0x8769, {}):
        slim = {folder: {k: v for k, v in e.items() if k != MAKER_NOTE} for folder, e in metadata.folders.items()}
        return _exif(tags, Metadata(metadata.icc, metadata.dpi, metadata.tags, slim))
    return written


def _png_chunks(metadata: Metadata, tags: dict[int, Any]) -> dict[bytes, bytes]:
    chunks = {}
    if metadata.icc:
        chunks[b"iCCP"] = b"ICC profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        chunks[b"pHYs"] = struct.pack(">IIB", *(round(dots / 0.0254) for dots in metadata.dpi), 1)
    chunks[b"eXIf"] = _exif(tags, metadata).removeprefix(b"Exif\0\0")
    return chunks


def _write_by_pillow(
    path: Path, raster: Raster, format: Format, quality: int | None, metadata: Metadata, tags: dict[int, Any]
) -> None:
    from PIL import Image

    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[raster.channels]
    image = Image.new(mode, (raster.width, raster.height))
    top = 0
    for strip in raster.strips():
        narrow = strip if strip.dtype == np.uint8 else ((strip.astype(np.uint32) + 128) // 257).astype(np.uint8)
        image.paste(Image.fromarray(narrow.squeeze(-1) if raster.channels == 1 else narrow, mode), (0, top))
        top += len(strip)
    options: dict[str, Any] = {"exif": _exif(tags, metadata)}
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    if format == "jpeg":
        options |= {"quality": JPEG_QUALITY if quality is None else quality, "subsampling": 0}
        options |= {"dpi": metadata.dpi} if metadata.dpi else {}
    else:
        options["exif"] = _exif({**tags, **_resolution(metadata)}, metadata)
        options |= {"lossless": True} if quality is None else {"quality": quality}
        image = image if raster.channels in (3, 4) else image.convert("RGBA" if raster.channels == 2 else "RGB")
    image.save(path, format.upper(), **options)


def _tiff_tags(metadata: Metadata, tags: dict[int, Any]) -> dict[int, Any]:
    return {**tags, **_resolution(metadata), **({0x8773: metadata.icc} if metadata.icc else {})}


def _resolution(metadata: Metadata) -> dict[int, Any]:
    """Pixels across and down, per inch."""
    if metadata.dpi is None:
        return {}
    return {0x011A: metadata.dpi[0], 0x011B: metadata.dpi[1], 0x0128: 2}
