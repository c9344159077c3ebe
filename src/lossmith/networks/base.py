"""The base class of restoration networks."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression

MAX_FEATURES = 1024
"""The largest number of features, blocks and the like, far beyond the networks that are in use."""


class Restorer(HasExpression, nn.Module):
    """Base class of restoration networks: (N, 3, h, w) to (N, 3, scale h, scale w), RGB in [0, 1].

    The output is not clamped. `str()` returns the expression of the architecture.

    Parameters
    ----------
    scale
        The factor by which the network upscales, 1 to 1024.
    """

    name: ClassVar[str]

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self._check_size(scale=scale)
        self.scale = scale

    def _check_size(self, **sizes: int) -> None:
        for key, size in sizes.items():
            if size < 1:
                raise LossmithError(f"{self.name}: {key} must be at least 1, not {size}")
            if size > MAX_FEATURES:
                raise LossmithError(f"{self.name}: {key} must be at most {MAX_FEATURES}, not {size}")


def upsample(images: Tensor, scale: int, mode: str) -> Tensor:
    """Upscale images (N, C, h, w) to (N, C, scale h, scale w).

    `mode` is that of `torch.nn.functional.interpolate`. Bicubic has a = -0.5 as in MATLAB and Pillow, which torch
    uses with antialiasing; without, it has -0.75.
    """
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode=mode, antialias=mode == "bicubic")
