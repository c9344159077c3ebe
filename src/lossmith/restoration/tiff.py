"""TIFF, written strip by strip: other writers at hand have no 16-bit colours, or no EXIF."""

import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.restoration.raster import Pixels

LARGEST = 0xFFFFFFFF
"""Bytes of a file whose places are numbers of 32 bits."""
ROWS = 16
"""Rows in each strip."""
STRIPS = 273
"""The tag that says where they are."""


def write_tiff(
    path: Path,
    strips: Iterable[Pixels],
    shape: tuple[int, int, int],
    bits: int,
    tags: Mapping[int, Any],
    folders: Mapping[int, Mapping[int, Any]],
) -> None:
    """Write a picture of `shape` (H, W, C) that comes in strips of rows, uint8 or uint16.

    `tags` go beside those that the pixels need; `folders` are those of EXIF, by the tag that points to them.
    Source: Adobe, TIFF 6.0 (1992), with its Deflate supplement. Raises OSError, also for more than 4 GB.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    height, width, channels = shape
    places: list[int] = []
    lengths: list[int] = []
    with path.open("wb") as file:

        def put(content: bytes) -> int:
            """Add to the file, at an even place, and say where."""
            file.write(b"\0" * (file.tell() % 2))
            if file.tell() + len(content) > LARGEST:
                raise OSError(27, "a TIFF holds 4 GB at most; take --format png")
            place = file.tell()
            file.write(content)
            return place

        put(b"II*\0\0\0\0\0")
        for strip in _in_rows(strips):
            packed = zlib.compress(_differences(strip), 6)
            places.append(put(packed))
            lengths.append(len(packed))
        directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
        # size, depth, Deflate, gray or RGB, strips, channels, rows, together, left differences, plain alpha
        own: dict[int, Any] = {
            256: width,
            257: height,
            258: (bits,) * channels,
            259: 8,
            262: 2 if channels > 2 else 1,
        }
        own |= {STRIPS: (0,) * len(places), 277: channels, 278: ROWS, 279: tuple(lengths), 284: 1, 317: 2}
        own |= {338: (2,)} if channels in (2, 4) else {}
        for tag, content in {**tags, **folders, **own}.items():
            directory[tag] = content
        start = file.tell() + file.tell() % 2
        put(_with_places(directory.tobytes(start), start, sorted(directory).index(STRIPS), places))
        file.seek(4)
        file.write(start.to_bytes(4, "little"))


def _with_places(directory: bytes, start: int, entry: int, places: list[int]) -> bytes:
    """The directory at `start`, with the places of the strips: Pillow only writes them counted from its end."""
    packed, whole, at = struct.pack(f"<{len(places)}L", *places), bytearray(directory), 2 + 12 * entry + 8
    if len(places) > 1:
        at = int.from_bytes(whole[at : at + 4], "little") - start
    whole[at : at + len(packed)] = packed
    return bytes(whole)


def _differences(strip: Pixels) -> bytes:
    """Each value less the one to its left, as "horizontal differencing" has it."""
    values = strip.astype(strip.dtype.newbyteorder("<"))
    values[:, 1:] -= strip[:, :-1]
    return values.tobytes()


def _in_rows(strips: Iterable[Pixels]) -> Iterable[Pixels]:
    """The same rows, `ROWS` at a time."""
    left: Pixels | None = None
    for strip in strips:
        rows = strip if left is None else np.concatenate([left, strip])
        whole = len(rows) // ROWS * ROWS
        yield from np.split(rows[:whole], whole // ROWS) if whole else ()
        left = rows[whole:]
    if left is not None and len(left):
        yield left
