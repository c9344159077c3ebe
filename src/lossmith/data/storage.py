"""Where the images of a study are stored: in memory if they fit, else on the disk."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.resources import amount, free_disk, free_memory
from lossmith.data.disk_cache import DiskCache, StoredImage, cached_bytes
from lossmith.degradations import Degradation, compact, from_8bit

logger = logging.getLogger(__name__)

MEMORY_SHARE = 0.5
"""Of the free memory, for images; the rest is for the steps of training and for scoring."""
DECODING_BYTES_PER_PIXEL = 100
"""Memory that an image takes while it is decoded and degraded."""

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
    train: Sizes, tests: Sizes, degradation: Degradation | None, scale: int, beside: Path
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

    Raises
    ------
    LossmithError
        When the images fit neither into memory nor on the disk.
    """
    free = free_memory()
    if free is None:  # this platform does not tell
        return IN_MEMORY
    largest = max(height * width for height, width in (*train, *tests))
    threads = max(1, min(Storage.threads, int(MEMORY_SHARE * free / (DECODING_BYTES_PER_PIXEL * largest))))
    levels = len(degradation.levels) if degradation is not None else 1
    per_pixel = _training_bytes_per_pixel(degradation, scale)
    in_memory = int(_pixels(train) * per_pixel + _pixels(tests) * 12 * levels * (1 + scale**-2))
    if in_memory <= MEMORY_SHARE * free:
        return Storage(None, threads)
    count = f"{len(train)} training and {len(tests)} test images" if train else f"{len(tests)} test images"
    need = f"the {count} take {amount(in_memory)} of memory decoded, and {amount(free)} are free"
    if not hasattr(os, "pread"):  # Windows
        raise LossmithError(f"{need}; take fewer, or smaller ones")
    on_disk = cached_bytes(train, per_pixel) + cached_bytes(tests, 3 + 12 * levels * scale**-2)
    if on_disk > (room := free_disk(beside)):
        raise LossmithError(
            f"{need}; on the disk of {beside} they would take {amount(on_disk)}, and {amount(room)} are free; "
            "make room there, or take fewer images, or smaller ones"
        )
    logger.info(f"{need}, so they are decoded onto the disk of {beside}, where they take {amount(on_disk)}")
    return Storage(DiskCache(beside), threads)


def _training_bytes_per_pixel(degradation: Degradation | None, scale: int) -> float:
    """Bytes for each pixel of a clean training image: its own, and those of its predegraded image.

    The latter is uint8 or float32, which is found by degrading a small random image.
    """
    if degradation is None:
        return 3 + 3 * scale**-2
    deterministic, _ = degradation.split_deterministic()
    if deterministic is None:
        return 3
    side = -(-64 // degradation.scale) * degradation.scale
    try:
        degraded = compact(deterministic(from_8bit(torch.randint(256, (3, side, side), dtype=torch.uint8))))
    except LossmithError:  # a function of the user's may need larger images
        return 3 + 12
    return 3 + degraded.nbytes / side**2


def _pixels(sizes: Sizes) -> int:
    return sum(height * width for height, width in sizes)
