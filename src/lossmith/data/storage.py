"""Where the images of a study are kept: in memory where they fit, else on the disk of its results."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, notify
from lossmith.core.resources import amount, free_disk, free_memory
from lossmith.data.disk_cache import Kept, Shelf, stored
from lossmith.degradations import Degradation, compact, from_8bit

SHARE = 0.5
"""Of the free memory, for images; the rest is for the steps of training, and for scoring."""
AT_WORK = 100
"""Bytes per pixel of an image that is being decoded and degraded."""

Sizes = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Keeping:
    """Where images are kept, and how many are decoded at a time."""

    shelf: Shelf | None = None
    """None for memory."""
    threads: int = min(8, os.cpu_count() or 1)

    def keep(self, image: Tensor) -> Kept:
        """The image, where it is kept."""
        return image if self.shelf is None else self.shelf.put(image)


IN_MEMORY = Keeping()


def keeping(train: Sizes, tests: Sizes, degradation: Degradation | None, scale: int, beside: Path) -> Keeping:
    """How images of these sizes are kept; `degradation` is None for pairs of one's own.

    Raises LossmithError when they fit neither into memory nor on the disk of `beside`.
    """
    free = free_memory()
    if free is None:  # nobody tells
        return IN_MEMORY
    largest = max(height * width for height, width in (*train, *tests))
    threads = max(1, min(Keeping.threads, int(SHARE * free / (AT_WORK * largest))))
    levels = len(degradation.levels) if degradation is not None else 1
    in_memory = int(_pixels(train) * _kept(degradation, scale) + _pixels(tests) * 12 * levels * (1 + scale**-2))
    if in_memory <= SHARE * free:
        return Keeping(None, threads)
    count = f"{len(train)} training and {len(tests)} test images" if train else f"{len(tests)} test images"
    said = f"the {count} take {amount(in_memory)} of memory decoded, and {amount(free)} are free"
    if not hasattr(os, "pread"):  # Windows
        raise LossmithError(f"{said}; take fewer, or smaller ones")
    on_disk = stored(train, _kept(degradation, scale)) + stored(tests, 3 + 12 * levels * scale**-2)
    if on_disk > (room := free_disk(beside)):
        raise LossmithError(
            f"{said}; on the disk of {beside} they would take {amount(on_disk)}, and {amount(room)} are free; "
            "make room there, or take fewer images, or smaller ones"
        )
    notify(f"{said}, so they are decoded onto the disk of {beside}, where they take {amount(on_disk)}")
    return Keeping(Shelf(beside), threads)


def _kept(degradation: Degradation | None, scale: int) -> float:
    """Bytes for each pixel of a training image: itself, and what is made of it once, as a small one shows."""
    if degradation is None:
        return 3 + 3 * scale**-2
    first, _ = degradation.split_deterministic()
    if first is None:
        return 3
    side = -(-64 // degradation.scale) * degradation.scale
    try:
        made = compact(first(from_8bit(torch.randint(256, (3, side, side), dtype=torch.uint8))))
    except LossmithError:  # one's own function may want larger images
        return 3 + 12
    return 3 + made.nbytes / side**2


def _pixels(sizes: Sizes) -> int:
    return sum(height * width for height, width in sizes)
