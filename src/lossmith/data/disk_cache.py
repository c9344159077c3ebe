"""A file of decoded images, for data that does not fit into memory."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_error
from lossmith.core.resources import nearest_existing

TILE_SIDE = 64
"""Side of the square tiles in which images lie in the file, so that a patch is read in a few pieces."""


class DiskCache:
    """A nameless temporary file of decoded images, which vanishes with the last process that reads it.

    Several threads may write and read at once. A cache can be pickled for a process on the same machine, which can
    then read from it.

    Parameters
    ----------
    beside
        The folder for the file; where it does not exist, the nearest one around it.

    Raises
    ------
    LossmithError
        When nothing can be written there.
    """

    def __init__(self, beside: Path) -> None:
        self._folder = nearest_existing(beside)
        try:
            self._file: IO[bytes] = TemporaryFile(dir=self._folder)  # noqa: SIM115 (it lives as long as this does)
        except OSError as error:
            raise write_error(self._folder, error) from error
        self._end, self._lock = 0, Lock()

    def put(self, image: Tensor) -> "CachedImage":
        """Append an image, (C, H, W) of any type."""
        tiles = _to_tiles(image.numpy())
        with self._lock:
            start, self._end = self._end, self._end + tiles.nbytes
        try:
            content, written = tiles.data.cast("B"), 0
            while written < len(content):
                written += os.pwrite(self._file.fileno(), content[written:], start + written)
        except OSError as error:
            raise write_error(self._folder / "decoded images", error) from error
        return CachedImage(self, start, tuple(image.shape), image.dtype, -(-image.shape[2] // TILE_SIDE))

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes of the file from `start` on."""
        content = os.pread(self._file.fileno(), count, start)
        if len(content) < count:
            raise LossmithError(f"the decoded images in {self._folder} can no longer be read")
        return content

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_from_process, (os.getpid(), self._file.fileno(), self._folder)


def _open_from_process(process: int, descriptor: int, folder: Path) -> DiskCache:
    """The cache that another process of this machine holds open under a file descriptor; for reading."""
    cache = DiskCache.__new__(DiskCache)
    cache._folder, cache._end, cache._lock = folder, 0, Lock()
    try:
        cache._file = Path(f"/proc/{process}/fd/{descriptor}").open("rb")  # noqa: SIM115
    except OSError as error:
        raise LossmithError(
            "the images do not fit into memory, and other processes cannot reach them on the disk: let devices "
            "be 1, and the executor local"
        ) from error
    return cache


@dataclass(frozen=True)
class CachedImage:
    """A decoded image in a `DiskCache`."""

    cache: DiskCache
    start: int
    """Its first byte in the file."""
    shape: tuple[int, ...]
    dtype: torch.dtype
    columns: int
    """Tiles in a row of the file."""

    def crop(self, top: int, bottom: int, left: int, right: int) -> Tensor:
        """The same as `image[:, top:bottom, left:right]` of the tensor."""
        channels, columns = self.shape[0], self.columns
        first, last = left // TILE_SIDE, -(-right // TILE_SIDE)
        tile_bytes = channels * TILE_SIDE * TILE_SIDE * self.dtype.itemsize
        rows = [
            self.cache.read(self.start + (row * columns + first) * tile_bytes, (last - first) * tile_bytes)
            for row in range(top // TILE_SIDE, -(-bottom // TILE_SIDE))
        ]
        values = np.frombuffer(bytearray().join(rows), np.dtype(str(self.dtype).removeprefix("torch.")))
        tiles = values.reshape(len(rows), last - first, channels, TILE_SIDE, TILE_SIDE)
        area = tiles.transpose(2, 0, 3, 1, 4).reshape(channels, len(rows) * TILE_SIDE, (last - first) * TILE_SIDE)
        row, column = top - top // TILE_SIDE * TILE_SIDE, left - first * TILE_SIDE
        return torch.from_numpy(area[:, row : row + bottom - top, column : column + right - left])

    def read(self) -> Tensor:
        """The whole image."""
        return self.crop(0, self.shape[1], 0, self.shape[2]).contiguous()


StoredImage = Tensor | CachedImage
"""An image in memory or on the disk."""


def crop(image: StoredImage, top: int, bottom: int, left: int, right: int) -> Tensor:
    """`image[:, top:bottom, left:right]`, wherever the image is stored."""
    if isinstance(image, CachedImage):
        return image.crop(top, bottom, left, right)
    return image[:, top:bottom, left:right]


def upper_left(image: StoredImage, height: int, width: int) -> StoredImage:
    """`image[:, :height, :width]`, stored where the image is; nothing is copied."""
    if isinstance(image, CachedImage):
        return replace(image, shape=(image.shape[0], height, width))
    return image[:, :height, :width]


def _to_tiles(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(rows, columns, C, TILE_SIDE, TILE_SIDE) of (C, H, W), padded with zeros at the bottom and the right."""
    channels, height, width = image.shape
    rows, columns = -(-height // TILE_SIDE), -(-width // TILE_SIDE)
    padded = np.zeros((channels, rows * TILE_SIDE, columns * TILE_SIDE), image.dtype)
    padded[:, :height, :width] = image
    tiles = padded.reshape(channels, rows, TILE_SIDE, columns, TILE_SIDE).transpose(1, 3, 0, 2, 4)
    return np.ascontiguousarray(tiles)


def cached_bytes(sizes: Sequence[tuple[int, int]], bytes_per_pixel: float) -> int:
    """Bytes that images of these sizes, (height, width), take in a `DiskCache`."""
    tiles = sum(-(-height // TILE_SIDE) * -(-width // TILE_SIDE) for height, width in sizes)
    return int(tiles * TILE_SIDE**2 * bytes_per_pixel)
