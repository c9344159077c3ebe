"""Information-content weighted SSIM (IW-SSIM)."""

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import mul
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses import MSSSIMLoss
from lossmith.losses.structural.filtering import gaussian_window, separable_filter, widest_float
from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.luma import full_luma
from lossmith.metrics.matlab_filters import power

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
EXPONENTS = [weight / sum(MSSSIMLoss.WEIGHTS) for weight in MSSSIMLoss.WEIGHTS]
LEVELS = len(EXPONENTS)
MIN_SIDE = (WINDOW - 1) * 2 ** (LEVELS - 1) + 1
EYE_NOISE = 0.4
"""Variance of the neural noise in the model of the visual system."""
EPSILON = 1e-15
"""Smaller variances, and less information, count as 0."""
FACTORS = 5
"""How many factors of a logarithm are multiplied at most: with all of them the product might overflow."""
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


@in_full_precision
def iw_ssim(prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False) -> Tensor:
    """Information-content weighted SSIM, (N,); 0 to 1, higher is better. Computed in float64.

    SSIM over the five bands of a Laplacian pyramid of the full-range luma, each pooled with the information
    content as weight. If a band as a whole is anti-correlated, the score is 0 (the authors' code gives a complex
    number).

    Options as for `psnr`; the color is the metric's own. Raises LossmithError for less than 161x161 pixels.
    Source: Wang, Li, IEEE TIP 20(5), 2011, equation 28, and iwssim.m.

    >>> image = torch.rand(1, 3, 161, 170)
    >>> iw_ssim(image, image)
    tensor([1.])
    """
    pair = prepare("iw_ssim", prediction, target, "own", border, round_to_8bit, MIN_SIDE)
    return compare(*map(describe, pair))


@dataclass
class Band:
    """One band of a Laplacian pyramid, (N, 1, H, W), with what is computed of it once."""

    image: Tensor
    parent: Tensor | None
    """The next coarser band; None for the last two, as the smallest image is not a band."""

    @cached_property
    def moments(self) -> Tensor:
        """The mean and the variance in the windows of SSIM, (N, 2, H - 10, W - 10)."""
        mean, square = _means(torch.cat([self.image, self.image.square()], 1)).chunk(2, 1)
        return torch.cat([mean, (square - mean.square()).clamp(min=0)], 1)

    @cached_property
    def box_moments(self) -> Tensor:
        """The mean and the variance in 3x3 windows, (N, 2, H - 2, W - 2)."""
        mean, square = F.avg_pool2d(torch.cat([self.image, self.image.square()], 1), 3, stride=1).chunk(2, 1)
        return torch.cat([mean, (square - mean.square()).clamp(min=0)], 1)

    @cached_property
    def scale_mixture(self) -> tuple[Tensor, Tensor]:
        """Of the neighborhoods; see `_scale_mixture`."""
        return _scale_mixture(_neighborhoods(self.image, self.parent))


class Pyramid(NamedTuple):
    """What IW-SSIM compares of images."""

    bands: list[Band]
    dtype: torch.dtype
    """That of the images, and of their scores."""


def describe(image: Tensor) -> Pyramid:
    """The pyramid of (N, C, H, W) in [0, 1]."""
    bands = laplacian_pyramid(full_luma(image.to(widest_float(image))), LEVELS)
    parents = [*bands[1 : LEVELS - 1], None, None]
    return Pyramid([Band(*pair) for pair in zip(bands, parents, strict=True)], image.dtype)


def compare(x: Pyramid, y: Pyramid) -> Tensor:
    """IW-SSIM of images with these pyramids, the second of which weighs, (N,)."""
    *bands, last = zip(x.bands, y.bands, strict=True)
    scores = [_pool_band(*band) for band in bands]
    scores.append(_structure(*last, with_luminance=True).mean((1, 2, 3)))
    factors = [power(score.clamp(min=0), exponent) for score, exponent in zip(scores, EXPONENTS, strict=True)]
    return torch.stack(factors).prod(0).to(x.dtype)


def _pool_band(x: Band, y: Band) -> Tensor:
    """The mean contrast-structure of one band, (N,), with the information content as weight."""
    structure = _structure(x, y, with_luminance=False)
    rim = (WINDOW - 3) // 2  # the windows of SSIM are larger than those of the information content
    weight = _information(x, y)[..., rim:-rim, rim:-rim]
    total = weight.sum((1, 2, 3))
    is_empty = total == 0
    weighted_mean = (structure * weight).sum((1, 2, 3)) / total.masked_fill(is_empty, 1)
    return torch.where(is_empty, structure.mean((1, 2, 3)), weighted_mean)


