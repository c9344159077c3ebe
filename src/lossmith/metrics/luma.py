"""RGB to luma, in the conventions that metrics use.

Images are (..., C, H, W) in [0, 1]; a single channel is gray, and is the luma itself.
"""

import torch
from torch import Tensor

from lossmith.core.quantize import is_gray

BT601 = (0.299, 0.587, 0.114)
"""What red, green and blue add to the brightness of full-range RGB, by ITU-R BT.601."""
MATLAB_GRAY = (0.298936021293775, 0.587043074451121, 0.114020904255103)
"""The weights of MATLAB's `rgb2gray`: the first row of the inverse of its matrix from YIQ to RGB."""


def studio_luma(image: Tensor) -> Tensor:
    """BT.601 studio-swing Y as (..., 1, H, W), from 16/255 to 235/255; not rounded.

    It equals MATLAB's `rgb2ycbcr` of floating-point images, on which super-resolution is scored.

    >>> (studio_luma(torch.ones(3, 1, 1)) * 255).item()
    235.0
    """
    rgb = image.expand(*image.shape[:-3], 3, -1, -1)
    return (_weighted_sum(rgb, (65.481, 128.553, 24.966)) + 16) / 255


def full_luma(image: Tensor) -> Tensor:
    """BT.601 full-range luma on 0 to 255, as (..., 1, H, W).

    The constants of metrics published with MATLAB code are for this range.

    >>> full_luma(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).reshape(3, 1, 1)).round(decimals=9).item()
    76.245
    """
    return (image if image.shape[-3] == 1 else _weighted_sum(image, BT601)) * 255


def matlab_gray(image: Tensor) -> Tensor:
    """What MATLAB's `rgb2gray` makes of 8-bit images: integers from 0 to 255, as (..., 1, H, W).

    >>> matlab_gray(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).reshape(3, 1, 1)).item()
    76.0
    """
    gray = image if image.shape[-3] == 1 else _weighted_sum(image, MATLAB_GRAY)
    return (gray * 255 + 0.5).floor().clamp(0, 255)


def as_gray(image: Tensor) -> Tensor:
    """(3, H, W) RGB as (1, H, W): one channel of a gray image, otherwise the full-range luma, not rounded.

    >>> as_gray(torch.full((3, 1, 1), 0.3, dtype=torch.float64)).item()
    0.3
    """
    return image[:1] if is_gray(image) else _weighted_sum(image, BT601)


def _weighted_sum(image: Tensor, weights: tuple[float, ...]) -> Tensor:
    column = torch.tensor(weights, dtype=image.dtype, device=image.device)[:, None, None]
    return (image * column).sum(-3, keepdim=True)
