"""Local dissimilarity of two pictures from local means, with its derivatives: the arithmetic of every SSIM.

Everything is said of the sum u = x + y and the difference d = x - y of the pictures. With their local means m and
n and variances V and W, the two factors of SSIM fall short of 1 by

    1 - l  = 2 n^2 / (m^2 + n^2 + 2 C1)          1 - cs = 2 W / (V + W + 2 C2)

This is Wang's definition term by term: 4 mean_x mean_y = m^2 - n^2 and 4 covariance = V - W. Nothing near 1 is
ever subtracted from 1, so equal pictures give exactly 0, and nearly equal ones lose no digit.

A variance is the mean of squares less the square of the mean. Both are taken about the mean of the whole plane,
which leaves the variance as it is and keeps its rounding small.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Constants(NamedTuple):
    """What keeps SSIM's fractions from 0 / 0, for pictures with values from 0 to `peak`."""

    k1: float = 0.01
    k2: float = 0.03
    peak: float = 1.0

    @property
    def c1(self) -> float:
        return (self.k1 * self.peak) ** 2

    @property
    def c2(self) -> float:
        return (self.k2 * self.peak) ** 2


class Centre(NamedTuple):
    """The means of u and d over each plane, (..., 1, 1)."""

    u: Tensor
    d: Tensor


class Maps(NamedTuple):
    """u and d about their centre and the squares of these, or the local means of all four."""

    u: Tensor
    d: Tensor
    uu: Tensor
    dd: Tensor


def centre_of(x: Tensor, y: Tensor) -> Centre:
    mean_x, mean_y = x.mean((-2, -1), keepdim=True), y.mean((-2, -1), keepdim=True)
    return Centre(mean_x + mean_y, mean_x - mean_y)


def maps_of(x: Tensor, y: Tensor, centre: Centre) -> Maps:
    u, d = x + y - centre.u, x - y - centre.d
    return Maps(u, d, u * u, d * d)


def dissimilarity(means: Sequence[Maps], centre: Centre, constants: Constants, luminance: bool) -> Tensor:
    """1 - [l] prod cs at every position, for means under several windows; l is the last one's."""
    parts = [_contrast(each, constants)[0] for each in means]
    if luminance:
        parts.append(_luminance(means[-1], centre, constants)[0])
    return _one_minus_product(parts)


def dissimilarity_and_slopes(
    means: Sequence[Tensor], centre: Centre, constants: Constants, luminance: bool
) -> tuple[Tensor, list[Tensor]]:
    """Its sum over positions, and for every window its derivatives, (3, ...), in place of the means, (4, ...).

    They are those by the means of u and d together, as both grow with x alike, by that of d^2 and by that of u^2.
    """
    under = [Maps(*each) for each in means]
    contrasts = [_contrast(each, constants, into=(each.uu, each.dd)) for each in under]
    parts = [part for part, _ in contrasts]
    if luminance:
        part, bottom, m, n = _luminance(under[-1], centre, constants)
        parts.append(part)
    sums, others = _one_minus_product(parts).sum((-2, -1)), _products_of_others(parts)
    for each, (part, spread), other in zip(under, contrasts, others, strict=False):
        scale = torch.div(1 if other is None else other, spread, out=spread)
        by_uu = part.mul_(scale).neg_()
        by_dd = scale.mul_(2).add_(by_uu)
        each.d.mul_(by_dd).addcmul_(each.u, by_uu).mul_(-2)
    slopes = [each[1:] for each in means]
    if luminance:
        contrast = others[-1]
        assert contrast is not None, "there is a window, so there is another part"
        tilt = n.mul_(2).addcmul_(m.add_(n, alpha=0.5), parts[-1], value=-1).div_(bottom)
        slopes[-1][0].addcmul_(tilt, contrast, value=2)
    return sums, slopes


def _contrast(
    means: Maps, constants: Constants, into: tuple[Tensor | None, Tensor | None] = (None, None)
) -> tuple[Tensor, Tensor]:
    """1 - cs and its denominator.

    The rounding of a variance is far below C2 for pictures in range, but could turn the denominator around for a
    network that has run away, hence the bounds.
    """
    of_sum = torch.addcmul(means.uu, means.u, means.u, value=-1, out=into[0]).clamp_(min=0)
    of_difference = torch.addcmul(means.dd, means.d, means.d, value=-1, out=into[1]).clamp_(min=0)
    spread = of_sum.add_(of_difference).add_(2 * constants.c2)
    return of_difference.mul_(2).div_(spread), spread


def _luminance(means: Maps, centre: Centre, constants: Constants) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """1 - l, its denominator, and the means of u and d."""
    m, n = means.u + centre.u, means.d + centre.d
    squared = n * n
    bottom = torch.addcmul(squared, m, m).add_(2 * constants.c1)
    return squared.mul_(2).div_(bottom), bottom, m, n


def _one_minus_product(parts: Sequence[Tensor]) -> Tensor:
    """1 - prod (1 - part), without the subtraction."""
    total = parts[0]
    for part in parts[1:]:
        total = torch.addcmul(total + part, total, part, value=-1)
    return total


def _products_of_others(parts: Sequence[Tensor]) -> list[Tensor | None]:
    """For every part the product of 1 - part over all others; None is 1. One may be 0, so nothing is divided."""
    before: list[Tensor | None] = [None]
    after: list[Tensor | None] = [None]
    for part in parts[:-1]:
        before.append(_times(before[-1], part))
    for part in reversed(parts[1:]):
        after.append(_times(after[-1], part))
    return [a if b is None else b if a is None else a * b for a, b in zip(before, reversed(after), strict=True)]


def _times(product: Tensor | None, part: Tensor) -> Tensor:
    return 1 - part if product is None else torch.addcmul(product, product, part, value=-1)
