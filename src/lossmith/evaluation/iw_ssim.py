"""Information-content weighted SSIM."""

import math

import torch
from torch import Tensor

from lossmith.evaluation.information import information
from lossmith.evaluation.laplacian import laplacian_pyramid
from lossmith.evaluation.luma import full_luma
from lossmith.losses.structural import MSSSIM
from lossmith.losses.windows import filter_valid, gaussian

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
LEVELS = len(MSSSIM.WEIGHTS)
LEAST_SIDE = (WINDOW - 1) * 2 ** (LEVELS - 1) + 1


def iw_ssim(prediction: Tensor, target: Tensor) -> float:
    """SSIM over the bands of a Laplacian pyramid, each pooled with the information content as weight; at most 1.

    Both are float64 (C, H, W) in [0, 1]; the full-range luma is compared. NaN below 161x161 pixels. A band that
    is anti-correlated as a whole makes the score 0 (the authors' code gives a complex number).

    Source: Wang, Li, IEEE TIP 20(5), 2011, equation 28, and iwssim.m.

    >>> picture = torch.rand(3, 161, 170, dtype=torch.float64)
    >>> round(iw_ssim(picture, picture), 12), iw_ssim(picture[:, 1:], picture[:, 1:])
    (1.0, nan)
    """
    if min(target.shape[-2:]) < LEAST_SIDE:
        return math.nan
    x = laplacian_pyramid(full_luma(prediction), LEVELS)
    y = laplacian_pyramid(full_luma(target), LEVELS)
    score = 1.0
    for level, exponent in enumerate(MSSSIM.WEIGHTS):
        last = level == LEVELS - 1
        quality = _quality(x[level], y[level], with_luminance=last)
        if last:
            pooled = quality.mean()
        else:
            parent = y[level + 1] if level + 1 < LEVELS - 1 else None  # the small picture is no band
            rim = (WINDOW - 3) // 2  # where the windows of SSIM, unlike those of information, do not fit
            weight = information(x[level], y[level], parent)[:, rim:-rim, rim:-rim]
            total = weight.sum()
            pooled = (quality * weight).sum() / total if total > 0 else quality.mean()
        score *= pooled.clamp(min=0).item() ** (exponent / sum(MSSSIM.WEIGHTS))
    return score


def _quality(x: Tensor, y: Tensor, with_luminance: bool) -> Tensor:
    """Contrast-structure of one band, times luminance if asked for: (1, H - 10, W - 10)."""
    products = torch.cat([x, y, x.square(), y.square(), x * y])[None]
    mean_x, mean_y, xx, yy, xy = filter_valid(products, gaussian(SIGMA, WINDOW, products))[0].chunk(5)
    var_x, var_y = (xx - mean_x.square()).clamp(min=0), (yy - mean_y.square()).clamp(min=0)
    quality = (2 * (xy - mean_x * mean_y) + C2) / (var_x + var_y + C2)
    if with_luminance:
        quality = quality * (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
    return quality
