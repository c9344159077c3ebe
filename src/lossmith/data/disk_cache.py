"""Decoded images on a disk, for when they do not fit into memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_error
from lossmith.core.resources import existing

SIDE = 64
"""Of the squares in which images lie in the file: a patch is read in a few pieces, and little beside it."""


class Shelf:
    """A file that holds images, without a name: it vanishes with the last process that reads it.

    Made in the folder `beside`, or the nearest around it that exists. Several threads may put and read at once.

    Raises LossmithError when nothing can be written there.
    """

    def __init__(self, beside: Path) -> None:
        self._place = existing(beside)
        try:
            self._file: IO[bytes] = TemporaryFile(dir=self._place)  # noqa: SIM115 (it lives as long as this does)
        except OSError as error:
            raise write_error(self._place, error) from error
        self._end, self._lock = 0, Lock()

    def put(self, image: Tensor) -> "Shelved":
        """Keep an image, (3, H, W) of any type."""
        squares = _squares(image.numpy())
        with self._lock:
            start, self._end = self._end, self._end + squares.nbytes
        try:
            content, done = squares.data.cast("B"), 0
            while done < len(content):
                done += os.pwrite(self._file.fileno(), content[done:], start + done)
        except OSError as error:
            raise write_error(self._place / "decoded images", error) from error
        return Shelved(self, start, tuple(image.shape), image.dtype)

    def read(self, start: int, count: int) -> bytes:
        content = os.pread(self._file.fileno(), count, start)
        if len(content) < count:
            raise LossmithError(f"the decoded images in {self._place} can no longer be read")
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_another_process, (os.getpid(), self._file.fileno(), self._place)


def _of_another_process(process: int, number: int, place: Path) -> Shelf:
    """The shelf of a process of this machine, as one that it has started sees it."""
    shelf = Shelf.__new__(Shelf)
    shelf._place, shelf._end, shelf._lock = place, 0, Lock()
    try:
        shelf._file = Path(f"/proc/{process}/fd/{number}").open("rb")  # noqa: SIM115
    except OSError as error:
        raise LossmithError(
            "the images do not fit into memory, and other processes cannot reach them on the disk: let devices "
            "be 1, and the executor local"
        ) from error
    return shelf


@dataclass(frozen=True)
class Shelved:
    """An image on a shelf."""

    shelf: Shelf
    start: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    def cut(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """What a tensor's [:, top:bottom, left:right] would be."""
        channels, _, width = self.shape
        across = -(-width // SIDE)
        first, last = left // SIDE, -(-right // SIDE)
        size = channels * SIDE * SIDE * self.dtype.itemsize
        rows = [
            self.shelf.read(self.start + (row * across + first) * size, (last - first) * size)
            for row in range(top // SIDE, -(-bottom // SIDE))
        ]
        read = np.frombuffer(bytearray().join(rows), np.dtype(str(self.dtype).removeprefix("torch.")))
        squares = read.reshape(len(rows), last - first, channels, SIDE, SIDE)
        whole = squares.transpose(2, 0, 3, 1, 4).reshape(channels, len(rows) * SIDE, (last - first) * SIDE)
        row, column = top - top // SIDE * SIDE, left - first * SIDE
        return torch.from_numpy(whole[:, row : row + bottom - top, column : column + right - left])

    def whole(self) -> Tensor:
        """All of it."""
        return self.cut(0, self.shape[1], 0, self.shape[2]).contiguous()


Kept = Tensor | Shelved
"""An image in memory, or on a disk."""


def cut(image: Kept, top: int, bottom: int, left: int, right: int) -> Tensor:
    """A part of an image, wherever it is kept."""
    if isinstance(image, Shelved):
        return image.cut(top, bottom, left, right)
    return image[:, top:bottom, left:right]


def _squares(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(3, H, W) as squares, (rows, columns, 3, SIDE, SIDE), those at the far edges filled up."""
    channels, height, width = image.shape
    down, across = -(-height // SIDE), -(-width // SIDE)
    wide = np.zeros((channels, down * SIDE, across * SIDE), image.dtype)
    wide[:, :height, :width] = image
    squares = wide.reshape(channels, down, SIDE, across, SIDE).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(squares)


def stored(sizes: Sequence[tuple[int, int]], bytes_per_pixel: float) -> int:
    """Bytes that images of these sizes take on a shelf."""
    return int(sum(-(-h // SIDE) * -(-w // SIDE) for h, w in sizes) * SIDE**2 * bytes_per_pixel)
