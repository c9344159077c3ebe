"""FSIM and FSIMc: similarity of phase congruency and gradients, weighted by phase congruency.

The image is first reduced so that its shorter side is about 256 pixels. Source: Zhang, Zhang, Mou, Zhang, IEEE TIP
20(8), 2011, and FeatureSIM.m.
"""

import math

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
    return _similarity(*pair, color=False)


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
    return _similarity(*pair, color=True)


def _similarity(prediction: Tensor, target: Tensor, color: bool) -> Tensor:
    factor = max(1, int(min(target.shape[-2:]) / 256 + 0.5))
    x, y = (downsample(image.to(widest_float(image)), factor) for image in (prediction, target))
    luma_x, luma_y = full_luma(x), full_luma(y)
    phase_x, phase_y = phase_congruency(luma_x), phase_congruency(luma_y)
    local = similarity(phase_x, phase_y, T1)
    local = local * similarity(gradient(luma_x, SCHARR), gradient(luma_y, SCHARR), T2)
    if color and x.shape[1] == 3:
        (i_x, q_x), (i_y, q_y) = _chroma(x), _chroma(y)
        hue = similarity(i_x, i_y, T3) * similarity(q_x, q_y, T4)
        # Opposite hues make the product negative; the authors take the real part of its complex power.
        sign = torch.ones_like(hue).where(hue >= 0, math.cos(math.pi * CHROMA_EXPONENT))
        local = local * sign * power(hue.abs(), CHROMA_EXPONENT)
    weight = torch.maximum(phase_x, phase_y)
    total = weight.sum((1, 2, 3))
    is_flat = total == 0  # of both images; then all pixels have the same weight
    pooled = (local * weight).sum((1, 2, 3)) / total.masked_fill(is_flat, 1)
    return torch.where(is_flat, local.mean((1, 2, 3)), pooled).to(prediction.dtype)


def _chroma(image: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.tensor(IQ_ROWS, dtype=image.dtype, device=image.device) * 255
    i, q = torch.einsum("kc,nchw->nkhw", weights, image).chunk(2, dim=1)
    return i, q
