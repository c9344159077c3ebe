"""Gradient magnitude similarity deviation."""

from torch import Tensor

from lossmith.evaluation.luma import full_luma
from lossmith.evaluation.metrics.matlab_filters import downsample, gradient, similarity

PREWITT = (1 / 3, 1 / 3, 1 / 3)


def gmsd(prediction: Tensor, target: Tensor) -> float:
    """How unevenly gradients are kept: the standard deviation of the gradient similarity map; 0 is best.

    Both are float64 (C, H, W) in [0, 1]. On the full-range luma, averaged over 2x2 and halved, with Prewitt
    gradients and c = 170 (on 0 to 255). The deviation is the paper's, over N; the authors' MATLAB divides by
    N - 1, which is 1 + 1/2N times as much.

    Source: Xue, Zhang, Mou, Bovik, IEEE TIP 23(2), 2014, equations 4 to 6, and GMSD.m.

    >>> import torch
    >>> image = torch.rand(3, 32, 32, dtype=torch.float64)
    >>> gmsd(image, image)
    0.0
    """
    slopes = [gradient(downsample(full_luma(image), 2), PREWITT) for image in (prediction, target)]
    return float(similarity(slopes[0], slopes[1], constant=170).std(correction=0).item())
