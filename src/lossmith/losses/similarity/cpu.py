"""The dissimilarity of planes and its gradient as one compiled loop for the CPU (needs Numba).

A strip of rows is taken through all steps while it is in cache: filter down and across, compare, filter the slopes
back. Strips share no memory, so the result does not depend on how many threads there are. The borders are those of
`windows`: with `same`, a picture is surrounded by zeros and each mean divided by the weight that lies inside.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from lossmith.losses.similarity.formulas import centre_of
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.windows import inside
from lossmith.losses.windows import gaussian

Array = NDArray[Any]

STRIP = 2**16
"""Pixels that a strip has about."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Sums may be reordered and contracted, to fill the vector registers; NaN and infinity stay what they are."""
    options: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
    made: F = njit(fastmath={"reassoc", "contract", "nsz"}, **options)(function)
    return made


def sweep(x: Tensor, y: Tensor, plan: Plan, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """The dissimilarity of (P, H, W) planes summed over positions, (P,), and if `slopes` its gradient by x."""
    planes, height, width = x.shape
    gradient = torch.empty_like(x) if slopes else None
    shared: tuple[Any, ...] = (
        x.numpy(),
        y.numpy(),
        (x.new_empty(0, 0, 0) if gradient is None else gradient).numpy(),
        *_windows(plan, x),
        *(each.flatten().numpy() for each in centre_of(x, y)),
        np.array([2 * plan.constants.c1, 2 * plan.constants.c2], dtype=x.numpy().dtype),
        plan.luminance,
        plan.same,
    )
    strips = max(1, round(height * width / STRIP))
    rows = -(-height // strips)
    tasks = [(plane, top, min(top + rows, height)) for plane in range(planes) for top in range(0, height, rows)]
    sums = np.zeros(len(tasks))
    left = iter(list(enumerate(tasks)))  # whoever is free takes the next, as torch's own threads may hold a core

    def work(*_: object) -> None:
        for index, task in left:
            sums[index] = _strip(*(*shared, *task))

    helpers = min(torch.get_num_threads(), len(tasks)) - 1
    others = _pool(os.getpid(), helpers).map(work, range(helpers)) if helpers else ()
    work()
    list(others)
    return torch.from_numpy(sums.reshape(planes, -1).sum(1)).to(x.dtype), gradient


def _windows(plan: Plan, x: Tensor) -> tuple[Array, Array, Array, Array]:
    """Taps (K, side) amid zeros, their reaches, and what a mean is multiplied by in each row and column."""
    height, width = x.shape[1:]
    taps = [gaussian(sigma, side, x) for sigma, side in plan.windows]
    reach = len(taps[-1]) // 2
    table = torch.stack([torch.nn.functional.pad(each, (reach - len(each) // 2,) * 2) for each in taps])
    scales = []
    for length in (height, width):
        ones = x.new_ones(len(taps), length - plan.lost)
        scales.append(1 / torch.stack([inside(length, each) for each in taps]) if plan.same else ones)
    reaches = np.array([len(each) // 2 for each in taps])
    return table.numpy(), reaches, scales[0].numpy(), scales[1].numpy()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One for each process: threads do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="lossmith")


@compiled
def _strip(
    x: Array,
    y: Array,
    gradient: Array,
    taps: Array,
    reaches: Array,
    row_scales: Array,
    column_scales: Array,
    centre_u: Array,
    centre_d: Array,
    constants: Array,
    luminance: bool,
    same: bool,
    plane: int,
    top: int,
    bottom: int,
) -> float:
    """One strip: writes its rows of the gradient, returns the sum over the positions that it owns.

    All indices but those of `x`, `y` and `gradient` are of the padded picture, in which the mean at row r is over
    the rows r to r + 2 reach.
    """
    height, width = x.shape[1:]
    count, reach = len(reaches), reaches[-1]
    margin = reach if same else 0
    wanted = gradient.shape[0] > 0
    outputs = height + 2 * margin - 2 * reach
    across = width + 2 * margin - 2 * reach
    first, last = top, min(bottom, outputs)  # the positions that are the strip's own
    own = (first, last)
    if wanted:  # its pixels are under windows that begin up to 2 reach above
        first, last = max(top + margin - 2 * reach, 0), min(bottom + margin, outputs)
    if first >= last:
        return 0.0
    maps = np.zeros((4, last - first + 2 * reach, width), dtype=x.dtype)
    for row in range(maps.shape[1]):
        source = first + row - margin
        if 0 <= source < height:
            _prepare(x, y, plane, source, centre_u[plane], centre_d[plane], maps, row)
    # filtered down, a row lies amid the zeros that surround the picture, or that surround all positions
    pixels, positions = np.zeros(width + 2 * margin, dtype=x.dtype), np.zeros(across + 4 * reach, dtype=x.dtype)
    means = np.empty((4 * count, across), dtype=x.dtype)
    parts, bottoms, others = np.empty((3, count + 1, across), dtype=x.dtype)
    product = np.empty(across, dtype=x.dtype)
    slopes = np.zeros((3 * count, last - first + 4 * reach, across) if wanted else (0, 0, 0), dtype=x.dtype)
    factors = count + 1 if luminance else count
    total = 0.0
    for row in range(first, last):
        for k in range(count):
            for m in range(4):
                _down(maps, m, row - first, taps, k, reaches[k], pixels, np.uintp(margin))
                _across(pixels, taps, k, reaches[k], means, 4 * k + m)
                if same:
                    _scale(means, 4 * k + m, row_scales[k, row], column_scales, k)
            _contrast(means, 4 * k, constants[1], parts, bottoms, k)
        if luminance:
            m = 4 * count - 4
            _lightness(means, m, centre_u[plane], centre_d[plane], constants[0], parts, bottoms, count)
        if own[0] <= row < own[1]:
            total += _one_minus_product(parts, factors, product)
        if wanted:
            _products_of_others(parts, factors, others, product)
            place = row - first + 2 * reach
            for k in range(count):
                _slopes(means, parts, bottoms, others, k, slopes, place)
                if luminance and k == count - 1:
                    _tilt(means, parts, bottoms, others, k, centre_u[plane], centre_d[plane], slopes, place)
                if same:
                    _scale_slopes(slopes, place, row_scales[k, row], column_scales, k)
    if wanted:
        carried = np.empty((3 * count, width), dtype=x.dtype)
        for pixel in range(top, bottom):
            row = pixel + margin - first
            for m in range(3):
                for k in range(count):
                    _down(slopes, 3 * k + m, row, taps, k, reaches[k], positions, np.uintp(2 * reach))
                    _across(positions[margin:], taps, k, reaches[k], carried, 3 * k + m)
                    if k:
                        _add(carried, m, 3 * k + m)
            _combine(carried, maps, row, gradient, plane, pixel)
    return total


# Rows are given as an array and an index, since a view of every row would cost as much as the arithmetic; offsets
# are unsigned, since an index that might be negative is checked at every pixel.


@compiled
def _prepare(
    x: Array, y: Array, plane: int, source: int, centre_u: Any, centre_d: Any, maps: Array, row: int
) -> None:
    for c in range(x.shape[2]):
        u = x[plane, source, c] + y[plane, source, c] - centre_u
        d = x[plane, source, c] - y[plane, source, c] - centre_d
        maps[0, row, c] = u
        maps[1, row, c] = d
        maps[2, row, c] = u * u
        maps[3, row, c] = d * d


@compiled
def _down(source: Array, m: int, row: int, taps: Array, k: int, reach: int, out: Array, start: Any) -> None:
    """Weighted sums of rows of source[m], from `row` on; taps are symmetric about the middle of their array."""
    width = np.uintp(source.shape[2])
    at = taps.shape[1] // 2
    middle = row + at
    t0, done = taps[k, at], 0
    if reach < 2:
        for c in range(width):
            out[c + start] = t0 * source[m, middle, c]
    else:
        t1, t2, done = taps[k, at + 1], taps[k, at + 2], 2
        for c in range(width):
            near = source[m, middle - 1, c] + source[m, middle + 1, c]
            far = source[m, middle - 2, c] + source[m, middle + 2, c]
            out[c + start] = t0 * source[m, middle, c] + t1 * near + t2 * far
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
def _across(source: Array, taps: Array, k: int, reach: int, out: Array, m: int) -> None:
    """The same along one row, which begins half a window before out[m]."""
    at = taps.shape[1] // 2
    width = np.uintp(out.shape[1])
    middle = np.uintp(at)
    t0, done = taps[k, at], 0
    if reach < 2:
        for c in range(width):
            out[m, c] = t0 * source[c + middle]
    else:
        t1, t2, done = taps[k, at + 1], taps[k, at + 2], 2
        a, b, e, f = np.uintp(at - 1), np.uintp(at + 1), np.uintp(at - 2), np.uintp(at + 2)
        for c in range(width):
            near, far = source[c + a] + source[c + b], source[c + e] + source[c + f]
            out[m, c] = t0 * source[c + middle] + t1 * near + t2 * far
    while done + 3 <= reach:
        t1, t2, t3 = taps[k, at + done + 1], taps[k, at + done + 2], taps[k, at + done + 3]
        a, b = np.uintp(at - done - 1), np.uintp(at + done + 1)
        e, f = np.uintp(at - done - 2), np.uintp(at + done + 2)
        g, h = np.uintp(at - done - 3), np.uintp(at + done + 3)
        for c in range(width):
            near, far = source[c + a] + source[c + b], source[c + e] + source[c + f]
            out[m, c] += t1 * near + t2 * far + t3 * (source[c + g] + source[c + h])
        done += 3
    while done < reach:
        done += 1
        t1, a, b = taps[k, at + done], np.uintp(at - done), np.uintp(at + done)
        for c in range(width):
            out[m, c] += t1 * (source[c + a] + source[c + b])


@compiled
def _scale(rows: Array, m: int, by: Any, columns: Array, k: int) -> None:
    for c in range(rows.shape[1]):
        rows[m, c] *= by * columns[k, c]


@compiled
def _scale_slopes(slopes: Array, row: int, by: Any, columns: Array, k: int) -> None:
    for m in range(3 * k, 3 * k + 3):
        for c in range(columns.shape[1]):
            slopes[m, row, c] *= by * columns[k, c]


@compiled
def _contrast(means: Array, m: int, c2: Any, parts: Array, bottoms: Array, k: int) -> None:
    zero = c2 - c2
    for c in range(parts.shape[1]):
        v = means[m + 2, c] - means[m, c] * means[m, c]
        w = means[m + 3, c] - means[m + 1, c] * means[m + 1, c]
        v = zero if v < zero else v
        w = zero if w < zero else w
        bottoms[k, c] = v + w + c2
        parts[k, c] = (w + w) / bottoms[k, c]


@compiled
def _lightness(
    means: Array, m: int, centre_u: Any, centre_d: Any, c1: Any, parts: Array, bottoms: Array, k: int
) -> None:
    for c in range(parts.shape[1]):
        mean = means[m, c] + centre_u
        difference = means[m + 1, c] + centre_d
        squared = difference * difference
        bottoms[k, c] = mean * mean + squared + c1
        parts[k, c] = (squared + squared) / bottoms[k, c]


@compiled
def _one_minus_product(parts: Array, factors: int, total: Array) -> float:
    """Summed over the row."""
    summed = 0.0
    for c in range(parts.shape[1]):
        total[c] = parts[0, c]
    for k in range(1, factors):
        for c in range(parts.shape[1]):
            total[c] += parts[k, c] - total[c] * parts[k, c]
    for c in range(parts.shape[1]):
        summed += total[c]
    return summed


@compiled
def _products_of_others(parts: Array, factors: int, others: Array, product: Array) -> None:
    width = parts.shape[1]
    product[:width] = 1
    for k in range(factors):
        for c in range(width):
            others[k, c] = product[c]
            product[c] -= product[c] * parts[k, c]
    product[:width] = 1
    for k in range(factors - 1, -1, -1):
        for c in range(width):
            others[k, c] *= product[c]
            product[c] -= product[c] * parts[k, c]


@compiled
def _slopes(means: Array, parts: Array, bottoms: Array, others: Array, k: int, slopes: Array, row: int) -> None:
    m, s = 4 * k, 3 * k
    for c in range(parts.shape[1]):
        scale = others[k, c] / bottoms[k, c]
        by_uu = -parts[k, c] * scale
        by_dd = scale + scale + by_uu
        half = means[m, c] * by_uu + means[m + 1, c] * by_dd
        slopes[s, row, c] = -(half + half)
        slopes[s + 1, row, c] = by_uu
        slopes[s + 2, row, c] = by_dd


@compiled
def _tilt(
    means: Array,
    parts: Array,
    bottoms: Array,
    others: Array,
    k: int,
    centre_u: Any,
    centre_d: Any,
    slopes: Array,
    row: int,
) -> None:
    factor = k + 1
    for c in range(parts.shape[1]):
        m, n = means[4 * k, c] + centre_u, means[4 * k + 1, c] + centre_d
        half = (n + n - parts[factor, c] * (n + m)) / bottoms[factor, c] * others[factor, c]
        slopes[3 * k, row, c] += half + half


@compiled
def _add(rows: Array, to: int, piece: int) -> None:
    for c in range(rows.shape[1]):
        rows[to, c] += rows[piece, c]


@compiled
def _combine(carried: Array, maps: Array, row: int, out: Array, plane: int, pixel: int) -> None:
    for c in range(out.shape[2]):
        half = maps[0, row, c] * carried[1, c] + maps[1, row, c] * carried[2, c]
        out[plane, pixel, c] = carried[0, c] + half + half
