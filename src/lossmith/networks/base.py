"""What every restorer is."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression

MAX_FEATURES = 1024
"""Features, blocks and whatever else a network is made of; more than anybody has built."""


class Restorer(HasExpression, nn.Module):
    """A network that undoes damage: (N, 3, h, w) to (N, 3, scale h, scale w), RGB in [0, 1].

    `str()` gives the expression that makes it again. The output is not clamped.
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
    """Images `scale` times as high and wide; as they are when `scale` is 1.

    Bicubic is that of MATLAB and Pillow (a = -0.5), which torch takes when asked for antialiasing, and not its
    default of -0.75.
    """
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode=mode, antialias=mode == "bicubic")
