"""What every restorer is."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.expressions import Spelled


class Restorer(Spelled, nn.Module):
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


def enlarge(pictures: Tensor, scale: int, mode: str) -> Tensor:
    """Pictures `scale` times as high and wide; as they are when `scale` is 1."""
    return F.interpolate(pictures, scale_factor=scale, mode=mode) if scale > 1 else pictures
