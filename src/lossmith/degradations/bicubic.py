"""Super-resolution's damage: MATLAB's bicubic reduction."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from torch import Tensor

from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_int
from lossmith.degradations.resampling import resize_8bit


@dataclass(frozen=True)
class Bicubic(Degradation):
    """Shrink by a whole number, bit for bit as MATLAB's `imresize` shrinks 8-bit images.

    The image is rounded to 8 bits first and the result holds k / 255. This is how the low-resolution images
    of Set5, Set14, BSD100 and DIV2K were made: pixel by pixel the same. `resampling.resize` is the
    differentiable form.

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
        return resize_8bit(clean, 1 / self.scale)
