"""Which part of a picture comes next, and what is needed around it: rectangles, and nothing else."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[Any]
"""One truth value per cell of a picture: whether it is finished."""


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
        """The same place in a picture that is so many times larger."""
        return Rectangle(factor * self.top, factor * self.left, factor * self.bottom, factor * self.right)

    def within(self, outer: "Rectangle") -> "Rectangle":
        """The same place, counted from the corner of `outer`."""
        top, left = outer.top, outer.left
        return Rectangle(self.top - top, self.left - left, self.bottom - top, self.right - left)

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


def next_tile(finished: Grid, cell: int, tall: int, wide: int, height: int, width: int) -> Rectangle | None:
    """The first part that is not finished, from the top left on, at most `tall` x `wide` pixels; None at the end.

    `finished` has one value per `cell` x `cell` pixels of a picture of `height` x `width`. It does not matter how
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


def surroundings(tile: Rectangle, halo: int, grid: int, height: int, width: int) -> Rectangle:
    """The tile with at least `halo` pixels around it, ending on the grid, or where the picture ends.

    >>> surroundings(Rectangle(16, 0, 32, 16), halo=3, grid=4, height=40, width=18)
    Rectangle(top=12, left=0, bottom=36, right=18)
    """
    return Rectangle(
        max(0, (tile.top - halo) // grid * grid),
        max(0, (tile.left - halo) // grid * grid),
        min(height, -(-(tile.bottom + halo) // grid) * grid),
        min(width, -(-(tile.right + halo) // grid) * grid),
    )


def even_side(length: int, most: int, cell: int) -> int:
    """The side of equal tiles, at most `most` (in whole cells), that cover a length.

    >>> even_side(1000, 320, 16), even_side(100, 512, 16)
    (256, 112)
    """
    count = -(-length // max(cell, most // cell * cell))
    return -(-length // (count * cell)) * cell


def ramps(tile: Rectangle, around: Rectangle, height: int, width: int) -> NDArray[np.float32]:
    """Weights (around.height, around.width, 1) with which a tile and its surroundings fade into their neighbours.

    They rise from the outer edge to as far inside the tile as the surroundings reach outside it, so that two
    neighbours weigh the same where their tiles meet. Where the picture ends nothing fades.
    """
    down = _ramp(around.height, tile.top - around.top, around.bottom - tile.bottom, around.bottom == height)
    across = _ramp(around.width, tile.left - around.left, around.right - tile.right, around.right == width)
    return (down[:, None] * across)[..., None].astype(np.float32)


def _ramp(length: int, before: int, after: int, ends: bool) -> NDArray[np.float64]:
    place = np.arange(length) + 0.5
    rise = place / (2 * before) if before else np.ones(length)
    fall = (length - place) / (2 * after) if after and not ends else np.ones(length)
    weights: NDArray[np.float64] = np.minimum(np.minimum(rise, fall), 1.0)
    return weights
