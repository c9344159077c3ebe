"""Downsampling by 2 and its adjoint as compiled loops, plane by plane."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(nogil=True, cache=True)
def downsample_plane(images: Array, out: Array, plane: int) -> None:
    height, width = images.shape[1:]
    quarter = images.dtype.type(0.25)
    for row in range(out.shape[1]):
        upper, lower = images[plane, 2 * row], images[plane, min(2 * row + 1, height - 1)]
        into = out[plane, row]
        for column in range(np.uintp(width // 2)):
            at = np.uintp(2) * column
            after = at + np.uintp(1)
            into[column] = ((upper[at] + upper[after]) + (lower[at] + lower[after])) * quarter
        if width % 2:
            into[-1] = (upper[-1] + lower[-1]) * (quarter + quarter)


@njit(nogil=True, cache=True)
def upsample_plane_add(coarse: Array, fine: Array, by: Array, plane: int) -> None:
    height, width = fine.shape[1:]
    factor, one = by[plane], by.dtype.type(1)
    for row in range(height):
        above, into = coarse[plane, row // 2], fine[plane, row]
        times = one + one if row == height - 1 and height % 2 else one  # an odd last row was repeated
        for column in range(np.uintp(width // 2)):
            at = np.uintp(2) * column
            after = at + np.uintp(1)
            carried = times * above[column]
            into[at] = factor * into[at] + carried
            into[after] = factor * into[after] + carried
        if width % 2:
            into[-1] = factor * into[-1] + (times + times) * above[-1]
