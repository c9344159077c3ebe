"""The formulas of `formulas.py` in Triton, under the same names."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# ruff: noqa: RUF005
# Triton's language has no Python types and no starred tuples.

import triton
import triton.language as tl


@triton.jit
def inside(position, length):
    return (position >= 0) & (position < length)


@triton.jit
def shares_of(position, length, TAPS: tl.constexpr, SAME: tl.constexpr):
    """For every window, 1 over its weight inside a line, around each of these positions."""
    shares = ()
    for window in tl.static_range(len(TAPS)):
        taps = TAPS[window]
        if SAME:
            shares += (_share(position, length, taps),)
        else:
            shares += (1.0,)
    return shares


@triton.jit
def shares_of_row(position, rows, along, TAPS: tl.constexpr, SAME: tl.constexpr):
    """The factors along a row, times those of the row itself, which are 1 except near the border."""
    shares = along
    if SAME:
        reach = len(TAPS[len(TAPS) - 1]) // 2
        if (position < reach) | (position + reach >= rows):
            shares = _products(along, shares_of(position, rows, TAPS, SAME))
    return shares


@triton.jit
def _share(position, length, taps):
    nearest = tl.minimum(tl.maximum(position, 0), length - 1)  # results beyond the image are unused
    first = nearest - len(taps) // 2
    weight = 0.0 * nearest
    for k in tl.static_range(len(taps)):
        weight += taps[k] * inside(first + k, length).to(tl.float32)
    whole = (first >= 0) & (first + len(taps) <= length)
    return tl.where(whole, 1.0, 1 / weight)


@triton.jit
def scaled(maps, share):
    scaled = ()
    for kind in tl.static_range(len(maps)):
        scaled += (maps[kind] * share,)
    return scaled


@triton.jit
def _products(these, those):
    products = ()
    for i in tl.static_range(len(these)):
        products += (these[i] * those[i],)
    return products


@triton.jit
def dissimilarity_and_slopes(means, center, LUMINANCE: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr):
    """1 - [l] prod cs for means under several windows, l of the last, and for each its three derivatives."""
    parts, spreads = (), ()
    for window in tl.static_range(len(means)):
        part, spread = _contrast(means[window], C2)
        parts, spreads = parts + (part,), spreads + (spread,)
    if LUMINANCE:
        lightness, tilt = _luminance(means[len(means) - 1], center, C1)
        parts += (lightness,)
    slopes = ()
    for window in tl.static_range(len(means)):
        m, n, _, _ = means[window]
        scale = _product_of_others(parts, window) / spreads[window]
        by_uu = -parts[window] * scale
        by_dd = by_uu + 2 * scale
        by_means = -2 * (m * by_uu + n * by_dd)
        if LUMINANCE and window == len(means) - 1:
            by_means += 2 * tilt * _product_of_others(parts, len(means))
        slopes += ((by_means, by_uu, by_dd),)
    return _one_minus_product(parts), slopes


@triton.jit
def _contrast(means, C2: tl.constexpr):
    """1 - cs and its denominator."""
    m, n, uu, dd = means
    of_sum = tl.maximum(uu - m * m, 0.0, propagate_nan=tl.PropagateNan.ALL)
    of_difference = tl.maximum(dd - n * n, 0.0, propagate_nan=tl.PropagateNan.ALL)
    spread = of_sum + of_difference + 2 * C2
    return 2 * of_difference / spread, spread


@triton.jit
def _luminance(means, center, C1: tl.constexpr):
    """1 - l, and half its slope by the mean of x."""
    m, n = means[0] + center[0], means[1] + center[1]
    bottom = m * m + n * n + 2 * C1
    part = 2 * n * n / bottom
    return part, ((2 - part) * n - part * m) / bottom


@triton.jit
def _one_minus_product(parts):
    """1 - prod (1 - part), without the subtraction."""
    total = parts[0]
    for i in tl.static_range(1, len(parts)):
        total = total + parts[i] - total * parts[i]
    return total


@triton.jit
def _product_of_others(parts, LEFT_OUT: tl.constexpr):
    product = 1.0
    for i in tl.static_range(len(parts)):
        if i != LEFT_OUT:
            product = product * (1 - parts[i])
    return product
