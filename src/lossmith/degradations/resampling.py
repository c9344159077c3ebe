"""MATLAB's `imresize`: bicubic (a = -0.5), antialiased when downscaling, with mirrored edges.

Keys, "Cubic convolution interpolation for digital image processing", 1981. Antialiasing stretches the kernel by
the downscaling factor, as MATLAB does. An image is resampled vertically, then horizontally; an output pixel is a
weighted sum of a few input pixels (taps), added in the order of the image, as in MATLAB.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.quantize import from_8bit, to_8bit


def resize(images: Tensor, to: float | tuple[int, int]) -> Tensor:
    """Resize images as MATLAB's `imresize` does with floating-point images.

    Differentiable. Values are neither rounded nor clipped, so results may slightly leave the input's range. Half
    precision is computed in float32. On CUDA the gradient is bit-reproducible under
    `torch.use_deterministic_algorithms`.

    Parameters
    ----------
    images
        (..., H, W) floats of any range, on any device.
    to
        A factor (2 upscales, 0.5 downscales; the new sides are rounded up), or the new (H, W).

    Raises
    ------
    LossmithError
        When the images are not floats or `to` is not positive.

    Examples
    --------
    >>> resize(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), (1, 2))
    tensor([[0.0547, 0.9453]])
    >>> resize(torch.rand(2, 3, 10, 12), 1.5).shape
    torch.Size([2, 3, 15, 18])
    """
    if not torch.is_floating_point(images) or images.ndim < 2 or 0 in images.shape[-2:]:
        raise LossmithError("resize: images must be a float tensor (..., H, W)")
    height, width = images.shape[-2:]
    sides = to if isinstance(to, tuple) else (_new_side(height, to), _new_side(width, to))
    if min(sides) < 1:
        raise LossmithError(f"resize: the new size must be positive, not {to}")
    scales = (sides[0] / height, sides[1] / width) if isinstance(to, tuple) else (to, to)
    work = images.to(torch.promote_types(images.dtype, torch.float32))
    work = _resample(work, -2, sides[0], float(scales[0]))
    return _resample(work, -1, sides[1], float(scales[1])).to(images.dtype)


def resize_8bit(images: Tensor, factor: float) -> Tensor:
    """Resize 8-bit images bit for bit as MATLAB's `imresize` does.

    MATLAB resamples vertically, rounds half up and clips to 8 bits, then does the same horizontally. `images` are
    (..., H, W) in [0, 1] and are rounded to 8 bits first; the result holds multiples of 1 / 255.

    >>> resize_8bit(torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(4, 4), 0.5) * 255
    tensor([[ 14., 241.],
            [ 14., 241.]])
    """
    if not torch.is_floating_point(images) or not factor > 0:
        raise LossmithError("resize_8bit: images must be floats in [0, 1] and the factor positive")
    work = to_8bit(images.detach())
    for dim in (-2, -1):
        exact = _resample(work.to(torch.float64), dim, _new_side(work.shape[dim], factor), factor)
        work = (exact + 0.5).floor().clamp(0, 255).to(torch.uint8)
    return from_8bit(work, images.dtype)


def _new_side(side: int, factor: float) -> int:
    return math.ceil(side * factor - 1e-9)  # 510 * (1 / 3) must be 170 however 1 / 3 is rounded


def _resample(images: Tensor, dim: int, side: int, scale: float) -> Tensor:
    """Resample dimension `dim`, -2 or -1, to `side` pixels."""
    taps = _taps(images.shape[dim], side, scale)
    indices = torch.from_numpy(taps[0]).to(images.device)
    weights = torch.from_numpy(taps[1]).to(images)
    if dim == -2:
        weights = weights[:, :, None]
    total = images.index_select(dim, indices[0]) * weights[0]
    for index, weight in zip(indices[1:], weights[1:], strict=True):
        total = total + images.index_select(dim, index) * weight
    return total


@lru_cache(maxsize=256)
def _taps(old: int, new: int, scale: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Indices of the input pixels of each output pixel, and their weights in float64: both (taps, new)."""
    stretch = min(scale, 1.0)
    support = 4 / stretch
    center = (np.arange(new) + 0.5) / scale - 0.5
    positions = np.floor(center - support / 2) + np.arange(math.ceil(support) + 2)[:, None]
    weights = _cubic(stretch * (center - positions))
    weights /= weights.sum(0)
    nonzero = np.abs(weights).max(1) > 0
    mirrored = positions[nonzero].astype(np.int64) % (2 * old)
    return np.minimum(mirrored, 2 * old - 1 - mirrored), weights[nonzero]


def _cubic(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
