"""Information-content weighted SSIM (IW-SSIM)."""

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
    x, y = (laplacian_pyramid(full_luma(image.to(widest_float(image))), LEVELS) for image in pair)
    *bands, last = zip(x, y, strict=True)
    parents = [*y[1 : LEVELS - 1], None]  # the smallest image is not a band
    scores = [_pool_band(*band, parent) for band, parent in zip(bands, parents, strict=True)]
    scores.append(_structure(*last, with_luminance=True).mean((1, 2, 3)))
    factors = [power(score.clamp(min=0), exponent) for score, exponent in zip(scores, EXPONENTS, strict=True)]
    return torch.stack(factors).prod(0).to(pair[0].dtype)


def _pool_band(x: Tensor, y: Tensor, parent: Tensor | None) -> Tensor:
    """The mean contrast-structure of one band, (N,), with the information content as weight."""
    structure = _structure(x, y, with_luminance=False)
    rim = (WINDOW - 3) // 2  # the windows of SSIM are larger than those of the information content
    weight = information_content(x, y, parent)[..., rim:-rim, rim:-rim]
    total = weight.sum((1, 2, 3))
    is_empty = total == 0
    weighted_mean = (structure * weight).sum((1, 2, 3)) / total.masked_fill(is_empty, 1)
    return torch.where(is_empty, structure.mean((1, 2, 3)), weighted_mean)


def _structure(x: Tensor, y: Tensor, with_luminance: bool) -> Tensor:
    """Contrast-structure of one band, optionally times luminance: (N, 1, H - 10, W - 10)."""
    products = torch.cat([x, y, x.square(), y.square(), x * y], 1)
    mean_x, mean_y, xx, yy, xy = separable_filter(products, gaussian_window(SIGMA, WINDOW, products)).chunk(5, 1)
    var_x, var_y = (xx - mean_x.square()).clamp(min=0), (yy - mean_y.square()).clamp(min=0)
    structure = (2 * (xy - mean_x * mean_y) + C2) / (var_x + var_y + C2)
    if with_luminance:
        structure = structure * (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return structure


def information_content(distorted: Tensor, reference: Tensor, parent: Tensor | None = None) -> Tensor:
    """Information content in bits, (N, 1, H - 2, W - 2), of one band of two Laplacian pyramids, both (N, 1, H, W).

    The neighborhood of a pixel is 3x3, and its parent in the next coarser band of the reference, if given.

    >>> band = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    >>> bits = information_content(band, band)
    >>> tuple(bits.shape), bool((bits >= 0).all())
    ((1, 1, 14, 14), True)
    """
    gain, noise = _distortion(distorted, reference)
    energy, variances = _scale_mixture(_neighborhoods(reference, parent))
    energy = energy.reshape(gain.shape)
    signal = (noise + (1 + gain.square()) * EYE_NOISE) * energy
    bits = torch.zeros_like(signal)
    for variance in variances[..., None, None, None].unbind(1):
        component = torch.log2(1 + (signal * variance + EYE_NOISE * noise) / EYE_NOISE**2)
        bits = bits + torch.where(variance > 0, component, 0)
    return torch.where(bits < EPSILON, 0, bits)


def _distortion(distorted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and noise variance of the distortion in every 3x3 window, by least squares."""
    products = [distorted, reference, distorted.square(), reference.square(), distorted * reference]
    mean_d, mean_r, dd, rr, dr = F.avg_pool2d(torch.cat(products, 1), 3, stride=1).chunk(5, 1)
    var_d = (dd - mean_d.square()).clamp(min=0)
    var_r = (rr - mean_r.square()).clamp(min=0)
    covariance = dr - mean_d * mean_r
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
