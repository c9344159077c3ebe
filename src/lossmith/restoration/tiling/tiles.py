"""Which part of an image comes next, and what is needed around it: rectangles, and nothing else."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[Any]
"""One truth value per cell of an image: whether it is finished."""


@dataclass(frozen=True)
class Rectangle:
    """Rows `top` to `bottom` and columns `left` to `right`, both ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def times(self, factor: int) -> "Rectangle":
        """The same place in an image that is so many times larger."""
        return Rectangle(factor * self.top, factor * self.left, factor * self.bottom, factor * self.right)

    def within(self, outer: "Rectangle") -> "Rectangle":
        """The same place, counted from the corner of `outer`."""
        top, left = outer.top, outer.left
        return Rectangle(self.top - top, self.left - left, self.bottom - top, self.right - left)

    def overlap(self, other: "Rectangle") -> "Rectangle | None":
        """What both have in common."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Rectangle(top, left, bottom, right) if top < bottom and left < right else None

    def widened(self, by: int, within: "Rectangle") -> "Rectangle":
        """To all sides, but not out of another."""
        return Rectangle(
            max(within.top, self.top - by),
            max(within.left, self.left - by),
            min(within.bottom, self.bottom + by),
            min(within.right, self.right + by),
        )

    def grown(self, multiple: int, least: tuple[int, int]) -> "Rectangle":
        """Down and to the right, to at least `least` (height, width), and to whole multiples."""
        down, across = (
            rounded_up(max(side, shortest), multiple)
            for side, shortest in zip((self.height, self.width), least, strict=True)
        )
        return Rectangle(self.top, self.left, self.top + down, self.left + across)

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def next_tile(finished: Grid, cell: int, tall: int, wide: int, height: int, width: int) -> Rectangle | None:
    """The first part that is not finished, from the top left on, at most `tall` x `wide` pixels; None at the end.

    `finished` has one value per `cell` x `cell` pixels of an image of `height` x `width`. It does not matter how
    what is finished was cut into tiles, so the size may change on the way, and a stopped run goes on.

    >>> next_tile(np.array([[1, 0, 0], [0, 0, 0]], bool), cell=16, tall=32, wide=64, height=30, width=48)
    Rectangle(top=0, left=16, bottom=30, right=48)
    """
    if finished.all():
        return None
    row, column = divmod(int(np.argmin(finished)), finished.shape[1])
    across = _run(np.asarray(finished[row, column : column + max(1, wide // cell)]))
    down = _run(np.asarray(finished[row : row + max(1, tall // cell), column : column + across].any(axis=1)))
    bottom, right = min((row + down) * cell, height), min((column + across) * cell, width)
    return Rectangle(row * cell, column * cell, bottom, right)


def _run(finished: Grid) -> int:
    """How many values at the beginning are false."""
    return int(np.argmax(finished)) if finished.any() else len(finished)


def expand_by_halo(
    tile: Rectangle,
    halo: int,
    step: int,
    height: int,
    width: int,
    least: tuple[int, int] = (1, 1),
    fixed: bool = False,
) -> Rectangle:
    """The tile with at least `halo` pixels around it, from a step to a step, or to where the image ends.

    It is no smaller than `least` (height, width) where the image has room for that, and no larger if `fixed`;
    then a tile with its halo must have room in it.

    >>> expand_by_halo(Rectangle(16, 0, 32, 16), halo=3, step=4, height=40, width=18)
    Rectangle(top=12, left=0, bottom=36, right=18)
    """
    top, bottom = _span(tile.top, tile.bottom, halo, step, height, least[0], fixed)
    left, right = _span(tile.left, tile.right, halo, step, width, least[1], fixed)
    return Rectangle(top, left, bottom, right)


def _span(start: int, end: int, halo: int, step: int, length: int, least: int, fixed: bool) -> tuple[int, int]:
    first, last = max(0, (start - halo) // step * step), min(length, rounded_up(end + halo, step))
    if (missing := least - (last - first)) > 0:  # to both sides, or where there is image
        first = max(0, rounded_up(first - missing // 2, step))
        last = min(length, max(last, first + least))
        if last - first < least:
            first = max(0, rounded_up(last - least, step) if fixed else (last - least) // step * step)
    return first, last


def rounded_up(number: int, step: int) -> int:
    """The next multiple of a step.

    >>> rounded_up(73, 16), rounded_up(0, 16)
    (80, 0)
    """
    return -(-number // step) * step


def even_side(length: int, most: int, cell: int) -> int:
    """The side of equal tiles, at most `most` (in whole cells), that cover a length.

    >>> even_side(1000, 320, 16), even_side(100, 512, 16)
    (256, 112)
    """
    count = -(-length // max(cell, most // cell * cell))
    return -(-length // (count * cell)) * cell


def blend_weights(tile: Rectangle, around: Rectangle, height: int, width: int) -> NDArray[np.float32]:
    """Weights (around.height, around.width, 1) with which a tile and its surroundings fade into their neighbors.

    They rise from the outer edge to as far inside the tile as the surroundings reach outside it, so that two
    neighbors weigh the same where their tiles meet. Where the image ends nothing fades.
    """
    down = _blend_weight(
        around.height, tile.top - around.top, around.bottom - tile.bottom, around.bottom == height
    )
    across = _blend_weight(around.width, tile.left - around.left, around.right - tile.right, around.right == width)
    return (down[:, None] * across)[..., None].astype(np.float32)


def _blend_weight(length: int, before: int, after: int, ends: bool) -> NDArray[np.float64]:
    place = np.arange(length) + 0.5
    rise = place / (2 * before) if before else np.ones(length)
    fall = (length - place) / (2 * after) if after and not ends else np.ones(length)
    weights: NDArray[np.float64] = np.minimum(np.minimum(rise, fall), 1.0)
    return weights
