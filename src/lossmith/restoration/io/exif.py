"""The directories of EXIF and TIFF, entry by entry, to the bit.

The libraries at hand write them anew: types change, letters beyond ASCII become question marks, and what they do
not know is lost.
"""

import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

EXIF, GPS, INTEROPERABILITY = 0x8769, 0x8825, 0xA005
"""The tags that point to other directories."""
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE, LONG8 = 1, 2, 3, 4, 5, 7, 12, 16
_LETTERS = dict(enumerate(["B", "c", "H", "L", "LL", "b", "c", "h", "l", "ll", "f", "d", "L"], start=1))
_LETTERS |= {LONG8: "Q", 17: "q", 18: "Q"}
"""Of what the values of each kind are made, as `struct` calls it; fractions of two numbers."""
MOST = 1 << 26
"""Bytes of all that is read of one file."""


@dataclass(frozen=True)
class Entry:
    """What a tag says, as bytes in the order of the file."""

    kind: int
    data: bytes

    @property
    def count(self) -> int:
        return len(self.data) // size_of(self.kind)


Directory = dict[int, "Entry | Directory"]


@dataclass(frozen=True)
class Directories:
    """The first directory of a file, with those that it points to in the places of the pointers."""

    order: str
    """"<" or ">", for little and big endian."""
    main: Directory
    following: int = 0
    """Where the next one stands, if there is one: a thumbnail in EXIF, a page in TIFF."""
    big: bool = False
    """Whether it is a BigTIFF."""
    damaged: bool = False
    """Whether something within could not be read."""


def size_of(kind: int) -> int:
    return struct.calcsize("<" + _LETTERS[kind])


def numbers(entry: "Entry | Directory", order: str) -> tuple[float, ...]:
    """The values of a tag, none of a directory; a fraction as one number, NaN where it is none."""
    if isinstance(entry, dict):
        return ()
    letters = _LETTERS[entry.kind]
    values = struct.unpack(order + letters * entry.count, entry.data[: entry.count * size_of(entry.kind)])
    if len(letters) == 1:
        return values
    return tuple(
        over / under if under else float("nan") for over, under in zip(values[::2], values[1::2], strict=True)
    )


def entry(kind: int, values: Sequence[float], order: str) -> Entry:
    """The entry that says these values."""
    if kind == RATIONAL:
        fractions = [part for value in values for part in float(value).as_integer_ratio()]
        if max(fractions) >= 1 << 32:
            fractions = [part for value in values for part in (round(value * 10_000), 10_000)]
        return Entry(kind, struct.pack(f"{order}{len(fractions)}L", *fractions))
    return Entry(kind, struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values))


def read_directories(file: IO[bytes], start: int | None = None) -> Directories:
    """The first, or that at `start`, of a TIFF, a BigTIFF, or of EXIF without its "Exif\\0\\0".

    Raises ValueError or struct.error for what is damaged.
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
        self._file, self._order, self._left = file, order, MOST
        self.damaged = False
        self._sizes = ("Q", "HHQ", 8) if big else ("H", "HHL", 4)

    def directory(self, at: int, depth: int = 0) -> tuple[Directory, int]:
        """The directory at a place, and the place of the one that follows."""
        count, row, room = self._sizes
        place = "Q" if room == 8 else "L"
        (length,) = self._unpack(count, at)
        found: Directory = {}
        at += struct.calcsize("<" + count)
        stride = struct.calcsize("<" + row) + room
        for number in range(min(length, 1 << 16)):
            tag, kind, amount = self._unpack(row, at + number * stride)
            field = at + number * stride + stride - room
            try:
                size = amount * size_of(kind)
                data = self._read(field if size <= room else self._unpack(place, field)[0], size)
                if tag in (EXIF, GPS, INTEROPERABILITY) and depth < 2:
                    pointer = int(numbers(Entry(kind, data), self._order)[0])
                    found[tag] = self.directory(pointer, depth + 1)[0]
                else:
                    found[tag] = Entry(kind, data)
            except (LookupError, ValueError, OverflowError, struct.error):  # the rest may be well
                self.damaged = True
        return found, self._unpack(place, at + length * stride)[0]

    def _unpack(self, letters: str, at: int) -> tuple[Any, ...]:
        return struct.unpack(self._order + letters, self._read(at, struct.calcsize("<" + letters)))

    def _read(self, at: int, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise ValueError("it says more than anybody would")
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) < size:
            raise ValueError("it ends too early")
        return data


def packed(directory: Directory, at: int, order: str, big: bool = False) -> bytes:
    """A directory as it stands in a file at `at`, then its longer values, then the directories within it."""
    count, row, room = ("Q", "HHQ", 8) if big else ("H", "HHL", 4)
    place = "Q" if big else "L"
    end = at + struct.calcsize("<" + count) + len(directory) * (struct.calcsize("<" + row) + room) + room
    rows, behind = b"", b""
    for tag, content in sorted(directory.items()):
        if isinstance(content, dict):
            kind, amount = (LONG8 if big else LONG), 1
            field = struct.pack(order + place, end + len(behind))
            behind += packed(content, end + len(behind), order, big)
        elif len(content.data) <= room:
            kind, amount, field = content.kind, content.count, content.data.ljust(room, b"\0")
        else:
            kind, amount, field = content.kind, content.count, struct.pack(order + place, end + len(behind))
            behind += content.data + b"\0" * (len(content.data) % 2)
        rows += struct.pack(order + row, tag, kind, amount) + field
    return struct.pack(order + count, len(directory)) + rows + bytes(room) + behind


def exif_of(directory: Directory, order: str) -> bytes:
    """EXIF as JPEG, PNG and WebP hold it, without "Exif\\0\\0"."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "L", 8) + packed(directory, 8, order)


def reordered(directory: Directory, former: str, order: str) -> Directory:
    """The same in the other order of bytes; what is just bytes, as the maker's notes are, stays."""
    if former == order:
        return directory
    turned: Directory = {}
    for tag, content in directory.items():
        if isinstance(content, dict):
            turned[tag] = reordered(content, former, order)
        else:
            step = struct.calcsize("<" + _LETTERS[content.kind][0])
            turned[tag] = Entry(
                content.kind, np.frombuffer(content.data, f"V{step}").view(f"u{step}").byteswap().tobytes()
            )
    return turned


def amend(path: Path, entries: Directory, without: Collection[int] = ()) -> None:
    """Give a TIFF a new first directory at its end: with these little-endian entries, without some of its own."""
    with path.open("r+b") as file:
        there = read_directories(file)
        kept = {tag: content for tag, content in there.main.items() if tag not in without}
        at = file.seek(0, os.SEEK_END)
        at += file.write(b"\0" * (at % 2))
        file.write(packed({**kept, **entries}, at, there.order, there.big))
        file.seek(8 if there.big else 4)
        file.write(struct.pack(there.order + ("Q" if there.big else "L"), at))
