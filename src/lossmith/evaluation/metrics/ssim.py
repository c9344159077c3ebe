"""SSIM and MS-SSIM as scores; the definitions are those of the losses.

Both arguments of every function are float64 (C, H, W) in [0, 1]; channels are scored apart and averaged.
An image below the least size scores NaN.
"""

import math

import torch
from torch import Tensor

from lossmith.losses.structural.ssim import MSSSIMLoss, SSIMLoss

_SSIM = SSIMLoss()
_MS_SSIM = MSSSIMLoss(reduction="none")


def ssim(prediction: Tensor, target: Tensor) -> float:
    """Structural similarity under an 11x11 Gaussian window of sigma 1.5; see
    `lossmith.losses.structural.ssim.SSIMLoss`.

    At most 1; NaN below 11x11 pixels. Source: Wang et al., IEEE TIP 13(4), 2004.

    >>> image = torch.rand(3, 32, 32, dtype=torch.float64)
    >>> ssim(image, image), ssim(image[:, :8], image[:, :8])
    (1.0, nan)
    """
    if min(target.shape[-2:]) < _SSIM.min_side:
        return math.nan
    return 1 - float(_SSIM(prediction[None], target[None]).item())


def ms_ssim(prediction: Tensor, target: Tensor) -> float:
    """SSIM over five halvings; see `lossmith.losses.structural.ssim.MSSSIMLoss`.

    0 to 1 (a channel whose images are anti-correlated counts as 0); NaN below 161x161 pixels.
    Source: Wang, Simoncelli, Bovik, Asilomar 2003.

    >>> image = torch.rand(3, 161, 161, dtype=torch.float64)
    >>> ms_ssim(image, image), ms_ssim(image[:, 1:], image[:, 1:])
    (1.0, nan)
    """
    if min(target.shape[-2:]) < _MS_SSIM.min_side:
        return math.nan
    # One channel at a time, because the clamp is for each (and as fast as all at once).
    channels = zip(prediction.chunk(len(prediction)), target.chunk(len(target)), strict=True)
    similarities = torch.stack([1 - _MS_SSIM(x[None], y[None]) for x, y in channels])
    return float(similarities.clamp(min=0).mean().item())
