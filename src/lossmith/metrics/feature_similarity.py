"""FSIM and FSIMc: similarity of phase congruency and gradients, weighted by phase congruency.

The image is first reduced so that its shorter side is about 256 pixels. Source: Zhang, Zhang, Mou, Zhang, IEEE TIP
20(8), 2011, and FeatureSIM.m.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.losses.structural.filtering import widest_float
from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.luma import full_luma
from lossmith.metrics.matlab_filters import downsample, gradient, power, similarity
from lossmith.metrics.phase_congruency import phase_congruency

SCHARR = (3 / 16, 10 / 16, 3 / 16)
T1, T2, T3, T4 = 0.85, 160, 200, 200
CHROMA_EXPONENT = 0.03
IQ_ROWS = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""The chrominance rows of the YIQ matrix, with the digits of the authors' code."""


@in_full_precision
def fsim(prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False) -> Tensor:
    """Feature similarity of the luma, (N,); 0 to 1, higher is better. Computed in float64.

    Options as for `psnr`; the color is the metric's own. Source: Zhang, Zhang, Mou, Zhang, IEEE TIP 20(8), 2011.

    >>> image = torch.rand(1, 3, 32, 32)
    >>> fsim(image, image)
    tensor([1.])
    """
    pair = prepare("fsim", prediction, target, "own", border, round_to_8bit)
    x, y = map(describe, pair)
    return compare(x, y, color=False)


@in_full_precision
def fsimc(prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False) -> Tensor:
    """Feature similarity of luma and chrominance, (N,); 0 to 1, higher is better. Computed in float64.

    Of gray images, the same as `fsim`. Options as for `psnr`; the color is the metric's own.
    Source: Zhang, Zhang, Mou, Zhang, IEEE TIP 20(8), 2011.

    >>> image = torch.rand(1, 3, 32, 32)
    >>> bool(fsimc(image.flip(1), image) < fsim(image.flip(1), image))
    True
    """
    pair = prepare("fsimc", prediction, target, "own", border, round_to_8bit)
    x, y = map(describe, pair)
    return compare(x, y, color=True)


class Features(NamedTuple):
    """What FSIM and FSIMc compare of images."""

    reduced: Tensor
    """(N, C, h, w), the images at the size of the comparison."""
    phase: Tensor
    """(N, 1, h, w), the phase congruency of the luma."""
    gradient: Tensor
    """(N, 1, h, w), the gradient magnitude of the luma."""
    dtype: torch.dtype
    """That of the images, and of their scores."""


def describe(image: Tensor) -> Features:
    """The features of (N, C, H, W) in [0, 1]."""
    factor = max(1, int(min(image.shape[-2:]) / 256 + 0.5))
    reduced = downsample(image.to(widest_float(image)), factor)
    luma = full_luma(reduced)
    return Features(reduced, phase_congruency(luma), gradient(luma, SCHARR), image.dtype)


def compare(x: Features, y: Features, color: bool) -> Tensor:
    """FSIM, or with `color` FSIMc, of images with these features, (N,)."""
    local = similarity(x.phase, y.phase, T1) * similarity(x.gradient, y.gradient, T2)
    if color and x.reduced.shape[1] == 3:
        (i_x, q_x), (i_y, q_y) = _chroma(x.reduced), _chroma(y.reduced)
        hue = similarity(i_x, i_y, T3) * similarity(q_x, q_y, T4)
        # Opposite hues make the product negative; the authors take the real part of its complex power.
        sign = torch.ones_like(hue).where(hue >= 0, math.cos(math.pi * CHROMA_EXPONENT))
        local = local * sign * power(hue.abs(), CHROMA_EXPONENT)
    weight = torch.maximum(x.phase, y.phase)
    total = weight.sum((1, 2, 3))
    is_flat = total == 0  # of both images; then all pixels have the same weight
    pooled = (local * weight).sum((1, 2, 3)) / total.masked_fill(is_flat, 1)
    return torch.where(is_flat, local.mean((1, 2, 3)), pooled).to(x.dtype)


def _chroma(image: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.tensor(IQ_ROWS, dtype=image.dtype, device=image.device) * 255
    i, q = torch.einsum("kc,nchw->nkhw", weights, image).chunk(2, dim=1)
    return i, q
