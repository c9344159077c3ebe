"""Geometry of tiles: which tile comes next, its halo and its blend weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[Any]
"""One truth value per cell of an image: whether the cell is finished."""


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
        """The rectangle in an image that is `factor` times as large."""
        return Rectangle(factor * self.top, factor * self.left, factor * self.bottom, factor * self.right)

    def within(self, outer: "Rectangle") -> "Rectangle":
        """The rectangle in coordinates relative to the corner of `outer`."""
        top, left = outer.top, outer.left
        return Rectangle(self.top - top, self.left - left, self.bottom - top, self.right - left)

    def overlap(self, other: "Rectangle") -> "Rectangle | None":
        """The intersection; None where it is empty."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Rectangle(top, left, bottom, right) if top < bottom and left < right else None

    def widened(self, by: int, within: "Rectangle") -> "Rectangle":
        """Widened on all sides by `by` pixels, clipped to `within`."""
        return Rectangle(
            max(within.top, self.top - by),
            max(within.left, self.left - by),
            min(within.bottom, self.bottom + by),
            min(within.right, self.right + by),
        )

    def grown(self, multiple_of: int, minimum: tuple[int, int]) -> "Rectangle":
        """Extended down and right to at least `minimum` (height, width), and to multiples of `multiple_of`."""
        down, across = (
            rounded_up(max(side, min_side), multiple_of)
            for side, min_side in zip((self.height, self.width), minimum, strict=True)
        )
        return Rectangle(self.top, self.left, self.top + down, self.left + across)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of its rows and columns into an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def next_tile(finished: Grid, cell: int, tall: int, wide: int, height: int, width: int) -> Rectangle | None:
    """The first tile from the top left that is not finished, at most `tall` x `wide` pixels; None at the end.

    `finished` has one value per `cell` x `cell` pixels of an image of `height` x `width`. The tiles of which the
    finished part was made do not matter, so the tile size can change, and a stopped run is resumed.

    >>> next_tile(np.array([[1, 0, 0], [0, 0, 0]], bool), cell=16, tall=32, wide=64, height=30, width=48)
    Rectangle(top=0, left=16, bottom=30, right=48)
    """
    if finished.all():
        return None
    row, column = divmod(int(np.argmin(finished)), finished.shape[1])
    across = _unfinished_length(np.asarray(finished[row, column : column + max(1, wide // cell)]))
    down = _unfinished_length(
        np.asarray(finished[row : row + max(1, tall // cell), column : column + across].any(axis=1))
    )
    bottom, right = min((row + down) * cell, height), min((column + across) * cell, width)
    return Rectangle(row * cell, column * cell, bottom, right)


def _unfinished_length(finished: Grid) -> int:
    """The number of leading false values."""
    return int(np.argmax(finished)) if finished.any() else len(finished)


def expand_by_halo(
    tile: Rectangle,
    halo: int,
    step: int,
    height: int,
    width: int,
    minimum: tuple[int, int] = (1, 1),
    fixed: bool = False,
) -> Rectangle:
    """The tile with at least `halo` pixels around it, aligned to multiples of `step` or clipped at the image.

    It is at least `minimum` (height, width) large where the image is, and exactly so if `fixed`; then the tile and
    its halo must fit into it.

    >>> expand_by_halo(Rectangle(16, 0, 32, 16), halo=3, step=4, height=40, width=18)
    Rectangle(top=12, left=0, bottom=36, right=18)
    """
    top, bottom = _span(tile.top, tile.bottom, halo, step, height, minimum[0], fixed)
    left, right = _span(tile.left, tile.right, halo, step, width, minimum[1], fixed)
    return Rectangle(top, left, bottom, right)


def _span(start: int, end: int, halo: int, step: int, length: int, minimum: int, fixed: bool) -> tuple[int, int]:
    first, last = max(0, (start - halo) // step * step), min(length, rounded_up(end + halo, step))
    if (missing := minimum - (last - first)) > 0:  # grow to both sides, or to the one where there is image
        first = max(0, rounded_up(first - missing // 2, step))
        last = min(length, max(last, first + minimum))
        if last - first < minimum:
            first = max(0, rounded_up(last - minimum, step) if fixed else (last - minimum) // step * step)
    return first, last


def rounded_up(number: int, step: int) -> int:
    """The number rounded up to a multiple of `step`.

    >>> rounded_up(73, 16), rounded_up(0, 16)
    (80, 0)
    """
    return -(-number // step) * step


def even_side(length: int, max_side: int, cell: int) -> int:
    """The side, in whole cells and at most `max_side`, of the fewest equal tiles that cover `length`.

    >>> even_side(1000, 320, 16), even_side(100, 512, 16)
    (256, 112)
    """
    count = -(-length // max(cell, max_side // cell * cell))
    return -(-length // (count * cell)) * cell


def blend_weights(tile: Rectangle, around: Rectangle, height: int, width: int) -> NDArray[np.float32]:
    """Weights (around.height, around.width, 1) that blend a tile, widened to `around`, with its neighbors.

    They rise linearly from the outer edge to as far inside the tile as `around` reaches outside it, so that two
    neighbors have equal weight where their tiles meet. They stay 1 where the image ends.
    """
    down = _blend_weight(
        around.height, tile.top - around.top, around.bottom - tile.bottom, around.bottom == height
    )
    across = _blend_weight(around.width, tile.left - around.left, around.right - tile.right, around.right == width)
    return (down[:, None] * across)[..., None].astype(np.float32)


def _blend_weight(length: int, before: int, after: int, at_end: bool) -> NDArray[np.float64]:
    position = np.arange(length) + 0.5
    rise = position / (2 * before) if before else np.ones(length)
    fall = (length - position) / (2 * after) if after and not at_end else np.ones(length)
    weights: NDArray[np.float64] = np.minimum(np.minimum(rise, fall), 1.0)
    return weights
