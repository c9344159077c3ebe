"""The dissimilarity and its gradient as Triton kernels: for each window one forward and one backward.

A program computes a few columns, `EACH` of them per lane, and goes down a strip of rows. Along a row, a window
is a sum of shifted loads from the L1 cache, which the columns of a lane share. Down the columns it is a filter
in transposed form: the partial sums of all windows under way are pending in registers, and a new row adds to all
of them. So lanes share nothing and need no synchronization. Windows, constants and options are compile-time
constants.

Forward reads x and y and writes three maps of derivatives; backward reads these five and writes the gradient. At
least 44 bytes are moved per pixel, 12 of which no method could avoid.

`TAPS` are the weights of every window, the widest last, and `WINDOW` is the one that a kernel filters with.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# ruff: noqa: RUF005
# Triton's language has no Python types and no starred tuples.

import triton
import triton.language as tl

from lossmith.losses.structural.backends.triton_formulas import (
    dissimilarity_and_slopes,
    inside,
    scaled,
    shares_of,
    shares_of_row,
)


@triton.jit(do_not_specialize=["planes", "height", "width"])
def forward(
    x, y, maps, sums, share, planes, height, width,
    TAPS: tl.constexpr, WINDOW: tl.constexpr, SAME: tl.constexpr, LUMINANCE: tl.constexpr, SLOPES: tl.constexpr,
    C1: tl.constexpr, C2: tl.constexpr,
    STRIP: tl.constexpr, LANES: tl.constexpr, EACH: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """Write means under one window to `maps`; for the last window, instead, the sums and all derivatives.

    `maps` are (4, windows, planes, rows, columns), the means of u, d, u^2 and d^2; derivatives overwrite three of
    them. The means of a single window are not stored, so 3 maps suffice.
    """
    taps = TAPS[WINDOW]
    rows, columns = height - _lost(taps, SAME), width - _lost(taps, SAME)
    lead = len(taps) // 2 if SAME else 0  # a window begins this far above and left of its position
    plane, top, first = _place(rows, columns, STRIP, LANES, EACH)
    x_plane, y_plane = x + plane * height * width, y + plane * height * width
    middle = _middle(x_plane, y_plane, height * width)
    center = middle[0] + middle[1], middle[0] - middle[1]
    apart = planes.to(tl.int64) * rows * columns
    columns_shares = ()
    for each in tl.static_range(EACH):
        columns_shares += (shares_of(first + each, columns, TAPS, SAME),)
    # lanes beyond the last column read that one, so that they need no masks
    at = first - lead if SAME else tl.minimum(first, columns - 1)
    amid = _amid(first - lead, width, taps, LANES * EACH) if SAME else True
    total = tl.zeros((LANES,), tl.float32)
    pending = ((total,) * len(taps),) * (4 * EACH)
    begin, end = top - lead, tl.minimum(top + STRIP, rows) - lead + len(taps) - 1
    ahead = ()
    if AHEAD:
        ahead = _pixels_along(x_plane, y_plane, middle, begin, at, height, width, amid, taps, SAME, EACH)
    for row in range(begin, end):
        if AHEAD:
            pixels = ahead
            ahead = _pixels_along(x_plane, y_plane, middle, row + 1, at, height, width, amid, taps, SAME, EACH)
        else:
            pixels = _pixels_along(x_plane, y_plane, middle, row, at, height, width, amid, taps, SAME, EACH)
        pending = _down(pending, _sums_along(pixels, center, taps, EACH), taps)
        position = row + lead - (len(taps) - 1)
        for each in tl.static_range(EACH):
            column = first + each
            here = column < tl.where(position >= top, columns, 0)
            places = maps + plane * rows * columns + position * columns + column
            shares = shares_of_row(position, rows, columns_shares[each], TAPS, SAME)
            means = _complete(pending, each, shares[WINDOW])
            if len(TAPS) - 1 > WINDOW:
                _store(places, apart, means, WINDOW, len(TAPS), here)
            else:
                others = ()
                for window in tl.static_range(len(TAPS) - 1):
                    others += (_load(places, apart, 4, window, len(TAPS), here),)
                value, slopes = dissimilarity_and_slopes(others + (means,), center, LUMINANCE, C1, C2)
                total += tl.where(here, value, 0.0)
                if SLOPES:
                    for window in tl.static_range(len(TAPS)):
                        _store(places, apart, scaled(slopes[window], shares[window]), window, len(TAPS), here)
    if len(TAPS) - 1 == WINDOW:
        tl.store(sums + tl.program_id(0), share * tl.sum(total))


@triton.jit(do_not_specialize=["planes", "height", "width"])
def backward(
    x, y, maps, gradient, share, planes, height, width,
    TAPS: tl.constexpr, WINDOW: tl.constexpr, SAME: tl.constexpr,
    STRIP: tl.constexpr, LANES: tl.constexpr, EACH: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    """The gradient from the derivatives under one window: written for the first window, added for the others."""
    taps = TAPS[WINDOW]
    rows, columns = height - _lost(taps, SAME), width - _lost(taps, SAME)
    lead = len(taps) // 2 if SAME else len(taps) - 1
    plane, top, first = _place(height, width, STRIP, LANES, EACH)
    x_plane, y_plane = x + plane * height * width, y + plane * height * width
    middle = _middle(x_plane, y_plane, height * width)
    center = middle[0] + middle[1], middle[0] - middle[1]
    slopes, apart = maps + plane * rows * columns, planes.to(tl.int64) * rows * columns
    pending = ((tl.zeros((LANES,), tl.float32),) * len(taps),) * (3 * EACH)
    at = first - lead
    amid = _amid(at, columns, taps, LANES * EACH)
    begin, end = top - lead, tl.minimum(top + STRIP, height) - lead + len(taps) - 1
    ahead = ()
    if AHEAD:
        ahead = _slopes_along(slopes, apart, begin, at, rows, columns, amid, taps, WINDOW, len(TAPS), EACH)
    for row in range(begin, end):
        if AHEAD:
            along = ahead
            ahead = _slopes_along(slopes, apart, row + 1, at, rows, columns, amid, taps, WINDOW, len(TAPS), EACH)
        else:
            along = _slopes_along(slopes, apart, row, at, rows, columns, amid, taps, WINDOW, len(TAPS), EACH)
        sums = _zeros(at, 3 * EACH)
        for k in tl.static_range(len(taps) + EACH - 1):
            sums = _across(sums, along[k], k, taps, EACH)
        pending = _down(pending, sums, taps)
        position = row + lead - (len(taps) - 1)
        for each in tl.static_range(EACH):
            column = first + each
            here = column < tl.where(position >= top, width, 0)
            place = position * width + column
            a = tl.load(x_plane + place, mask=here, other=0.0)
            b = tl.load(y_plane + place, mask=here, other=0.0)
            u, d = a + b - center[0], a - b - center[1]
            slope = pending[3 * each][0] + 2 * (u * pending[3 * each + 1][0] + d * pending[3 * each + 2][0])
            slope = share * slope
            into = gradient + plane * height * width + place
            if WINDOW > 0:
                slope += tl.load(into, mask=here, other=0.0)
            tl.store(into, slope, mask=here)


@triton.jit
def _place(rows, columns, STRIP: tl.constexpr, LANES: tl.constexpr, EACH: tl.constexpr):
    """The plane and the first row of this program, and the first column of every lane."""
    program, across = tl.program_id(0), tl.cdiv(columns, LANES * EACH)
    tiles = across * tl.cdiv(rows, STRIP)
    tile = program % tiles
    plane = (program // tiles).to(tl.int64)  # all planes together may be too many pixels for 32 bits
    return plane, tile // across * STRIP, (tile % across * LANES + tl.arange(0, LANES)) * EACH


@triton.jit
def _amid(at, length, taps, COLUMNS: tl.constexpr):
    """Whether the windows of all lanes, which begin at `at`, are inside a row."""
    return (tl.min(at) >= 0) & (tl.min(at) + COLUMNS + len(taps) - 1 <= length)


@triton.jit
def _lost(taps, SAME: tl.constexpr):
    """The number of pixels minus the number of positions along an axis."""
    return 0 if SAME else len(taps) - 1


SAMPLES: tl.constexpr = tl.constexpr(256)
"""Pixels of a plane from which its center is estimated."""


@triton.jit
def _middle(x, y, pixels):
    """The means of x and y over a sample of a plane's pixels: any values near the means keep rounding small."""
    k = tl.arange(0, SAMPLES)
    place = k * ((pixels // SAMPLES) | 1)  # an odd step, so that it samples many columns
    there = place < pixels
    count = tl.sum(there.to(tl.int32))
    mean_x = tl.sum(tl.load(x + place, mask=there, other=0.0)) / count
    mean_y = tl.sum(tl.load(y + place, mask=there, other=0.0)) / count
    return mean_x, mean_y


@triton.jit
def _pixels_along(
    x, y, middle, row, at, height, width, amid, taps, SAME: tl.constexpr, EACH: tl.constexpr
):  # fmt: skip
    """The pixels of x and y along a row, under windows that begin `at` in the first columns of the lanes."""
    if SAME:
        if amid & inside(row, height):
            pixels = _loaded(x, y, middle, row, at, width, width, taps, EACH, False)
        else:
            length = tl.where(inside(row, height), width, 0)
            pixels = _loaded(x, y, middle, row, at, width, length, taps, EACH, True)
    else:  # the row after the last is read ahead but unused
        pixels = _loaded(x, y, middle, tl.minimum(row, height - 1), at, width, width, taps, EACH, False)
    return pixels


@triton.jit
def _loaded(x, y, middle, row, at, width, length, taps, EACH: tl.constexpr, BORDER: tl.constexpr):
    """The pixels under the windows; beyond the border they are the center, for which u and d are 0."""
    pixels = ()
    x_places, y_places = x + row * width + at, y + row * width + at
    for k in tl.static_range(len(taps) + EACH - 1):
        # windows of a lane's further columns may begin beyond the last position
        if BORDER | (k >= len(taps)):
            here = inside(at + k, length)
            a = tl.load(x_places + k, mask=here, other=middle[0])
            b = tl.load(y_places + k, mask=here, other=middle[1])
        else:
            a, b = tl.load(x_places + k), tl.load(y_places + k)
        pixels += ((a, b),)
    return pixels


@triton.jit
def _sums_along(pixels, center, taps, EACH: tl.constexpr):
    """The sums of u, d, u^2 and d^2 along a row, under the window of each column of a lane."""
    sums = _zeros(pixels[0][0], 4 * EACH)
    for k in tl.static_range(len(pixels)):
        a, b = pixels[k]
        u, d = a + b - center[0], a - b - center[1]
        sums = _across(sums, (u, d, u * u, d * d), k, taps, EACH)
    return sums


@triton.jit
def _zeros(like, COUNT: tl.constexpr):
    return (tl.zeros(like.shape, tl.float32),) * COUNT


@triton.jit
def _slopes_along(
    maps, apart, row, at, rows, columns, amid, taps,
    WINDOW: tl.constexpr, WINDOWS: tl.constexpr, EACH: tl.constexpr,
):  # fmt: skip
    """The derivatives along a row, under windows that begin `at` in the lanes' first columns; 0 beyond."""
    if amid & inside(row, rows):
        slopes = _loaded_slopes(maps, apart, row, at, columns, columns, taps, WINDOW, WINDOWS, EACH, False)
    else:
        length = tl.where(inside(row, rows), columns, 0)
        slopes = _loaded_slopes(maps, apart, row, at, columns, length, taps, WINDOW, WINDOWS, EACH, True)
    return slopes


@triton.jit
def _loaded_slopes(
    maps, apart, row, at, columns, length, taps,
    WINDOW: tl.constexpr, WINDOWS: tl.constexpr, EACH: tl.constexpr, BORDER: tl.constexpr,
):  # fmt: skip
    slopes, places = (), maps + row * columns + at
    for k in tl.static_range(len(taps) + EACH - 1):
        if BORDER:
            slopes += (_load(places + k, apart, 3, WINDOW, WINDOWS, inside(at + k, length)),)
        else:
            slopes += (_load(places + k, apart, 3, WINDOW, WINDOWS, None),)
    return slopes


@triton.jit
def _across(sums, values, K: tl.constexpr, taps, EACH: tl.constexpr):
    """The sums of each column's window after adding the K-th values under the window of the first column."""
    after = ()
    for each in tl.static_range(EACH):
        for kind in tl.static_range(len(values)):
            so_far = sums[each * len(values) + kind]
            if each > K:
                after += (so_far,)
            elif K - each < len(taps):
                after += (so_far + taps[K - each] * values[kind],)
            else:
                after += (so_far,)
    return after


@triton.jit
def _down(pending, along, taps):
    """The partial sums of the windows under way after one more row, for each map; the first is complete."""
    after = ()
    for kind in tl.static_range(len(along)):
        sums = ()
        for k in tl.static_range(len(taps) - 1):
            sums += (pending[kind][k + 1] + taps[k] * along[kind],)
        after += (sums + (taps[len(taps) - 1] * along[kind],),)
    return after


@triton.jit
def _complete(pending, COLUMN: tl.constexpr, share):
    """The means of the complete windows in one of the columns of a lane."""
    means = ()
    for kind in tl.static_range(4):
        means += (pending[4 * COLUMN + kind][0],)
    return scaled(means, share)


@triton.jit
def _load(places, apart, KINDS: tl.constexpr, WINDOW: tl.constexpr, WINDOWS: tl.constexpr, here):
    maps = ()
    for kind in tl.static_range(KINDS):
        place = places + (kind * WINDOWS + WINDOW) * apart
        if here is None:
            maps += (tl.load(place),)
        else:
            maps += (tl.load(place, mask=here, other=0.0),)
    return maps


@triton.jit
def _store(places, apart, maps, WINDOW: tl.constexpr, WINDOWS: tl.constexpr, here):
    for kind in tl.static_range(len(maps)):
        tl.store(places + (kind * WINDOWS + WINDOW) * apart, maps[kind], mask=here)
