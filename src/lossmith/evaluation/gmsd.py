"""Gradient magnitude similarity deviation."""

from torch import Tensor

from lossmith.evaluation.filtering import gradient, shrink, similarity
from lossmith.evaluation.luma import full_luma

PREWITT = (1 / 3, 1 / 3, 1 / 3)


def gmsd(prediction: Tensor, target: Tensor) -> float:
    """How unevenly gradients are kept: the standard deviation of the gradient similarity map; 0 is best.

    Both are float64 (C, H, W) in [0, 1]. On the full-range luma, averaged over 2x2 and halved, with Prewitt
    gradients and c = 170 (on 0 to 255). The deviation is the paper's, over N; the authors' MATLAB divides by
    N - 1, which is 1 + 1/2N times as much.

    Source: Xue, Zhang, Mou, Bovik, IEEE TIP 23(2), 2014, equations 4 to 6, and GMSD.m.

    >>> import torch
    >>> picture = torch.rand(3, 32, 32, dtype=torch.float64)
    >>> gmsd(picture, picture)
    0.0
    """
    slopes = [gradient(shrink(full_luma(picture), 2), PREWITT) for picture in (prediction, target)]
    return float(similarity(slopes[0], slopes[1], constant=170).std(correction=0).item())
