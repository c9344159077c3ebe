"""The formula of every SSIM, as 1 - SSIM from local means, with its derivatives.

Wang et al. define SSIM = l x cs by the means, variances and covariance of images x and y under a window,

    l = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)       cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)

Here it is computed from the sum u = x + y and the difference d = x - y. With their local means m and n and
variances V and W, 4 m_x m_y = m^2 - n^2 and 4 s_xy = V - W, so that

    1 - l  = 2 n^2 / (m^2 + n^2 + 2 C1)               1 - cs = 2 W / (V + W + 2 C2)

No number near 1 is subtracted from 1, so equal images give exactly 0, and nearly equal ones lose no digits.

A variance is the mean of squares minus the square of the mean. Both are taken about the mean of the whole plane,
which does not change the variance and keeps its rounding small.

The code works with the halves of 1 - l and 1 - cs, which saves the factors of 2.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

import torch
from torch import Tensor

SLOPE = -4.0
"""The unit of derivatives: the factor is applied once, in the adjoint filter."""

CENTER_SAMPLES = 2**14
"""About how many pixels of all planes `subsampled_center` takes."""


class Constants(NamedTuple):
    """The stabilizing constants C1 and C2 of SSIM, for images with values from 0 to `data_range`."""

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
    """The means over all pixels of each plane."""
    mean_x, mean_y = x.mean((-2, -1), keepdim=True), y.mean((-2, -1), keepdim=True)
    return Center(mean_x + mean_y, mean_x - mean_y)


def subsampled_center(x: Tensor, y: Tensor) -> Center:
    """The means over a subsample of each plane's pixels, which serve as well and take almost no time.

    The subsample is so small that PyTorch uses one thread. Further threads would spin for milliseconds on cores
    that the next operation needs.
    """
    stride = isqrt((x.numel() - 1) // CENTER_SAMPLES) + 1
    return center_of(x[..., ::stride, ::stride], y[..., ::stride, ::stride])


def moment_maps(x: Tensor, y: Tensor, center: Tensor) -> Tensor:
    """u and d minus their center (2, ..., 1, 1), and the squares of both: (4, ...)."""
    u, d = x + y - center[0], x - y - center[1]
    return torch.stack([u, d, u * u, d * d])


def dissimilarity(means: Sequence[Tensor], center: Tensor, constants: Constants, luminance: bool) -> Tensor:
    """1 - [l] prod cs at every position, from means of `moment_maps` under the windows; l is of the last."""
    halves = [_contrast(moments, constants)[0] for moments in means]
    if luminance:
        halves.append(_luminance(means[-1], center, constants)[0])
    return 2 * _half_of_product(halves, _products_before(halves))


def dissimilarity_and_slopes(
    means: Sequence[Tensor], center: Tensor, constants: Constants, luminance: bool
) -> tuple[Tensor, list[Tensor]]:
    """The sum of `dissimilarity` over positions, and its derivatives, which overwrite the means.

    The derivatives of a window, (3, ...) in units of `SLOPE`, are: by the means of u and d together, since x
    changes both alike; by the mean of d^2, doubled and negated; by the mean of u^2, doubled.
    """
    contrasts = [_contrast(moments, constants, out=moments[2:]) for moments in means]
    halves = [half for half, _ in contrasts]
    if luminance:
        half, bottom, minus_m, n = _luminance(means[-1], center, constants)
        tilt = torch.lerp(n, minus_m, half, out=n).div_(bottom)
        del bottom, minus_m  # frees memory
        halves.append(half)
    before = _products_before(halves)
    sums = _half_of_product(halves, before).sum((-2, -1)).mul_(2)
    after = reversed(_products_before(halves[::-1]))
    # the product of the other factors, since a factor may be 0 and the full product cannot be divided by it
    others = [a if b is None else b if a is None else a * b for a, b in zip(before, after, strict=True)]
    for moments, (half, spread), other in zip(means, contrasts, others, strict=False):
        scale = torch.div(1 if other is None else other, spread, out=spread)
        by_uu = half.mul_(scale)
        by_dd = scale.sub_(by_uu)
        moments[1].mul_(by_dd).addcmul_(moments[0], by_uu, value=-1)
    slopes = [moments[1:] for moments in means]
    if luminance:
        contrast = others[-1]
        assert contrast is not None, "there is at least one window, so there is another factor"
        slopes[-1][0].addcmul_(tilt, contrast, value=-1)
    return sums, slopes


def _contrast(means: Tensor, constants: Constants, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Half of 1 - cs and its denominator.

    The rounding of a variance is far below C2 for images in range, but could make the denominator negative for the
    output of a network that diverges, hence the bounds.
    """
    variances = torch.addcmul(means[2:], means[:2], means[:2], value=-1, out=out)
    of_sum, of_difference = torch.clamp(variances, min=0, out=out)
    spread_out, half_out = (None, None) if out is None else out
    spread = torch.add(of_sum, of_difference, out=spread_out).add_(2 * constants.c2)
    return torch.div(of_difference, spread, out=half_out), spread


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
        assert product is not None, "only the first has no product before it"
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
    """A variant of SSIM: its windows, the widest last, and how means under them are combined."""

    windows: tuple[Gaussian, ...]
    constants: Constants = Constants()
    luminance: bool = True
    """Whether the luminance under the last window is a factor, besides the contrast-structure under each."""
    same: bool = False
    """Compare at every pixel, by the part of a window inside the image; else only where the windows fit."""

    @property
    def border(self) -> int:
        """The number of pixels minus the number of positions along an axis."""
        return 0 if self.same else self.windows[-1].side - 1

    def positions(self, planes: Tensor) -> int:
        """The number of positions in each of (P, H, W) planes."""
        height, width = planes.shape[-2:]
        return (height - self.border) * (width - self.border)
