"""How far the pixels are off: PSNR and the two errors of Zhao et al.'s table.

Both arguments of every function are float64 (C, H, W) in [0, 1].
"""

import math

from torch import Tensor

CEILING = 100.0
"""Identical images count as this many dB, because a mean with infinity in it says nothing."""


def psnr(prediction: Tensor, target: Tensor, ceiling: float = CEILING) -> float:
    """Peak signal-to-noise ratio in dB: -10 log10 of the mean squared error over all channels and pixels.

    At most `ceiling`, so identical images give 100 dB; `math.inf` takes the ceiling away. The PSNR of a set
    is the mean of the images' PSNR.

    >>> import torch
    >>> black = torch.zeros(3, 8, 8, dtype=torch.float64)
    >>> round(psnr(black + 0.1, black), 9)
    20.0
    >>> psnr(black, black), psnr(black, black, ceiling=math.inf)
    (100.0, inf)
    """
    error = (prediction - target).square().mean().item()
    if math.isnan(error):
        return math.nan
    return min(-10 * math.log10(error), ceiling) if error > 0 else ceiling


def l1(prediction: Tensor, target: Tensor) -> float:
    """1000 times the mean absolute error.

    >>> import torch
    >>> l1(torch.full((3, 8, 8), 0.25), torch.zeros(3, 8, 8))
    250.0
    """
    return 1000 * (prediction - target).abs().mean().item()


def l2(prediction: Tensor, target: Tensor) -> float:
    """1000 times the mean squared error.

    >>> import torch
    >>> l2(torch.full((3, 8, 8), 0.5), torch.zeros(3, 8, 8))
    250.0
    """
    return 1000 * (prediction - target).square().mean().item()
