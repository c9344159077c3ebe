"""Conversion between floats in [0, 1] and 8 bits, and a test for gray images."""

import torch
from torch import Tensor


def is_gray(image: Tensor) -> bool:
    """Whether the three channels of (3, H, W) are equal everywhere, however the image is stored.

    >>> is_gray(torch.rand(1, 4, 4).expand(3, -1, -1)), is_gray(torch.rand(3, 4, 4))
    (True, False)
    """
    return all(torch.equal(image[0], other) for other in image[1:])


def to_8bit(images: Tensor) -> Tensor:
    """Floats in [0, 1] as the nearest of 0..255 (uint8); halves round up, values outside are clipped.

    >>> to_8bit(torch.tensor([-0.1, 0.5, 1.2]))
    tensor([  0, 128, 255], dtype=torch.uint8)
    """
    return (images * 255 + 0.5).floor().clamp(0, 255).to(torch.uint8)


def from_8bit(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """A uint8 tensor divided by 255, correctly rounded.

    >>> from_8bit(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return images.to(dtype) / 255


def compact(image: Tensor) -> Tensor:
    """A float image as uint8 if that is lossless, as float32 otherwise.

    >>> compact(torch.tensor([0.0, 0.2])).dtype, compact(torch.tensor([0.0, 0.21])).dtype
    (torch.uint8, torch.float32)
    """
    rounded = to_8bit(image)
    return rounded if torch.equal(from_8bit(rounded, image.dtype), image) else image.float()
