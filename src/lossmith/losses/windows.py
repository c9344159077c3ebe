"""Gaussian windows and the local statistics that structural losses compare."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Moments(NamedTuple):
    """Means, variances and covariance of two pictures under a window."""

    mean_x: Tensor
    mean_y: Tensor
    var_x: Tensor
    var_y: Tensor
    covariance: Tensor


def gaussian(sigma: float, side: int, like: Tensor) -> Tensor:
    """(side,) Gaussian weights around the middle that sum to 1."""
    position = torch.arange(side, dtype=_finest(like), device=like.device) - (side - 1) / 2
    weights = torch.exp(-0.5 * (position / sigma).square())
    # Rounded once, at the end: a sum of 1 + d shifts every variance by d x mean^2.
    return (weights / weights.sum()).to(like.dtype)


def filter_valid(pictures: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of (N, C, H, W) where the whole window fits: (N, C, H - side + 1, W - side + 1)."""
    return _separable(pictures, weights, padding=0)


def filter_inside(pictures: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean at every pixel; at the border, over the part of the window that lies inside the picture.

    No pixel outside the picture is invented, so borders are unbiased and any size works.
    """
    padding = len(weights) // 2
    height, width = pictures.shape[-2:]
    total = _separable(pictures, weights, padding)
    return total / (_inside(height, weights)[:, None] * _inside(width, weights))


def moments_of(blurred: Tensor) -> Moments:
    """Moments from the filtered stack of (x, y, x^2, y^2, x y); see `stack_products`."""
    mean_x, mean_y, xx, yy, xy = blurred.chunk(5, dim=1)
    return Moments(mean_x, mean_y, xx - mean_x.square(), yy - mean_y.square(), xy - mean_x * mean_y)


def stack_products(x: Tensor, y: Tensor) -> Tensor:
    """(N, C, H, W) twice to (N, 5C, H, W), so that one filter pass serves all moments.

    Contiguous, so that all are summed in the same order: moments of equal pictures are then equal to the last bit.
    """
    return torch.cat([x, y, x.square(), y.square(), x * y], dim=1).contiguous()


def _separable(pictures: Tensor, weights: Tensor, padding: int) -> Tensor:
    channels = pictures.shape[1]
    kernel = weights.expand(channels, 1, -1)
    columns = F.conv2d(pictures, kernel[..., None], padding=(padding, 0), groups=channels)
    return F.conv2d(columns, kernel[..., None, :], padding=(0, padding), groups=channels)


def _inside(length: int, weights: Tensor) -> Tensor:
    """How much of the window's weight lies inside a row of this length, at each of its positions."""
    upto = F.pad(weights.to(_finest(weights)).cumsum(0), (1, 0))
    first = len(weights) // 2 - torch.arange(length, device=weights.device)
    return (upto[(first + length).clamp(max=len(weights))] - upto[first.clamp(min=0)]).to(weights.dtype)


def _finest(like: Tensor) -> torch.dtype:
    return torch.float32 if like.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
