"""The degradation of super-resolution: MATLAB's bicubic downscaling."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from torch import Tensor

from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_int
from lossmith.degradations.resampling import resize, resize_8bit


@dataclass(frozen=True)
class Bicubic(Degradation):
    """Downscale by an integer, bit for bit as MATLAB's `imresize` does with 8-bit images.

    An 8-bit image is rounded to 8 bits first, and the result holds multiples of 1 / 255. The low-resolution images
    of Set5, Set14, BSD100 and DIV2K were made this way, and are reproduced exactly. Images of other depths are
    resized as MATLAB resizes floats, neither rounded nor clipped. `resampling.resize` is the differentiable form.

    Parameters
    ----------
    scale
        The factor, an integer from 2 on.

    Examples
    --------
    >>> import torch
    >>> Bicubic(2)(torch.rand(3, 8, 6)).shape
    torch.Size([3, 4, 3])
    """

    name: ClassVar[str] = "bicubic"
    scale: int = field()

    def __post_init__(self) -> None:
        check_int(self.name, "scale", self.scale, 2)

    @property
    def margin(self) -> int:
        return 2 * self.scale  # the kernel reaches two output pixels to each side

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        if self.pixels.is_8bit:
            return resize_8bit(clean, 1 / self.scale)
        return resize(clean.double(), 1 / self.scale).to(clean.dtype)
