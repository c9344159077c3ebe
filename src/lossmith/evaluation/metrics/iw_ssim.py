"""Information-content weighted SSIM."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.evaluation.luma import full_luma
from lossmith.losses.structural.filtering import gaussian_window, separable_filter
from lossmith.losses.structural.ssim import MSSSIMLoss

EYE_NOISE = 0.4
TINY = 1e-15


def information_content(distorted: Tensor, reference: Tensor, parent: Tensor | None = None) -> Tensor:
    """Information content in bits, (1, H - 2, W - 2), of one band of two Laplacian pyramids, both (1, H, W).

    The neighborhood of a pixel is 3x3, and its parent in the next coarser band of the reference, if given.

    >>> band = torch.randn(1, 16, 16, dtype=torch.float64)
    >>> bits = information_content(band, band)
    >>> tuple(bits.shape), bool((bits >= 0).all())
    ((1, 14, 14), True)
    """
    gain, noise = _distortion(distorted, reference)
    neighbors = _neighborhoods(reference, parent)
    energy, variances = _scale_mixture(neighbors)
    energy = energy.reshape(gain.shape)
    signal = (noise + (1 + gain.square()) * EYE_NOISE) * energy
    bits = torch.zeros_like(signal)
    for variance in variances:
        bits += torch.log2(1 + (signal * variance + EYE_NOISE * noise) / EYE_NOISE**2)
    return torch.where(bits < TINY, 0, bits)


def _distortion(distorted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and noise variance of the distortion in every 3x3 window inside the image: least squares."""
    products = [distorted, reference, distorted.square(), reference.square(), distorted * reference]
    means = F.avg_pool2d(torch.cat(products), 3, stride=1)
    mean_d, mean_r, dd, rr, dr = means.chunk(5)
    var_d = (dd - mean_d.square()).clamp(min=0)
    var_r = (rr - mean_r.square()).clamp(min=0)
    covariance = dr - mean_d * mean_r
    known = (var_r >= TINY) & (var_d >= TINY)
    gain = torch.where(known, covariance / (var_r + TINY), 0)
    noise = torch.where(known, var_d - gain * covariance, torch.where(var_d >= TINY, var_d, 0))
    return gain, noise


def _neighborhoods(band: Tensor, parent: Tensor | None) -> Tensor:
    """(pixels, 9 or 10): every 3x3 window inside the band, and the parent of its center."""
    height, width = band.shape[-2:]
    columns = [F.unfold(band[None], 3)[0]]
    if parent is not None:
        columns.append(_upsample_parent(parent)[:, 1 : height - 1, 1 : width - 1].reshape(1, -1))
    return torch.cat(columns).T


def _scale_mixture(neighbors: Tensor) -> tuple[Tensor, Tensor]:
    """Of a GSM fitted to the neighborhoods: the local energy of each, and the variances of its components.

    The energy y C^-1 y / n is the maximum-likelihood scale. A direction in which nothing varies (a flat
    image) is left out, where the authors' code divides by zero.
    """
    count = neighbors.shape[1]
    variances, directions = torch.linalg.eigh(neighbors.T @ neighbors / len(neighbors))
    kept = variances > max(variances[-1].item() * TINY, TINY)
    # Rounding may leave small negative variances; the authors rescale the others to keep the sum.
    rescaled = variances[kept] * (variances.sum() / variances[kept].sum())
    energy = ((neighbors @ directions[:, kept]).square() / rescaled).sum(1) / count
    return energy, rescaled


def _upsample_parent(band: Tensor) -> Tensor:
    """Twice the size, bilinear, lined up as parents are (the authors' imenlarge2.m)."""
    height, width = band.shape[-2:]
    fine = F.interpolate(band[None], (4 * height - 3, 4 * width - 3), mode="bilinear", align_corners=False)
    # One more line at each side, extrapolated linearly; then every second line.
    fine = torch.cat(
        [2 * fine[..., :1, :] - fine[..., 1:2, :], fine, 2 * fine[..., -1:, :] - fine[..., -2:-1, :]], -2
    )
    fine = torch.cat([2 * fine[..., :1] - fine[..., 1:2], fine, 2 * fine[..., -1:] - fine[..., -2:-1]], -1)
    return fine[0, :, ::2, ::2]


BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def laplacian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """`levels` bands of (1, H, W), finest first, each half the size of the one before (rounded up).

    All but the last hold what is lost in halving; the last is the remaining small image. Gains are those of
    the toolbox, whose filter sums to sqrt(2) along each side: the small image of band k is 2^k times as bright.

    Source: Burt, Adelson, IEEE Trans. Communications 31(4), 1983.

    >>> flat = torch.ones(1, 33, 40, dtype=torch.float64)
    >>> bands = laplacian_pyramid(flat, 3)
    >>> [(tuple(band.shape), round(band.mean().item(), 12)) for band in bands]
    [((1, 33, 40), 0.0), ((1, 17, 20), 0.0), ((1, 9, 10), 4.0)]
    """
    bands = []
    for _ in range(levels - 1):
        small = _blur(image)[:, ::2, ::2] * 2
        bands.append(image - _upsample(small, image.shape))
        image = small
    return [*bands, image]


def _upsample(small: Tensor, shape: torch.Size) -> Tensor:
    """Zeros between the pixels, then a blur of gain 2 along each side: half the brightness of `small`."""
    spread = small.new_zeros(shape)
    spread[:, ::2, ::2] = small
    return _blur(spread) * 2


def _blur(image: Tensor) -> Tensor:
    weights = torch.tensor(BINOMIAL, dtype=image.dtype, device=image.device)
    padded = F.pad(image[None], (2, 2, 2, 2), mode="reflect")
    columns = F.conv2d(padded, weights[None, None, :, None])
    return F.conv2d(columns, weights[None, None, None, :])[0]


WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LEVELS = len(MSSSIMLoss.WEIGHTS)
MIN_SIDE = (WINDOW - 1) * 2 ** (LEVELS - 1) + 1


def iw_ssim(prediction: Tensor, target: Tensor) -> float:
    """SSIM over the bands of a Laplacian pyramid, each pooled with the information content as weight; at most 1.

    Both are float64 (C, H, W) in [0, 1]; the full-range luma is compared. NaN below 161x161 pixels. A band that
    is anti-correlated as a whole makes the score 0 (the authors' code gives a complex number).

    Source: Wang, Li, IEEE TIP 20(5), 2011, equation 28, and iwssim.m.

    >>> image = torch.rand(3, 161, 170, dtype=torch.float64)
    >>> round(iw_ssim(image, image), 12), iw_ssim(image[:, 1:], image[:, 1:])
    (1.0, nan)
    """
    if min(target.shape[-2:]) < MIN_SIDE:
        return math.nan
    x = laplacian_pyramid(full_luma(prediction), LEVELS)
    y = laplacian_pyramid(full_luma(target), LEVELS)
    score = 1.0
    for level, exponent in enumerate(MSSSIMLoss.WEIGHTS):
        last = level == LEVELS - 1
        quality = _quality(x[level], y[level], with_luminance=last)
        if last:
            pooled = quality.mean()
        else:
            parent = y[level + 1] if level + 1 < LEVELS - 1 else None  # the small image is no band
            rim = (WINDOW - 3) // 2  # where the windows of SSIM, unlike those of information, do not fit
            weight = information_content(x[level], y[level], parent)[:, rim:-rim, rim:-rim]
            total = weight.sum()
            pooled = (quality * weight).sum() / total if total > 0 else quality.mean()
        score *= pooled.clamp(min=0).item() ** (exponent / sum(MSSSIMLoss.WEIGHTS))
    return score


def _quality(x: Tensor, y: Tensor, with_luminance: bool) -> Tensor:
    """Contrast-structure of one band, times luminance if asked for: (1, H - 10, W - 10)."""
    products = torch.cat([x, y, x.square(), y.square(), x * y])[None]
    mean_x, mean_y, xx, yy, xy = separable_filter(products, gaussian_window(SIGMA, WINDOW, products))[0].chunk(5)
    var_x, var_y = (xx - mean_x.square()).clamp(min=0), (yy - mean_y.square()).clamp(min=0)
    quality = (2 * (xy - mean_x * mean_y) + C2) / (var_x + var_y + C2)
    if with_luminance:
        quality = quality * (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return quality
