"""Pixels of an image in a memory-mapped file, of which only the part in use is in memory."""

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
STRIP_BYTES = 1 << 24
"""Bytes of the strips in which a raster is processed."""


@dataclass(frozen=True)
class Raster:
    """Pixels (height, width, channels) in a raw file: uint8, uint16 or float32, row by row, without a header.

    Whole numbers are gray or RGB, with or without alpha; floats are pictures on the scale of their range.

    The file is mapped for each access only: pages that stay mapped count as memory of the process, and would add
    up to the whole image.
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
        """The value of white: 255, 65535, or 1 in floats."""
        return 1 if self.dtype == "float32" else int(np.iinfo(self.dtype).max)

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4) and self.dtype != "float32"

    def create(self) -> "Raster":
        """Create the file, all zeros, with its disk space allocated, so that a full disk is an error now.

        Raises LossmithError when the disk is full.
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
        """The file as an array; release it soon, since mapped pages count as memory."""
        return np.memmap(self.path, self.dtype, mode, shape=(self.height, self.width, self.channels))

    def read(self, area: Rectangle) -> Pixels:
        """A copy of an area; beyond the lower and right edge the image is mirrored."""
        rows = _mirrored(area.top, area.bottom, self.height)
        columns = _mirrored(area.left, area.right, self.width)
        top, left = rows.min(), columns.min()
        pixels = self.mapped()[top : rows.max() + 1, left : columns.max() + 1]
        return np.array(pixels[rows - top][:, columns - left])

    def write(self, area: Rectangle, pixels: Any) -> None:
        """Write an area, flushed to disk: only then may it be marked as finished."""
        array = self.mapped("r+")
        array[area.slices] = pixels
        array.flush()

    def add(self, area: Rectangle, pixels: Pixels) -> None:
        """Add to the values of an area, flushed to disk."""
        array = self.mapped("r+")
        array[area.slices] += pixels
        array.flush()

    def strips(self) -> Iterator[Pixels]:
        """All rows from the top, in strips of about `STRIP_BYTES`."""
        rows = max(1, STRIP_BYTES // max(1, self.nbytes // self.height))
        for top in range(0, self.height, rows):
            yield np.array(self.mapped()[top : top + rows])


def _mirrored(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Indices `start` to `stop`, those from `length` on reflected about the last index of the image."""
    rows = np.arange(start, stop)
    if stop <= length:
        return rows
    if length == 1:
        return np.zeros_like(rows)
    rows = rows % (2 * length - 2)
    mirrored: NDArray[np.intp] = np.where(rows < length, rows, 2 * length - 2 - rows)
    return mirrored
