"""The pixels of an image in a file of their own, of which only the part in use is in memory."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.core.resources import amount
from lossmith.restoration.tiling.tiles import Rectangle

Pixels = NDArray[Any]
STRIP = 1 << 24
"""Bytes of the strips in which a whole raster is gone through."""


@dataclass(frozen=True)
class Raster:
    """Pixels (height, width, channels) in a file: uint8, uint16 or float32, row after row, nothing else.

    The file is mapped anew for each access: pages that stay mapped count as memory of the program, and of a
    large image they would be all.
    """

    path: Path
    height: int
    width: int
    channels: int
    dtype: str

    @property
    def nbytes(self) -> int:
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    @property
    def levels(self) -> int:
        """The value of white: 255 or 65535."""
        return int(np.iinfo(self.dtype).max)

    def create(self) -> "Raster":
        """Make the file, all zeros, with its room on the disk, so that a full disk is an error now.

        Raises LossmithError when there is none.
        """
        try:
            with self.path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self.nbytes)
                else:
                    file.truncate(self.nbytes)
        except OSError as error:
            raise LossmithError(
                f"cannot write {amount(self.nbytes)} to '{self.path.parent}': {error.strerror or error}"
            ) from error
        return self

    def mapped(self, mode: Any = "r") -> Any:
        """All of it, as an array that reads and writes the file; give it up soon."""
        return np.memmap(self.path, self.dtype, mode, shape=(self.height, self.width, self.channels))

    def read(self, place: Rectangle) -> Pixels:
        """A copy of one part. Beyond the lower and right edge the image is mirrored."""
        rows = _mirrored(place.top, place.bottom, self.height)
        columns = _mirrored(place.left, place.right, self.width)
        top, left = rows.min(), columns.min()
        part = self.mapped()[top : rows.max() + 1, left : columns.max() + 1]
        return np.array(part[rows - top][:, columns - left])

    def write(self, place: Rectangle, pixels: Any) -> None:
        """Write one part, down to the disk: what is noted as finished after it must be there."""
        whole = self.mapped("r+")
        whole[place.slices] = pixels
        whole.flush()

    def add(self, place: Rectangle, pixels: Pixels) -> None:
        whole = self.mapped("r+")
        whole[place.slices] += pixels
        whole.flush()

    def strips(self) -> Iterator[Pixels]:
        """All rows from the top, some at a time."""
        tall = max(1, STRIP // max(1, self.nbytes // self.height))
        for top in range(0, self.height, tall):
            yield np.array(self.mapped()[top : top + tall])


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """The rows that stand for rows `start` to `stop` of an image of `length`, mirrored about its last row."""
    rows = np.arange(start, stop)
    if stop <= length:
        return rows
    if length == 1:
        return np.zeros_like(rows)
    rows = rows % (2 * length - 2)
    mirrored: NDArray[np.intp] = np.where(rows < length, rows, 2 * length - 2 - rows)
    return mirrored
