"""Gaussian windows."""

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian(sigma: float, side: int, like: Tensor) -> Tensor:
    """(side,) Gaussian weights around the middle that sum to 1."""
    position = torch.arange(side, dtype=finest(like), device=like.device) - (side - 1) / 2
    weights = torch.exp(-0.5 * (position / sigma).square())
    # Rounded once, at the end: a sum of 1 + d shifts every variance by d x mean^2.
    return (weights / weights.sum()).to(like.dtype)


def filter_valid(pictures: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of (N, C, H, W) where the whole window fits: (N, C, H - side + 1, W - side + 1)."""
    channels = pictures.shape[1]
    kernel = weights.expand(channels, 1, -1)
    columns = F.conv2d(pictures, kernel[..., None], groups=channels)
    return F.conv2d(columns, kernel[..., None, :], groups=channels)


def finest(like: Tensor) -> torch.dtype:
    """The most precise type of its device."""
    return torch.float32 if like.device.type == "mps" else torch.float64  # Apple's GPUs have no float64
