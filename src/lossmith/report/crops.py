"""Selection of the image windows in which the losses differ most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossmith.report.data import ImageComparison, Pixels

CROPS = 3
SIDE = 64
GRAIN = 9
"""Pixels over which an error is averaged before losses are compared: the size of a visible artefact."""
FLAT = 12.0
"""8-bit levels; a window whose pixels deviate less shows no structure."""

Map = NDArray[np.float64]


@dataclass(frozen=True)
class Crop:
    """A square window: its top left corner and its side in pixels."""

    x: int
    y: int
    side: int


def find_crops(comparison: ImageComparison, longest: int = SIDE) -> list[Crop]:
    """Up to three windows that do not overlap, the one where the local error varies most between losses first, but
    those in which the target is flat last. Their side is `longest`, or that of a smaller image.

    With a single loss, or when all gave the same image, the degraded input counts as a method; when even that
    is equal to them, the windows with the most detail in the target are taken.
    """
    height, width = comparison.target.shape[:2]
    side = min(longest, height, width)
    restored = [local_error(image, comparison.target) for image in comparison.restored.values()]
    interest = _variance(restored) if restored else np.zeros((height, width))
    if not interest.any() and comparison.degraded is not None:
        interest = _variance([*restored, local_error(comparison.degraded, comparison.target)])
    if not interest.any():
        interest = local_error(comparison.target, np.full_like(comparison.target, comparison.target.mean()))
    crops = pick_windows(box_sum(interest, side), side)
    return sorted(crops, key=lambda crop: _is_flat(comparison.target, crop))  # windows with structure come first


def _is_flat(target: Pixels, crop: Crop) -> bool:
    """Whether the target has no structure in this window, as in sky."""
    window = target[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    return float(window.mean(axis=2).std()) < FLAT


def absolute_error(image: Pixels, target: Pixels) -> Map:
    """Absolute difference in 8-bit levels, averaged over the colors, (height, width)."""
    difference: Map = np.abs(image.astype(np.float64) - target).mean(axis=2)
    return difference


def local_error(image: Pixels, target: Pixels) -> Map:
    """The absolute error averaged around each pixel, (height, width)."""
    grain = min(GRAIN, *target.shape[:2])
    before = grain // 2
    padded = np.pad(absolute_error(image, target), (before, grain - 1 - before), mode="edge")
    mean: Map = box_sum(padded, grain) / grain**2
    return mean


def box_sum(values: Map, side: int) -> Map:
    """Sums over all `side` x `side` windows that lie inside, indexed by their top left corner."""
    table = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums: Map = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    return sums


def pick_windows(sums: Map, side: int, count: int = CROPS) -> list[Crop]:
    """The windows with the largest sums, greedily, none overlapping another; the middle one when all are equal.

    >>> pick_windows(np.array([[1.0, 5.0, 2.0, 3.0]]), side=2)
    [Crop(x=1, y=0, side=2), Crop(x=3, y=0, side=2)]
    """
    if np.ptp(sums) <= 1e-9 * np.abs(sums).max(initial=0):
        height, width = sums.shape
        return [Crop((width - 1) // 2, (height - 1) // 2, side)]
    left = sums.copy()
    crops: list[Crop] = []
    while len(crops) < count and np.isfinite(best := left.max()) and best > 0:
        y, x = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        crops.append(Crop(x, y, side))
        left[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -np.inf
    return crops


def _variance(maps: Sequence[Map]) -> Map:
    variance: Map = np.var(maps, axis=0)
    # rounding errors of equal numbers are not a difference
    return np.where(variance > 1e-9, variance, 0.0)
