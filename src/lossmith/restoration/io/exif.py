"""Reads and writes the directories (IFDs) of EXIF and TIFF, entry by entry, without changing their bytes.

Pillow and libvips rewrite directories: types change, letters beyond ASCII become question marks, and unknown tags
are lost.
"""

import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""Tags that point to other directories."""
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 7, 12, 16
_LETTERS = dict(enumerate(["B", "c", "H", "L", "LL", "b", "c", "h", "l", "ll", "f", "d", "L"], start=1))
_LETTERS |= {LONG8: "Q", 17: "q", 18: "Q"}
"""The `struct` format of a value of each type; a fraction is two numbers."""
MAX_METADATA_BYTES = 1 << 26
"""Bytes of metadata that are read from one file."""


@dataclass(frozen=True)
class Entry:
    """The type and the bytes of a tag, in the byte order of the file."""

    kind: int
    data: bytes

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.data) // size_of(self.kind)


Directory = dict[int, "Entry | Directory"]


@dataclass(frozen=True)
class Directories:
    """The first directory of a file; the directories that it points to stand in place of the pointers."""

    order: str
    """"<" or ">", for little and big endian."""
    main: Directory
    following: int = 0
    """Offset of the next directory, 0 without one: a thumbnail in EXIF, a page in TIFF."""
    big: bool = False
    """Whether it is a BigTIFF."""
    damaged: bool = False
    """Whether some of its entries could not be read."""


def size_of(kind: int) -> int:
    """Bytes of a value of a type."""
    return struct.calcsize("<" + _LETTERS[kind])


def numbers(entry: "Entry | Directory", order: str) -> tuple[float, ...]:
    """The values of a tag, fractions as one number each, NaN for a division by zero; () for a directory."""
    if isinstance(entry, dict):
        return ()
    letters = _LETTERS[entry.kind]
    values = struct.unpack(order + letters * entry.count, entry.data[: entry.count * size_of(entry.kind)])
    if len(letters) == 1:
        return values
    return tuple(
        numerator / denominator if denominator else float("nan")
        for numerator, denominator in zip(values[::2], values[1::2], strict=True)
    )


def entry(kind: int, values: Sequence[float], order: str) -> Entry:
    """An entry of these values."""
    if kind == RATIONAL:
        fractions = [part for value in values for part in float(value).as_integer_ratio()]
        if max(fractions) >= 1 << 32:
            fractions = [part for value in values for part in (round(value * 10_000), 10_000)]
        return Entry(kind, struct.pack(f"{order}{len(fractions)}L", *fractions))
    return Entry(kind, struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values))


def read_directories(file: IO[bytes], start: int | None = None) -> Directories:
    """Read the first directory, or the one at `start`, of a TIFF, a BigTIFF, or EXIF without its "Exif\\0\\0".

    Raises ValueError or struct.error where it is damaged.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no byte order")
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    first = struct.unpack(order + ("Q" if big else "L"), head[8:16] if big else head[4:8])[0]
    reader = _Reader(file, order, big)
    main, following = reader.directory(first if start is None else start)
    return Directories(order, main, following, big, reader.damaged)


