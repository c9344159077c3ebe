"""Selection of the images and windows in which the losses differ most to the eye."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np
from numpy.typing import NDArray

from lossmith.evaluation.results import DEGRADED
from lossmith.metrics.luma import BT601
from lossmith.report.data import ImageComparison, Pixels
from lossmith.report.display import shows_as_is

CROPS = 3
SIDE = 64
GRAIN = 9
"""Pixels over which brightness and errors are averaged: the size of a visible artefact."""
FLAT = 12.0
"""8-bit levels; a window whose pixels deviate less shows little structure."""
FAINT = 8.0
"""8-bit levels; detail of the target below this contrast hides nothing that lies over it."""
BLACK = 48.0
"""8-bit levels; differences in what is darker are hard to see on a screen."""

Map = NDArray[np.float64]


@dataclass(frozen=True)
class Crop:
    """A square window: its top left corner and its side in pixels."""

    x: int
    y: int
    side: int


def find_crops(comparison: ImageComparison, longest: int = SIDE) -> list[Crop]:
    """Up to three windows that do not overlap, the one where the losses differ most visibly first.

    Their side is `longest`, or that of a smaller image. Differences of structure count, see
    `structural_difference`, and windows in which the target is flat, as in sky, count less. Where the losses have
    the same structure, differences of color and brightness count. With a single loss, or when all gave the same
    image, the degraded input counts as a method; when even that is equal to them, the windows with the most detail
    in the target are taken.
    """
    side = min(longest, *comparison.target.shape[:2])
    interest = _interest(comparison) * lightness(comparison)
    return pick_windows(box_sum(interest, side) * visibility(comparison.target, side), side)


def visible_difference(comparison: ImageComparison) -> float:
    """How much the structure of the losses' images differs in the window where it does most, in 8-bit levels.

    A single loss is compared with the degraded input.
    """
    images = list(comparison.restored.values())
    if len(images) < 2 and comparison.degraded is not None:
        images.append(comparison.degraded)
    if not images:
        return 0.0
    side = min(SIDE, *comparison.target.shape[:2])
    difference = structural_difference(images, comparison.target) * lightness(comparison)
    means = box_sum(difference, side) / side**2
    return float(np.max(means * visibility(comparison.target, side)))


def most_different(comparisons: Iterable[ImageComparison], count: int) -> list[ImageComparison]:
    """The test images in which the losses differ most visibly, the first one most; no more are kept in memory."""
    return nlargest(count, comparisons, key=visible_difference)


def structural_difference(images: Sequence[Pixels], target: Pixels) -> Map:
    """How visibly the detail of several images of one scene differs around each pixel, (height, width), in levels.

    The variance between the images of what a local mean leaves of their luma, averaged around each pixel, over the
    contrast of the target's detail there, behind which differences hide. A color cast or a shift of brightness has
    no detail; blur, noise, ringing and blocks have. Colors that one image lost in some place count, too.
    """
    hidden_by = np.sqrt(local_mean(detail(target) ** 2) + FAINT**2)
    difference: Map = local_mean(_variance([detail(image) for image in images])) / hidden_by
    return difference + sum(_variance([colors[axis] for colors in map(hues, images)]) for axis in (0, 1)) / FAINT


def visibility(target: Pixels, side: int) -> Map:
    """The weight of every window that lies inside, by its top left corner: 1 with structure, 0.1 without any."""
    gray = luma(target)
    mean, square = (box_sum(values, side) / side**2 for values in (gray, gray**2))
    weight: Map = np.clip(np.sqrt(np.maximum(0.0, square - mean**2)) / FLAT, 0.1, 1.0)
    return weight


def lightness(comparison: ImageComparison) -> Map:
    """The weight of every pixel, (height, width): 1 but in the dark, with which pictures in a window are filled.

    Photographs of 8 bits have little of it, and there it counts in full.
    """
    target = comparison.target
    if shows_as_is(comparison.display.pixels):
        return np.ones(target.shape[:2])
    weight: Map = np.clip(local_mean(luma(target)) / BLACK, 0.05, 1.0)
    return weight


def luma(image: Pixels) -> Map:
    """The brightness in 8-bit levels, (height, width)."""
    brightness: Map = image @ np.asarray(BT601)
    return brightness


def detail(image: Pixels) -> Map:
    """What a local mean leaves of the brightness, (height, width), in 8-bit levels."""
    gray = luma(image)
    return gray - local_mean(gray)


def hues(image: Pixels) -> tuple[Map, Map]:
    """Red and blue without brightness and without the image's own cast, averaged locally, in 8-bit levels."""
    gray = luma(image)
    red, blue = (local_mean(image[..., channel] - gray) for channel in (0, 2))
    return red - red.mean(), blue - blue.mean()


def _interest(comparison: ImageComparison) -> Map:
    """How much each pixel is worth looking at, (height, width)."""
    target, restored = comparison.target, list(comparison.restored.values())
    both = [*restored, comparison.degraded] if comparison.degraded is not None else restored
    for images in (restored, both):
        for difference in (structural_difference, _difference_of_errors):
            if len(images) > 1 and (interest := difference(images, target)).any():
                return interest
    return local_error(target, np.full_like(target, target.mean()))


def _difference_of_errors(images: Sequence[Pixels], target: Pixels) -> Map:
    return _variance([local_error(image, target) for image in images])


def absolute_error(image: Pixels, target: Pixels) -> Map:
    """Absolute difference in 8-bit levels, averaged over the colors, (height, width)."""
    difference: Map = np.abs(image.astype(np.int16) - target) @ np.full(3, 1 / 3)
    return difference


def error_of(comparison: ImageComparison, method: str) -> Map:
    """The absolute error of a loss, or of the degraded image as `DEGRADED`, in the unit of the files.

    It is averaged over the channels, (height, width), and NaN where pixels do not count.
    """
    if comparison.errors:
        return comparison.errors[method].astype(np.float64)
    degraded = comparison.degraded
    image = degraded if method == DEGRADED and degraded is not None else comparison.restored[method]
    return absolute_error(image, comparison.target)


def local_error(image: Pixels, target: Pixels) -> Map:
    """The absolute error averaged around each pixel, (height, width)."""
    return local_mean(absolute_error(image, target))


def local_mean(values: Map) -> Map:
    """The mean of `GRAIN` x `GRAIN` values around each; those at the border are repeated beyond it."""
    grain = min(GRAIN, *values.shape)
    before = grain // 2
    padded = np.pad(values, (before, grain - 1 - before), mode="edge")
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
