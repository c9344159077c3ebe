"""Where to look: the windows of a picture in which the losses differ most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossmith.report.contents import Exhibit, Pixels

SPOTS = 3
SIDE = 64
GRAIN = 9
"""Pixels over which an error is averaged before losses are compared: the size of a visible artefact."""
FLAT = 12.0
"""8-bit levels; a window whose pixels deviate less shows no structure."""

Map = NDArray[np.float64]


@dataclass(frozen=True)
class Spot:
    """A square window: its top left corner and its side in pixels."""

    x: int
    y: int
    side: int


def find_spots(exhibit: Exhibit) -> list[Spot]:
    """Up to three windows that do not overlap, the one where the local error varies most between losses first, but
    those in which the target is flat last.

    With a single loss, or when all gave the same picture, the degraded input counts as a method; when even that
    is equal to them, the windows with the most detail in the target are taken.
    """
    height, width = exhibit.target.shape[:2]
    side = min(SIDE, height, width)
    restored = [local_error(picture, exhibit.target) for picture in exhibit.restored.values()]
    interest = _variance(restored) if restored else np.zeros((height, width))
    if not interest.any():
        interest = _variance([*restored, local_error(exhibit.degraded, exhibit.target)])
    if not interest.any():
        interest = local_error(exhibit.target, np.full_like(exhibit.target, exhibit.target.mean()))
    spots = pick_windows(box_sum(interest, side), side)
    return sorted(spots, key=lambda spot: _is_flat(exhibit.target, spot))  # what can be recognised comes first


def _is_flat(target: Pixels, spot: Spot) -> bool:
    """Whether nothing is to be seen there: sky, paper."""
    window = target[spot.y : spot.y + spot.side, spot.x : spot.x + spot.side]
    return float(window.mean(axis=2).std()) < FLAT


def absolute_error(picture: Pixels, target: Pixels) -> Map:
    """Absolute difference in 8-bit levels, averaged over the colours, (height, width)."""
    difference: Map = np.abs(picture.astype(np.float64) - target).mean(axis=2)
    return difference


def local_error(picture: Pixels, target: Pixels) -> Map:
    """The absolute error around each pixel, of the same size as the pictures."""
    grain = min(GRAIN, *target.shape[:2])
    before = grain // 2
    padded = np.pad(absolute_error(picture, target), (before, grain - 1 - before), mode="edge")
    mean: Map = box_sum(padded, grain) / grain**2
    return mean


def box_sum(values: Map, side: int) -> Map:
    """Sums over all `side` x `side` windows that lie inside, indexed by their top left corner."""
    table = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    sums: Map = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    return sums


def pick_windows(sums: Map, side: int, count: int = SPOTS) -> list[Spot]:
    """The windows with the largest sums, greedily, none overlapping another; the middle one when all are equal.

    >>> pick_windows(np.array([[1.0, 5.0, 2.0, 3.0]]), side=2)
    [Spot(x=1, y=0, side=2), Spot(x=3, y=0, side=2)]
    """
    if np.ptp(sums) <= 1e-9 * np.abs(sums).max(initial=0):
        height, width = sums.shape
        return [Spot((width - 1) // 2, (height - 1) // 2, side)]
    left = sums.copy()
    spots: list[Spot] = []
    while len(spots) < count and np.isfinite(best := left.max()) and best > 0:
        y, x = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        spots.append(Spot(x, y, side))
        left[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -np.inf
    return spots


def _variance(maps: Sequence[Map]) -> Map:
    variance: Map = np.var(maps, axis=0)
    # what is left of equal numbers after rounding is no difference
    return np.where(variance > 1e-9, variance, 0.0)