def _structure(x: Band, y: Band, with_luminance: bool) -> Tensor:
    """Contrast-structure of one band, optionally times luminance: (N, 1, H - 10, W - 10)."""
    (mean_x, var_x), (mean_y, var_y) = (band.moments.chunk(2, 1) for band in (x, y))
    covariance = _means(x.image * y.image) - mean_x * mean_y
    structure = (2 * covariance + C2) / (var_x + var_y + C2)
    if with_luminance:
        structure = structure * (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return structure


def _means(images: Tensor) -> Tensor:
    return separable_filter(images, gaussian_window(SIGMA, WINDOW, images))


def information_content(distorted: Tensor, reference: Tensor, parent: Tensor | None = None) -> Tensor:
    """Information content in bits, (N, 1, H - 2, W - 2), of one band of two Laplacian pyramids, both (N, 1, H, W).

    The neighborhood of a pixel is 3x3, and its parent in the next coarser band of the reference, if given.

    >>> band = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    >>> bits = information_content(band, band)
    >>> tuple(bits.shape), bool((bits >= 0).all())
    ((1, 1, 14, 14), True)
    """
    return _information(Band(distorted, None), Band(reference, parent))


def _information(distorted: Band, reference: Band) -> Tensor:
    gain, noise = _distortion(distorted, reference)
    energy, variances = reference.scale_mixture
    energy = energy.reshape(gain.shape)
    signal = (noise + (1 + gain.square()) * EYE_NOISE) * energy
    noise = EYE_NOISE * noise
    bits = torch.zeros_like(signal)
    for few in torch.split(variances[..., None, None, None], FACTORS, 1):
        # one logarithm of a product instead of one for each factor
        factors = [
            torch.where(variance > 0, 1 + (signal * variance + noise) / EYE_NOISE**2, 1)
            for variance in few.unbind(1)
        ]
        bits = bits + torch.log2(reduce(mul, factors))
    return torch.where(bits < EPSILON, 0, bits)


def _distortion(distorted: Band, reference: Band) -> tuple[Tensor, Tensor]:
    """Gain and noise variance of the distortion in every 3x3 window, by least squares."""
    (mean_d, var_d), (mean_r, var_r) = (band.box_moments.chunk(2, 1) for band in (distorted, reference))
    covariance = F.avg_pool2d(distorted.image * reference.image, 3, stride=1) - mean_d * mean_r
    has_texture = (var_r >= EPSILON) & (var_d >= EPSILON)
    gain = torch.where(has_texture, covariance / (var_r + EPSILON), 0)
    noise = torch.where(has_texture, var_d - gain * covariance, torch.where(var_d >= EPSILON, var_d, 0))
    return gain, noise


def _neighborhoods(band: Tensor, parent: Tensor | None) -> Tensor:
    """(N, 9 or 10, pixels): every 3x3 window inside the band, and the parent of its center."""
    height, width = band.shape[-2:]
    windows = F.unfold(band, 3)
    if parent is None:
        return windows
    return torch.cat([windows, _upsample_parent(parent)[..., 1 : height - 1, 1 : width - 1].flatten(2)], 1)


def _scale_mixture(neighbors: Tensor) -> tuple[Tensor, Tensor]:
    """Energies, (N, pixels), and variances, (N, K), of a Gaussian scale mixture fitted to (N, K, pixels).

    The energy y C^-1 y / K is the maximum-likelihood scale. A direction without variation (as in a flat image) is
    left out and has a variance of 0; the authors' code divides by zero there.
    """
    count, pixels = neighbors.shape[1:]
    variances, directions = torch.linalg.eigh(neighbors @ neighbors.mT / pixels)
    is_flat = variances <= (variances[:, -1:] * EPSILON).clamp(min=EPSILON)
    positive = variances.masked_fill(is_flat, 0)
    # Rounding may leave small negative variances; the authors rescale the others to keep the sum.
    total = positive.sum(1, keepdim=True)
    positive = positive * (variances.sum(1, keepdim=True) / total.masked_fill(total == 0, 1))
    squares = (directions.mT @ neighbors).square() / positive.masked_fill(is_flat, torch.inf)[..., None]
    return squares.sum(1) / count, positive


def laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """`levels` bands of (N, 1, H, W), finest first, each half the size of the one before (rounded up).

    All but the last hold what is lost in halving; the last is the remaining small image. Gains are those of
    the toolbox, whose filter sums to sqrt(2) along each side: the small image of band k is 2^k times as bright.

    Source: Burt, Adelson, IEEE Trans. Communications 31(4), 1983.

    >>> flat = torch.ones(1, 1, 33, 40, dtype=torch.float64)
    >>> bands = laplacian_pyramid(flat, 3)
    >>> [(tuple(band.shape[-2:]), round(band.mean().item(), 12)) for band in bands]
    [((33, 40), 0.0), ((17, 20), 0.0), ((9, 10), 4.0)]
    """
    bands = []
    for _ in range(levels - 1):
        small = _blur(image)[..., ::2, ::2] * 2
        bands.append(image - _upsample(small, image.shape))
        image = small
    return [*bands, image]


def _upsample(small: Tensor, shape: torch.Size) -> Tensor:
    """Zeros between the pixels, then a blur of gain 2 along each side: half the brightness of `small`."""
    sparse = small.new_zeros(shape)
    sparse[..., ::2, ::2] = small
    return _blur(sparse) * 2


def _upsample_parent(band: Tensor) -> Tensor:
    """Twice the size, bilinear, aligned as in the authors' imenlarge2.m."""
    height, width = band.shape[-2:]
    fine = F.interpolate(band, (4 * height - 3, 4 * width - 3), mode="bilinear", align_corners=False)
    # One more line at each side, extrapolated linearly; then every second line.
    fine = torch.cat(
        [2 * fine[..., :1, :] - fine[..., 1:2, :], fine, 2 * fine[..., -1:, :] - fine[..., -2:-1, :]], -2
    )
    fine = torch.cat([2 * fine[..., :1] - fine[..., 1:2], fine, 2 * fine[..., -1:] - fine[..., -2:-1]], -1)
    return fine[..., ::2, ::2]


def _blur(image: Tensor) -> Tensor:
    weights = torch.tensor(BINOMIAL, dtype=image.dtype, device=image.device)
    padded = F.pad(image, (2, 2, 2, 2), mode="reflect")
    columns = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(columns, weights[None, None, None, :])
