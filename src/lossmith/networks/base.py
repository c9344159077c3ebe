"""The base class of restoration networks."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression

MAX_FEATURES = 1024
"""The largest number of features, blocks and the like, far beyond the networks that are in use."""


class Restorer(HasExpression, nn.Module):
    """Base class of restoration networks: (N, C, h, w) to (N, C, scale h, scale w), images in [0, 1].

    The input may be outside, and the output is not clamped. `str()` returns the expression of the architecture.

    Parameters
    ----------
    scale
        The factor by which the network upscales, 1 to 1024.
    channels
        C, the channels of the images, 1 to 1024; 3 are RGB.
    """

    name: ClassVar[str]

    def __init__(self, scale: int = 1, *, channels: int = 3) -> None:
        super().__init__()
        check_size(self.name, scale=scale, channels=channels)
        self.scale, self.channels = scale, channels


def check_size(network: str, **sizes: int) -> None:
    """Raise LossmithError for a number of features, blocks and the like that no network of this name has."""
    for key, size in sizes.items():
        if size < 1:
            raise LossmithError(f"{network}: {key} must be at least 1, not {size}")
        if size > MAX_FEATURES:
            raise LossmithError(f"{network}: {key} must be at most {MAX_FEATURES}, not {size}")


def upsample(images: Tensor, scale: int, mode: str) -> Tensor:
    """Upscale images (N, C, h, w) to (N, C, scale h, scale w).

    `mode` is that of `torch.nn.functional.interpolate`. Bicubic has a = -0.5 as in MATLAB and Pillow, which torch
    uses with antialiasing; without, it has -0.75.
    """
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode=mode, antialias=mode == "bicubic")


def pad_and_unshuffle(images: Tensor, factor: int) -> Tensor:
    """Pixel unshuffle by `factor`, after padding the sides by reflection to multiples of it.

    The reflection is done by indexing: `F.pad` cannot reflect more pixels than an image has, and exporters can
    trace indexing for free sizes.

    >>> pad_and_unshuffle(torch.arange(3.0).reshape(1, 1, 1, 3), 2).flatten().tolist()
    [0.0, 2.0, 1.0, 1.0, 0.0, 2.0, 1.0, 1.0]
    """
    if factor == 1:
        return images
    for dim in (-2, -1):
        last = images.shape[dim] - 1
        padded = (images.shape[dim] + factor - 1) // factor * factor
        indices = last - (torch.arange(padded, device=images.device) - last).abs()
        images = images.index_select(dim, indices.clamp(min=0))
    return F.pixel_unshuffle(images, factor)
