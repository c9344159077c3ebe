"""FSIM and FSIMc: similarity of phase congruency and gradients, weighted by phase congruency.

Both arguments of both functions are float64 (C, H, W) in [0, 1]. The image is first reduced so that its
shorter side is about 256 pixels. Source: Zhang, Zhang, Mou, Zhang, IEEE TIP 20(8), 2011, and FeatureSIM.m.
"""

import math

import torch
from torch import Tensor

from lossmith.evaluation.luma import full_luma
from lossmith.evaluation.metrics.matlab_filters import downsample, gradient, similarity
from lossmith.evaluation.metrics.phase_congruency import phase_congruency

SCHARR = (3 / 16, 10 / 16, 3 / 16)
T1, T2, T3, T4 = 0.85, 160, 200, 200
CHROMA_EXPONENT = 0.03
IQ = ((0.596, -0.274, -0.322), (0.211, -0.523, 0.312))
"""The chrominance rows of YIQ, as the authors' code has them."""


def fsim(prediction: Tensor, target: Tensor) -> float:
    """Feature similarity of the luma, 0 to 1.

    >>> image = torch.rand(3, 32, 32, dtype=torch.float64)
    >>> round(fsim(image, image), 12)
    1.0
    """
    return _score(prediction, target, color=False)


def fsimc(prediction: Tensor, target: Tensor) -> float:
    """Feature similarity of luma and chrominance, 0 to 1; of gray images, the same as `fsim`.

    >>> image = torch.rand(3, 32, 32, dtype=torch.float64)
    >>> fsimc(image.flip(0), image) < fsim(image.flip(0), image)
    True
    """
    return _score(prediction, target, color=True)


def _score(prediction: Tensor, target: Tensor, color: bool) -> float:
    factor = max(1, int(min(target.shape[-2:]) / 256 + 0.5))
    x, y = downsample(prediction, factor), downsample(target, factor)
    luma_x, luma_y = full_luma(x), full_luma(y)
    waves_x, waves_y = phase_congruency(luma_x), phase_congruency(luma_y)
    alike = similarity(waves_x, waves_y, T1)
    alike = alike * similarity(gradient(luma_x, SCHARR), gradient(luma_y, SCHARR), T2)
    if color and x.shape[0] == 3:
        (i_x, q_x), (i_y, q_y) = _chroma(x), _chroma(y)
        hue = similarity(i_x, i_y, T3) * similarity(q_x, q_y, T4)
        # Where hues are opposite the product is negative; the authors take the real part of its power.
        turned = torch.ones_like(hue).where(hue >= 0, math.cos(math.pi * CHROMA_EXPONENT))
        alike = alike * turned * hue.abs().pow(CHROMA_EXPONENT)
    weight = torch.maximum(waves_x, waves_y)
    if weight.sum() == 0:  # nothing to see in either image
        return float(alike.mean().item())
    return float(((alike * weight).sum() / weight.sum()).item())


def _chroma(image: Tensor) -> Tensor:
    weights = torch.tensor(IQ, dtype=image.dtype, device=image.device) * 255
    return torch.einsum("kc,chw->khw", weights, image)
