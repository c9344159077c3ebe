"""Between floats in [0, 1] and what a file holds."""

import torch
from torch import Tensor


def to_8bit(pictures: Tensor) -> Tensor:
    """The nearest of 0..255 (uint8) to floats in [0, 1]; halves go up, what is outside is clipped.

    >>> to_8bit(torch.tensor([-0.1, 0.5, 1.2]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return (pictures * 255 + 0.5).floor().clamp(0, 255).to(torch.uint8)


def from_8bit(pictures: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """k / 255 for every k of a uint8 tensor, correctly rounded.

    >>> from_8bit(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return pictures.to(dtype) / 255
