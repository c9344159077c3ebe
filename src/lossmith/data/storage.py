"""Where the images of a study are stored: in memory if they fit, else on the disk."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import STORED_AS_THEY_ARE, PixelFormat
from lossmith.core.resources import amount, free_disk, free_memory
from lossmith.data.disk_cache import DiskCache, StoredImage, cached_bytes
from lossmith.data.picture_reader import RGB_READER, PictureReader
from lossmith.degradations import Degradation

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.5
"""Of the free memory, for images; the rest is for the steps of training and for scoring."""
DECODING_BYTES_PER_VALUE = 33
"""Memory that an image takes while it is decoded and degraded, for each pixel of each channel."""

Sizes = Sequence[tuple[int, int]]
"""(height, width) of images."""


@dataclass(frozen=True)
class Storage:
    """Where images are stored, and how many are decoded at a time."""

    cache: DiskCache | None = None
    """None for memory."""
    threads: int = min(8, os.cpu_count() or 1)

    def store(self, image: Tensor) -> StoredImage:
        """The image as it is stored."""
        return image if self.cache is None else self.cache.put(image)


IN_MEMORY = Storage()


def choose_storage(
    train: Sizes,
    tests: Sizes,
    degradation: Degradation | None,
    scale: int,
    beside: Path,
    reader: PictureReader = RGB_READER,
) -> Storage:
    """Memory if the images fit into half of what is free, else a cache on the disk.

    Parameters
    ----------
    train, tests
        Sizes of the clean training and test images.
    degradation
        How they are degraded; None for given pairs.
    scale
        How many times larger than the degraded images they are.
    beside
        The folder on whose disk the cache would be.
    reader
        The format of the images, and whether some pixels do not count.

    Raises
    ------
    LossmithError
        When the images fit neither into memory nor on the disk.
    """
    free = free_memory()
    if free is None:  # this platform does not tell
        return IN_MEMORY
    largest = max(height * width for height, width in (*train, *tests))
    channels = reader.pixels.channels
    decoding = DECODING_BYTES_PER_VALUE * channels * largest
    threads = max(1, min(Storage.threads, int(MEMORY_SHARE * free / decoding)))
    levels = len(degradation.levels) if degradation is not None else 1
    per_pixel = _training_bytes_per_pixel(degradation, scale, reader)
    as_floats = 4 * channels * levels
    in_memory = int(_pixels(train) * per_pixel + _pixels(tests) * as_floats * (1 + scale**-2))
    if in_memory <= MEMORY_SHARE * free:
        return Storage(None, threads)
    count = f"{len(train)} training and {len(tests)} test images" if train else f"{len(tests)} test images"
    need = f"the {count} take {amount(in_memory)} of memory decoded, and {amount(free)} are free"
    if not hasattr(os, "pread"):  # Windows
        raise LossmithError(f"{need}; take fewer, or smaller ones")
    on_disk = cached_bytes(train, per_pixel) + cached_bytes(
        tests, _target_bytes_per_pixel(reader) + as_floats * scale**-2
    )
    if on_disk > (room := free_disk(beside)):
        raise LossmithError(
            f"{need}; on the disk of {beside} they would take {amount(on_disk)}, and {amount(room)} are free; "
            "make room there, or take fewer images, or smaller ones"
        )
    logger.info(f"{need}, so they are decoded onto the disk of {beside}, where they take {amount(on_disk)}")
    return Storage(DiskCache(beside), threads)


def _target_bytes_per_pixel(reader: PictureReader) -> int:
    """Bytes for each pixel of a clean image."""
    return reader.pixels.channels * (4 if reader.masks_pixels else _bytes_per_value(reader.pixels))


def _bytes_per_value(pixels: PixelFormat) -> int:
    return np.dtype(pixels.dtype).itemsize if pixels.dtype in STORED_AS_THEY_ARE else 4


def _training_bytes_per_pixel(degradation: Degradation | None, scale: int, reader: PictureReader) -> float:
    """Bytes for each pixel of a clean training image: its own, and those of its predegraded image.

    The latter is stored as the files are or as float32, which is found by degrading a small random image.
    """
    pixels = reader.pixels
    clean, source = _target_bytes_per_pixel(reader), pixels.channels * _bytes_per_value(pixels)
    if degradation is None:
        return clean + source * scale**-2
    deterministic, _ = degradation.for_pixels(pixels).split_deterministic()
    if deterministic is None:
        return clean + (source if reader.masks_pixels else 0)
    side = -(-64 // degradation.scale) * degradation.scale
    image = pixels.to_stored(pixels.from_unit(torch.rand(pixels.channels, side, side)))
    try:
        degraded = pixels.compact(deterministic(pixels.to_unit(image)))
    except LossmithError:  # a function of the user's may need larger images
        return clean + 4 * pixels.channels
    return clean + degraded.nbytes / side**2


def _pixels(sizes: Sizes) -> int:
    return sum(height * width for height, width in sizes)
