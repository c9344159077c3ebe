"""The dissimilarity and its gradient in Triton: for each window one kernel forward and one back.

A program owns a few columns, `EACH` of them to a lane, and walks down a strip of rows. Along a row, a window is
a sum of shifted loads, which the first cache serves; the columns of a lane share them. Down the columns it is a
filter in transposed form: what each of the windows under way has got so far is pending in registers, and a new
row adds to all of them at once. So lanes share nothing and nothing waits. Windows, constants and choices are
compiled in.

Forward reads x and y and writes three maps of slopes; back reads these five and writes the gradient. At least 44
bytes move for each pixel; 12 no method could spare.

`TAPS` are the weights of every window, the widest last, and `WINDOW` is the one that a kernel filters with.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# ruff: noqa: RUF005
# What is in here is Triton's language, which knows no Python types and no starred tuples.

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
    """Means under one window, to `maps`; under the last, instead, every program's sum, and slopes by all means.

    `maps` are (4, windows, planes, rows, columns), the means of u, d, u^2 and d^2, of which slopes take the place
    of three; a single window's means are not kept, so 3 maps will do.
    """
    taps = TAPS[WINDOW]
    rows, columns = height - _lost(taps, SAME), width - _lost(taps, SAME)
    lead = len(taps) // 2 if SAME else 0  # so far above and left of its position a window begins
    plane, top, first = _place(rows, columns, STRIP, LANES, EACH)
    x_plane, y_plane = x + plane * height * width, y + plane * height * width
    middle = _middle(x_plane, y_plane, height * width)
    center = middle[0] + middle[1], middle[0] - middle[1]
    apart = planes.to(tl.int64) * rows * columns
    columns_shares = ()
    for each in tl.static_range(EACH):
        columns_shares += (shares_of(first + each, columns, TAPS, SAME),)
    # lanes beyond the last column look at that one, so that they need no masks
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
    """What the slopes under one window say of the pixels: begins `gradient` under the first, else adds to it."""
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
    """Which plane, which first row and, for every lane, which first column are this program's."""
    program, across = tl.program_id(0), tl.cdiv(columns, LANES * EACH)
    tiles = across * tl.cdiv(rows, STRIP)
    tile = program % tiles
    plane = (program // tiles).to(tl.int64)  # all planes together may be too many pixels for 32 bits
    return plane, tile // across * STRIP, (tile % across * LANES + tl.arange(0, LANES)) * EACH


@triton.jit
def _amid(at, length, taps, COLUMNS: tl.constexpr):
    """Whether the windows of all lanes, which begin `at`, are inside a row."""
    return (tl.min(at) >= 0) & (tl.min(at) + COLUMNS + len(taps) - 1 <= length)


@triton.jit
def _lost(taps, SAME: tl.constexpr):
    """How many fewer rows, and columns, of positions there are than of pixels."""
    return 0 if SAME else len(taps) - 1


SAMPLES: tl.constexpr = tl.constexpr(256)
"""Pixels of a plane that its middle is found from."""


@triton.jit
def _middle(x, y, pixels):
    """The means of x and y over pixels spread over a plane: any values near them make rounding small."""
    k = tl.arange(0, SAMPLES)
    place = k * ((pixels // SAMPLES) | 1)  # an odd step, so that it meets more than a few columns
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
    else:  # the row after the last is read ahead, though nobody asks for it
        pixels = _loaded(x, y, middle, tl.minimum(row, height - 1), at, width, width, taps, EACH, False)
    return pixels


@triton.jit
def _loaded(x, y, middle, row, at, width, length, taps, EACH: tl.constexpr, BORDER: tl.constexpr):
    """Beyond the border, where the middle stands, u and d are 0."""
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
    """For each of the columns of a lane, sums of u, d, u^2 and d^2 along a row, under its window."""
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
    """The slopes along a row, under windows that begin `at` in the first columns of the lanes; 0 beyond."""
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
    """The sums of each column's window with the values that are the K-th under the first column's."""
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
    """For each map what the windows under way have got after one more row; the first of them is complete."""
    after = ()
    for kind in tl.static_range(len(along)):
        sums = ()
        for k in tl.static_range(len(taps) - 1):
            sums += (pending[kind][k + 1] + taps[k] * along[kind],)
        after += (sums + (taps[len(taps) - 1] * along[kind],),)
    return after


@triton.jit
def _complete(pending, COLUMN: tl.constexpr, share):
    """The means of the windows that are complete, in one of the columns of a lane."""
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