class _Reader:
    def __init__(self, file: IO[bytes], order: str, big: bool) -> None:
        self._file, self._order, self._left = file, order, MAX_METADATA_BYTES
        self.damaged = False
        self._sizes = ("Q", "HHQ", 8) if big else ("H", "HHL", 4)

    def directory(self, at: int, depth: int = 0) -> tuple[Directory, int]:
        """The directory at an offset, and the offset of the next one."""
        count, row, field_size = self._sizes
        pointer_format = "Q" if field_size == 8 else "L"
        (length,) = self._unpack(count, at)
        entries: Directory = {}
        at += struct.calcsize("<" + count)
        stride = struct.calcsize("<" + row) + field_size
        for number in range(min(length, 1 << 16)):
            tag, kind, amount = self._unpack(row, at + number * stride)
            if tag in entries:  # the first counts, to libtiff too; tifffile adds a description of its own
                continue
            field = at + number * stride + stride - field_size
            try:
                size = amount * size_of(kind)
                data = self._read(field if size <= field_size else self._unpack(pointer_format, field)[0], size)
                if tag in (EXIF, GPS, INTEROPERABILITY) and depth < 2:
                    pointer = int(numbers(Entry(kind, data), self._order)[0])
                    entries[tag] = self.directory(pointer, depth + 1)[0]
                else:
                    entries[tag] = Entry(kind, data)
            except (LookupError, ValueError, OverflowError, struct.error):  # the other entries may be intact
                self.damaged = True
        return entries, self._unpack(pointer_format, at + length * stride)[0]

    def _unpack(self, letters: str, at: int) -> tuple[Any, ...]:
        return struct.unpack(self._order + letters, self._read(at, struct.calcsize("<" + letters)))

    def _read(self, at: int, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ValueError("it holds more metadata than is plausible")
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError("it ends too early")
        return data


def pack(directory: Directory, at: int, order: str, big: bool = False, following: int = 0) -> bytes:
    """The bytes of a directory at the offset `at`, followed by its longer values and nested directories.

    `following` is the offset of the next directory, 0 without one.
    """
    count, row, field_size = ("Q", "HHQ", 8) if big else ("H", "HHL", 4)
    pointer_format = "Q" if big else "L"
    end = at + struct.calcsize("<" + count) + len(directory) * (struct.calcsize("<" + row) + field_size)
    end += field_size
    rows, tail = b"", b""
    for tag, content in sorted(directory.items()):
        if isinstance(content, dict):
            kind, amount = (LONG8 if big else LONG), 1
            field = struct.pack(order + pointer_format, end + len(tail))
            tail += pack(content, end + len(tail), order, big)
        elif len(content.data) <= field_size:
            kind, amount, field = content.kind, content.count, content.data.ljust(field_size, b"\0")
        else:
            kind, amount, field = content.kind, content.count, struct.pack(order + pointer_format, end + len(tail))
            tail += content.data + b"\0" * (len(content.data) % 2)
        rows += struct.pack(order + row, tag, kind, amount) + field
    rows += struct.pack(order + pointer_format, following)
    return struct.pack(order + count, len(directory)) + rows + tail


def exif_block(directory: Directory, order: str) -> bytes:
    """EXIF as JPEG, PNG and WebP hold it, without "Exif\\0\\0"."""
    header = b"II*\0" if order == "<" else b"MM\0*"
    return header + struct.pack(order + "L", 8) + pack(directory, 8, order)


def swap_byte_order(directory: Directory, old: str, new: str) -> Directory:
    """The directory in the byte order `new`; values of plain bytes, such as maker notes, stay as they are."""
    if old == new:
        return directory
    swapped: Directory = {}
    for tag, content in directory.items():
        if isinstance(content, dict):
            swapped[tag] = swap_byte_order(content, old, new)
        else:
            step = struct.calcsize("<" + _LETTERS[content.kind][0])
            swapped[tag] = Entry(
                content.kind, np.frombuffer(content.data, f"V{step}").view(f"u{step}").byteswap().tobytes()
            )
    return swapped


def amend(path: Path, entries: Directory, without: Collection[int] = ()) -> None:
    """Append a new first directory to a TIFF: its entries without some tags, and these little-endian ones."""
    with path.open("r+b") as file:
        directories = read_directories(file)
        remaining = {tag: content for tag, content in directories.main.items() if tag not in without}
        at = file.seek(0, os.SEEK_END)
        at += file.write(b"\0" * (at % 2))
        order, big = directories.order, directories.big
        file.write(pack({**remaining, **entries}, at, order, big, directories.following))
        file.seek(8 if big else 4)
        file.write(struct.pack(order + ("Q" if big else "L"), at))
