"""Local dissimilarity of two images from local means, with its derivatives: the arithmetic of every SSIM.

Everything is said of the sum u = x + y and the difference d = x - y of the images. With their local means m and
n and variances V and W, the two factors of SSIM fall short of 1 by

    1 - l  = 2 n^2 / (m^2 + n^2 + 2 C1)          1 - cs = 2 W / (V + W + 2 C2)

This is Wang's definition term by term: 4 mean_x mean_y = m^2 - n^2 and 4 covariance = V - W. Nothing near 1 is
ever subtracted from 1, so equal images give exactly 0, and nearly equal ones lose no digit.

A variance is the mean of squares less the square of the mean. Both are taken about the mean of the whole plane,
which leaves the variance as it is and keeps its rounding small.

Arithmetic is with the halves of what factors fall short by, which spares it the factors of 2 on the way.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor

SLOPE = -4.0
"""The unit of derivatives, so that nothing is multiplied by it on the way."""

SAMPLES = 2**14
"""Pixels of all planes that their center is found from."""


class Constants(NamedTuple):
    """What keeps SSIM's fractions from 0 / 0, for images with values from 0 to `data_range`."""

    k1: float = 0.01
    k2: float = 0.03
    data_range: float = 1.0

    @property
    def c1(self) -> float:
        return (self.k1 * self.data_range) ** 2

    @property
    def c2(self) -> float:
        return (self.k2 * self.data_range) ** 2


class Center(NamedTuple):
    """The means of u and d over each plane, (..., 1, 1)."""

    u: Tensor
    d: Tensor


def center_of(x: Tensor, y: Tensor) -> Center:
    mean_x, mean_y = x.mean((-2, -1), keepdim=True), y.mean((-2, -1), keepdim=True)
    return Center(mean_x + mean_y, mean_x - mean_y)


def subsampled_center(x: Tensor, y: Tensor) -> Center:
    """The means over some pixels from all over each plane, which serve as well, in next to no time.

    They are so few that PyTorch takes one thread for them. Others would go on looking for work for milliseconds,
    on cores that what follows needs.
    """
    every = isqrt((x.numel() - 1) // SAMPLES) + 1
    return center_of(x[..., ::every, ::every], y[..., ::every, ::every])


def moment_maps(x: Tensor, y: Tensor, center: Tensor) -> Tensor:
    """u and d about their center (2, ..., 1, 1), and the squares of these: (4, ...)."""
    u, d = x + y - center[0], x - y - center[1]
    return torch.stack([u, d, u * u, d * d])


def dissimilarity(means: Sequence[Tensor], center: Tensor, constants: Constants, luminance: bool) -> Tensor:
    """1 - [l] prod cs at every position, for means of `moment_maps` under several windows; l is the last one's."""
    halves = [_contrast(each, constants)[0] for each in means]
    if luminance:
        halves.append(_luminance(means[-1], center, constants)[0])
    return 2 * _half_of_product(halves, _products_before(halves))


def dissimilarity_and_slopes(
    means: Sequence[Tensor], center: Tensor, constants: Constants, luminance: bool
) -> tuple[Tensor, list[Tensor]]:
    """Its sum over positions, and for every window derivatives, (3, ...), in place of its means.

    In units of `SLOPE` they are those by the means of u and d together, as both grow with x alike; by that of d^2,
    doubled, with the sign changed; and by that of u^2, doubled.
    """
    contrasts = [_contrast(each, constants, into=each[2:]) for each in means]
    halves = [half for half, _ in contrasts]
    if luminance:
        half, bottom, minus_m, n = _luminance(means[-1], center, constants)
        tilt = torch.lerp(n, minus_m, half, out=n).div_(bottom)
        del bottom, minus_m  # memory for what follows
        halves.append(half)
    before = _products_before(halves)
    sums = _half_of_product(halves, before).sum((-2, -1)).mul_(2)
    after = reversed(_products_before(halves[::-1]))
    # of the others, as one may be 0 and the product of all cannot be divided by it
    others = [a if b is None else b if a is None else a * b for a, b in zip(before, after, strict=True)]
    for each, (half, spread), other in zip(means, contrasts, others, strict=False):
        scale = torch.div(1 if other is None else other, spread, out=spread)
        by_uu = half.mul_(scale)
        by_dd = scale.sub_(by_uu)
        each[1].mul_(by_dd).addcmul_(each[0], by_uu, value=-1)
    slopes = [each[1:] for each in means]
    if luminance:
        contrast = others[-1]
        assert contrast is not None, "there is a window, so there is another part"
        slopes[-1][0].addcmul_(tilt, contrast, value=-1)
    return sums, slopes


def _contrast(means: Tensor, constants: Constants, into: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Half of 1 - cs and its denominator.

    The rounding of a variance is far below C2 for images in range, but could turn the denominator around for a
    network that has run away, hence the bounds.
    """
    variances = torch.addcmul(means[2:], means[:2], means[:2], value=-1, out=into)
    of_sum, of_difference = torch.clamp(variances, min=0, out=into)
    spread_into, half_into = (None, None) if into is None else into
    spread = torch.add(of_sum, of_difference, out=spread_into).add_(2 * constants.c2)
    return torch.div(of_difference, spread, out=half_into), spread


def _luminance(means: Tensor, center: Tensor, constants: Constants) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Half of 1 - l, its denominator, and the means of -u and d."""
    minus_m, n = -center[0] - means[0], center[1] + means[1]
    squared = n * n
    bottom = torch.addcmul(squared, minus_m, minus_m).add_(2 * constants.c1)
    return squared.div_(bottom), bottom, minus_m, n


def _half_of_product(halves: Sequence[Tensor], before: Sequence[Tensor | None]) -> Tensor:
    """Half of 1 - prod (1 - 2 half), without the subtraction: every half times the product of those before it."""
    total = halves[0]
    for half, product in zip(halves[1:], before[1:], strict=True):
        assert product is not None, "only the first has nothing before it"
        total = torch.addcmul(total, half, product)
    return total


def _products_before(halves: Sequence[Tensor]) -> list[Tensor | None]:
    """For every half the product of 1 - 2 half over those before it; None is 1."""
    products: list[Tensor | None] = [None]
    for half in halves[:-1]:
        last = products[-1]
        products.append(
            torch.rsub(half, 1, alpha=2) if last is None else torch.addcmul(last, last, half, value=-2)
        )
    return products


class Gaussian(NamedTuple):
    """A window's standard deviation and its side, in pixels."""

    sigma: float
    side: int


class SSIMSpec(NamedTuple):
    """Which windows, the widest last, and what is made of the means under them."""

    windows: tuple[Gaussian, ...]
    constants: Constants = Constants()
    luminance: bool = True
    """Whether the luminance under the last window is a factor, beside the contrast-structure under each."""
    same: bool = False
    """Compare at every pixel, by the part of a window inside the image; else only where the windows fit."""

    @property
    def border(self) -> int:
        """How many fewer rows, and columns, of positions there are than of pixels."""
        return 0 if self.same else self.windows[-1].side - 1

    def positions(self, planes: Tensor) -> int:
        """How many there are in each of (P, H, W) planes."""
        height, width = planes.shape[-2:]
        return (height - self.border) * (width - self.border)
