"""Statistics of natural scenes in blocks of a picture: the 36 features that NIQE looks at.

Source: Mittal, Soundararajan, Bovik, "Making a completely blind image quality analyzer", IEEE Signal Processing
Letters 2013, with the constants of the authors' release.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.metrics.luma import matlab_gray
from lossmith.metrics.matlab_filters import halve

BLOCK = 96
"""The side of a block in pixels."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""From a pixel to the neighbors with which it is multiplied: rows, columns."""
NEGLIGIBLE = 1e-9
"""Differences from the local mean, on 0 to 255, that are rounding errors of a flat surface, and taken as 0.

The authors' release counts their signs. Its scores of pictures with flat surfaces therefore depend on the order in
which a program adds, in the second digit: on a quarter of a picture that is flat, by 0.1.
"""


def scene_statistics(image: Tensor) -> tuple[Tensor, Tensor]:
    """The features of the blocks of a picture, and the sharpness by which pristine blocks are chosen.

    The luma is rounded to 8 bits. Blocks are disjoint; pixels beyond the last whole one are not looked at. The
    features are those of the picture, then those of the picture at half its size: the shape and the width of the
    distribution of normalized pixels, and of the products of neighbors in four directions shape, mean, left width
    and right width.

    Parameters
    ----------
    image
        (N, 1 or 3, H, W) in [0, 1], at least 96 pixels a side.

    Returns
    -------
    features
        (N, blocks, 36) float64; NaN in blocks without contrast.
    sharpness
        (N, blocks) float64, the mean local deviation of the luma on 0 to 255.
    """
    luma = matlab_gray(image.double())
    height, width = (side // BLOCK * BLOCK for side in luma.shape[-2:])
    luma = luma[..., :height, :width]
    coarse, _ = normalize(halve(luma))
    fine, deviation = normalize(luma)
    features = [block_features(to_blocks(pixels, side)) for pixels, side in ((fine, BLOCK), (coarse, BLOCK // 2))]
    return torch.cat(features, dim=-1), to_blocks(deviation, BLOCK).mean((-2, -1))


def normalize(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Mean-subtracted, contrast-normalized luma (N, 1, H, W), and the local deviation, in a Gaussian window."""
    mean, mean_square = (_smooth(power) for power in (luma, luma.square()))
    deviation = (mean_square - mean.square()).abs().sqrt()
    difference = luma - mean
    return difference.masked_fill(difference.abs() < NEGLIGIBLE, 0) / (deviation + 1), deviation


def to_blocks(image: Tensor, side: int) -> Tensor:
    """(N, 1, H, W) as (N, blocks, side, side), row by row."""
    blocks = image.unfold(2, side, side).unfold(3, side, side)
    return blocks.reshape(len(image), -1, side, side)


def block_features(blocks: Tensor) -> Tensor:
    """The 18 features of each block (..., side, side), which continues at its opposite edge: (..., 18)."""
    shape, left, right = fit_asymmetric_gaussian(blocks.flatten(-2))
    features = [shape, (left + right) / 2]
    for shift in SHIFTS:
        shape, left, right = fit_asymmetric_gaussian((blocks * blocks.roll(shift, (-2, -1))).flatten(-2))
        mean = (right - left) * _gamma(2 / shape) / _gamma(1 / shape)
        features += [shape, mean, left, right]
    return torch.stack(features, dim=-1)


def fit_asymmetric_gaussian(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The shape, left and right width of the asymmetric generalized Gaussian distribution of values, by moments.

    Its density is proportional to exp(-(-x / left)^shape) for x < 0 and to exp(-(x / right)^shape) from 0 on. The
    shape is the nearest of 0.2, 0.201, ..., 10.

    Parameters
    ----------
    values
        (..., n) float64.

    Returns
    -------
    shape, left, right
        (...) each; NaN where all values are of one sign.

    References
    ----------
    Lasmar, Stitou, Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009.
    """
    left_deviation, right_deviation = (_root_mean_square(values, side) for side in (values < 0, values > 0))
    ratio = left_deviation / right_deviation
    moments = values.abs().mean(-1).square() / values.square().mean(-1)
    shape = _shape_of(moments * (ratio**3 + 1) * (ratio + 1) / (ratio.square() + 1).square())
    width = (_gamma(1 / shape) / _gamma(3 / shape)).sqrt()
    return shape, left_deviation * width, right_deviation * width


def _root_mean_square(values: Tensor, where: Tensor) -> Tensor:
    return (values.square().masked_fill(~where, 0).sum(-1) / where.sum(-1)).sqrt()


def _shape_of(moments: Tensor) -> Tensor:
    """The shape whose E[|x|]^2 / E[x^2] is nearest."""
    shapes, expected = (table.to(moments.device) for table in _shapes())
    above = torch.searchsorted(expected, moments.contiguous()).clamp(1, len(shapes) - 1)
    is_below_nearer = moments - expected[above - 1] <= expected[above] - moments
    return shapes[above - is_below_nearer.long()].masked_fill(moments.isnan(), torch.nan)


@lru_cache(maxsize=1)
@torch.inference_mode(False)
def _shapes() -> tuple[Tensor, Tensor]:
    """The shapes that are tried, and E[|x|]^2 / E[x^2] of each, which grows with them."""
    shapes = torch.arange(200, 10001, dtype=torch.float64, device="cpu") / 1000
    return shapes, _gamma(2 / shapes).square() / (_gamma(1 / shapes) * _gamma(3 / shapes))


def _gamma(x: Tensor) -> Tensor:
    return torch.lgamma(x).exp()


def _smooth(image: Tensor) -> Tensor:
    """The mean in a 7x7 Gaussian window of sigma 7/6; edge pixels are repeated outside."""
    offsets = torch.arange(-3, 4, dtype=image.dtype, device=image.device)
    window = torch.exp(-(offsets.square()) / (2 * (7 / 6) ** 2))
    window = window / window.sum()
    padded = F.pad(image, (3, 3, 3, 3), mode="replicate")
    return F.conv2d(F.conv2d(padded, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))


__all__ = ["BLOCK", "fit_asymmetric_gaussian", "scene_statistics"]
