"""The compiled loops of the CPU backend: each strip of rows goes through all steps while it is in cache.

The steps: filter columns and rows, compare, filter the derivatives back. All compiled functions are in this one
file, since Numba's cache does not notice changes of a function in another file. The borders are those of
`filtering.Window`: with `same`, an image is padded with zeros and each mean is divided by the weight inside.

The loops are written so that LLVM vectorizes them, without which they take twice as long:

- Rows are passed as an array and an offset, since a view of every row would cost as much as the arithmetic.
- Offsets are unsigned, since an index that might be negative is checked at every pixel.
- Lengths are rounded up to whole vectors, `lanes`; values beyond the end of a row are zero or unused.
- Intermediate values of a row are in cells of one array, at distances that are known at compile time.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK = 128
"""Positions of a row that are compared at a time."""
VECTORS = 32
"""Lengths are multiples of this: four registers of eight numbers."""

# The rows of a cell. There is a cell for each window, and one for the luminance after them. The first four rows
# initially hold the means of u, d, u^2 and d^2.
MEAN_U, MEAN_D = np.uintp(0), np.uintp(BLOCK)
BOTTOM, PART = np.uintp(2 * BLOCK), np.uintp(3 * BLOCK)
"""The denominator of a factor, and 1 - the factor."""
OTHERS = np.uintp(4 * BLOCK)
"""The product of all other factors."""
SO_FAR = np.uintp(5 * BLOCK)
"""The cumulative product over cells, which the derivatives overwrite."""
BY_MEANS, BY_UU, BY_DD = np.uintp(5 * BLOCK), np.uintp(6 * BLOCK), np.uintp(7 * BLOCK)
CELL = 8 * BLOCK
BACK = np.uintp(CELL)

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function so that sums may be reordered for vectorization; NaN and infinity keep their meaning.

    Functions are inlined into their callers. Otherwise each is compiled twice, alone and with its caller, with
    different rounding, and which of the two is called would depend on the state of Numba's cache.
    """
    options: dict[str, Any] = {"nogil": True, "cache": True, "forceinline": True, "error_model": "numpy"}
    dispatcher: F = njit(fastmath={"reassoc", "contract", "nsz"}, **options)(function)
    return dispatcher


def scratch_buffers(rows: int, width: int, windows: int, reach: int, dtype: Any) -> tuple[Array, Array]:
    """The buffers of a thread for a strip of this many rows: maps of pixels, and of derivatives."""
    maps = np.zeros((4, rows + 4 * reach, lanes(width)), dtype)
    return maps, np.zeros((3 * windows, rows + 6 * reach, lanes(width)), dtype)


@compiled
def lanes(length: int) -> int:
    return -(-length // VECTORS) * VECTORS


@compiled
def strip(
    x: Array,
    y: Array,
    gradient: Array,
    taps: Array,
    reaches: Array,
    row_scales: Array,
    column_scales: Array,
    center_u: Array,
    center_d: Array,
    constants: Array,
    luminance: bool,
    same: bool,
    maps: Array,
    slopes: Array,
    plane: int,
    top: int,
    bottom: int,
) -> float:
    """Write a strip's rows of the gradient and return the sum over its positions.

    `maps` and `slopes` are from `scratch_buffers`. All indices but those of `x`, `y` and `gradient` are of the
    padded image, in which the mean at row r is over the rows r to r + 2 reach.
    """
    height, width = x.shape[1:]
    count, reach = len(reaches), reaches[-1]
    margin = reach if same else 0
    wanted = gradient.shape[0] > 0
    outputs = height + 2 * margin - 2 * reach
    across = width + 2 * margin - 2 * reach
    first, last = top, min(bottom, outputs)  # the positions of this strip
    own = (first, last)
    if wanted:  # its pixels are under windows that begin up to 2 reach above it
        first, last = max(top + margin - 2 * reach, 0), min(bottom + margin, outputs)
    if first >= last:
        return 0.0
    u, d = center_u[plane], center_d[plane]
    for row in range(last - first + 2 * reach):
        source = first + row - margin
        if 0 <= source < height:
            _prepare(x, y, plane, source, u, d, maps, row)
        else:
            _clear(maps, row)
    # a row of column sums, between the zeros that pad the image, or all positions
    apart = maps.shape[2] + 2 * margin
    pixels = np.zeros(4 * count * apart + 2 * reach + BLOCK, dtype=x.dtype)
    cells = np.zeros((count + 1) * CELL, dtype=x.dtype)
    factors = count + 1 if luminance else count
    total = 0.0
    for row in range(first, last):
        for k in range(count):
            for m in range(4):
                _down(maps, m, row - first, taps, k, reaches[k], pixels, np.uintp((4 * k + m) * apart + margin))
        for start in range(0, across, BLOCK):
            length = min(BLOCK, across - start)
            for k in range(count):
                for m in range(4):
                    begin, place = (4 * k + m) * apart + start, k * CELL + m * BLOCK
                    _across(pixels, np.uintp(begin), taps, k, reaches[k], cells, np.uintp(place), lanes(length))
                    if same:
                        _scale(cells, np.uintp(place), length, row_scales[k, row], column_scales, k, start)
                _contrast(cells, np.uintp(k * CELL), lanes(length), constants[1])
            if luminance:
                _lightness(cells, np.uintp(count * CELL), lanes(length), u, d, constants[0])
            if own[0] <= row < own[1]:
                total += _one_minus_product(cells, factors, length)
            if wanted:
                _products_of_others(cells, factors, lanes(length))
                for k in range(count):
                    _slopes(cells, np.uintp(k * CELL), lanes(length))
                    if luminance and k == count - 1:
                        _tilt(cells, np.uintp(count * CELL), lanes(length), u, d)
                    _keep(
                        cells, k, length, row_scales[k, row], column_scales, slopes, row - first + 2 * reach, start
                    )
    if wanted:
        for row in range(2 * reach):
            _clear(slopes, row)
            _clear(slopes, last - first + 2 * reach + row)
        stride = maps.shape[2]
        carried = np.empty(3 * count * stride, dtype=x.dtype)
        positions = np.zeros(slopes.shape[2] + 4 * reach + VECTORS, dtype=x.dtype)
        for pixel in range(top, bottom):
            row = pixel + margin - first
            for m in range(3):
                for k in range(count):
                    _down(slopes, 3 * k + m, row, taps, k, reaches[k], positions, np.uintp(2 * reach))
                    into = np.uintp((3 * k + m) * stride)
                    _across(positions, np.uintp(margin), taps, k, reaches[k], carried, into, stride)
                    if k:
                        _add(carried, m * stride, (3 * k + m) * stride, stride)
            _combine(carried, stride, maps, row, constants[2], gradient, plane, pixel)
    return total


@compiled
def _clear(maps: Array, row: int) -> None:
    for m in range(maps.shape[0]):
        for c in range(maps.shape[2]):
            maps[m, row, c] = 0


@compiled
def _prepare(
    x: Array, y: Array, plane: int, source: int, center_u: Any, center_d: Any, maps: Array, row: int
) -> None:
    for c in range(x.shape[2]):
        u = x[plane, source, c] + y[plane, source, c] - center_u
        d = x[plane, source, c] - y[plane, source, c] - center_d
        maps[0, row, c] = u
        maps[1, row, c] = d
        maps[2, row, c] = u * u
        maps[3, row, c] = d * d


@compiled
def _down(source: Array, m: int, row: int, taps: Array, k: int, reach: int, out: Array, start: Any) -> None:
    """Weighted sums down the columns of source[m], from `row` on; taps are symmetric about their middle."""
    width = np.uintp(source.shape[2])
    at = taps.shape[1] // 2
    middle = row + at
    t0, done = taps[k, at], 0
    if reach >= 5:
        t1, t2, t3, t4, t5 = taps[k, at + 1], taps[k, at + 2], taps[k, at + 3], taps[k, at + 4], taps[k, at + 5]
        done = 5
        for c in range(width):
            near = t1 * (source[m, middle - 1, c] + source[m, middle + 1, c])
            far = t2 * (source[m, middle - 2, c] + source[m, middle + 2, c])
            near += t3 * (source[m, middle - 3, c] + source[m, middle + 3, c])
            far += t4 * (source[m, middle - 4, c] + source[m, middle + 4, c])
            near += t5 * (source[m, middle - 5, c] + source[m, middle + 5, c])
            out[c + start] = t0 * source[m, middle, c] + near + far
    else:
        for c in range(width):
            out[c + start] = t0 * source[m, middle, c]
    while done + 3 <= reach:
        i, j, l = done + 1, done + 2, done + 3
        t1, t2, t3 = taps[k, at + i], taps[k, at + j], taps[k, at + l]
        for c in range(width):
            near = source[m, middle - i, c] + source[m, middle + i, c]
            far = source[m, middle - j, c] + source[m, middle + j, c]
            out[c + start] += t1 * near + t2 * far + t3 * (source[m, middle - l, c] + source[m, middle + l, c])
        done += 3
    while done < reach:
        done += 1
        t1 = taps[k, at + done]
        for c in range(width):
            out[c + start] += t1 * (source[m, middle - done, c] + source[m, middle + done, c])


@compiled
def _across(
    source: Array, begin: Any, taps: Array, k: int, reach: int, out: Array, place: Any, length: int
) -> None:
    """Weighted sums along a row, whose first window begins at `begin`."""
    at = taps.shape[1] // 2
    middle, width = begin + np.uintp(at), np.uintp(length)
    t0, done = taps[k, at], 0
    if reach >= 5:
        t1, t2, t3, t4, t5 = taps[k, at + 1], taps[k, at + 2], taps[k, at + 3], taps[k, at + 4], taps[k, at + 5]
        done = 5
        a, b, e, f = middle - np.uintp(1), middle + np.uintp(1), middle - np.uintp(2), middle + np.uintp(2)
        g, h, i, j = middle - np.uintp(3), middle + np.uintp(3), middle - np.uintp(4), middle + np.uintp(4)
        p, q = middle - np.uintp(5), middle + np.uintp(5)
        for c in range(width):
            near, far = t1 * (source[c + a] + source[c + b]), t2 * (source[c + e] + source[c + f])
            near, far = near + t3 * (source[c + g] + source[c + h]), far + t4 * (source[c + i] + source[c + j])
            out[c + place] = t0 * source[c + middle] + near + far + t5 * (source[c + p] + source[c + q])
    else:
        for c in range(width):
            out[c + place] = t0 * source[c + middle]
    while done + 3 <= reach:
        t1, t2, t3 = taps[k, at + done + 1], taps[k, at + done + 2], taps[k, at + done + 3]
        a, b = middle - np.uintp(done + 1), middle + np.uintp(done + 1)
        e, f = middle - np.uintp(done + 2), middle + np.uintp(done + 2)
        g, h = middle - np.uintp(done + 3), middle + np.uintp(done + 3)
        for c in range(width):
            near, far = source[c + a] + source[c + b], source[c + e] + source[c + f]
            out[c + place] += t1 * near + t2 * far + t3 * (source[c + g] + source[c + h])
        done += 3
    while done < reach:
        done += 1
        t1, a, b = taps[k, at + done], middle - np.uintp(done), middle + np.uintp(done)
        for c in range(width):
            out[c + place] += t1 * (source[c + a] + source[c + b])


@compiled
def _scale(cells: Array, place: Any, length: int, by: Any, columns: Array, k: int, start: int) -> None:
    first = np.uintp(start)
    for c in range(np.uintp(length)):
        cells[place + c] *= by * columns[k, first + c]


@compiled
def _contrast(cells: Array, cell: Any, length: int, c2: Any) -> None:
    zero = c2 - c2
    for c in range(np.uintp(length)):
        at = cell + c
        m, n = cells[at], cells[at + MEAN_D]
        v = cells[at + BOTTOM] - m * m
        w = cells[at + PART] - n * n
        v = zero if v < zero else v
        w = zero if w < zero else w
        bottom = v + w + c2
        cells[at + BOTTOM] = bottom
        cells[at + PART] = (w + w) / bottom


@compiled
def _lightness(cells: Array, cell: Any, length: int, center_u: Any, center_d: Any, c1: Any) -> None:
    for c in range(np.uintp(length)):
        at = cell + c
        mean, difference = cells[at - BACK] + center_u, cells[at - BACK + MEAN_D] + center_d
        squared = difference * difference
        bottom = mean * mean + squared + c1
        cells[at + BOTTOM] = bottom
        cells[at + PART] = (squared + squared) / bottom


@compiled
def _one_minus_product(cells: Array, factors: int, length: int) -> float:
    """The sum over a row of 1 - the product of the factors."""
    summed, last = 0.0, np.uintp((factors - 1) * CELL) + SO_FAR
    for c in range(np.uintp(length)):
        cells[SO_FAR + c] = cells[PART + c]
    for k in range(1, factors):
        cell = np.uintp(k * CELL)
        for c in range(np.uintp(length)):
            at = cell + c
            before = cells[at - BACK + SO_FAR]
            cells[at + SO_FAR] = before + cells[at + PART] - before * cells[at + PART]
    for c in range(np.uintp(length)):
        summed += cells[last + c]
    return summed


@compiled
def _products_of_others(cells: Array, factors: int, length: int) -> None:
    """For every factor the product of all others: of those before it, times those after it."""
    last = np.uintp((factors - 1) * CELL) + SO_FAR
    for c in range(np.uintp(length)):
        cells[OTHERS + c] = 1
        cells[last + c] = 1
    for k in range(1, factors):
        cell = np.uintp(k * CELL)
        for c in range(np.uintp(length)):
            at = cell + c
            before = cells[at - BACK + OTHERS]
            cells[at + OTHERS] = before - before * cells[at - BACK + PART]
    for k in range(factors - 1, 0, -1):
        cell = np.uintp(k * CELL)
        for c in range(np.uintp(length)):
            at = cell + c
            after = cells[at + SO_FAR]
            cells[at + OTHERS] *= after
            cells[at - BACK + SO_FAR] = after - after * cells[at + PART]
    for c in range(np.uintp(length)):
        cells[OTHERS + c] *= cells[SO_FAR + c]


@compiled
def _slopes(cells: Array, cell: Any, length: int) -> None:
    for c in range(np.uintp(length)):
        at = cell + c
        scale = cells[at + OTHERS] / cells[at + BOTTOM]
        by_uu = -cells[at + PART] * scale
        by_dd = scale + scale + by_uu
        half = cells[at] * by_uu + cells[at + MEAN_D] * by_dd
        cells[at + BY_MEANS] = -(half + half)
        cells[at + BY_UU] = by_uu
        cells[at + BY_DD] = by_dd


@compiled
def _tilt(cells: Array, cell: Any, length: int, center_u: Any, center_d: Any) -> None:
    for c in range(np.uintp(length)):
        at = cell + c
        m, n = cells[at - BACK] + center_u, cells[at - BACK + MEAN_D] + center_d
        half = (n + n - cells[at + PART] * (n + m)) / cells[at + BOTTOM] * cells[at + OTHERS]
        cells[at - BACK + BY_MEANS] += half + half


@compiled
def _keep(cells: Array, k: int, length: int, by: Any, columns: Array, slopes: Array, row: int, start: int) -> None:
    first = np.uintp(start)
    for m in range(3):
        place, to = np.uintp(k * CELL + m * BLOCK) + BY_MEANS, 3 * k + m
        for c in range(np.uintp(length)):
            slopes[to, row, first + c] = cells[place + c] * (by * columns[k, first + c])


@compiled
def _add(rows: Array, to: int, piece: int, length: int) -> None:
    here, there = np.uintp(to), np.uintp(piece)
    for c in range(np.uintp(length)):
        rows[here + c] += rows[there + c]


@compiled
def _combine(
    carried: Array, stride: int, maps: Array, row: int, share: Any, out: Array, plane: int, pixel: int
) -> None:
    one, two = np.uintp(stride), np.uintp(2 * stride)
    for c in range(np.uintp(out.shape[2])):
        half = maps[0, row, c] * carried[one + c] + maps[1, row, c] * carried[two + c]
        out[plane, pixel, c] = share * (carried[c] + half + half)
