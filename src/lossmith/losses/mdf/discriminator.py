"""The small discriminator that becomes a loss: trained as a discriminator on one image, then frozen.

The patch discriminator of SinGAN (Shaham, Dekel & Michaeli, ICCV 2019), in the form of MDF
(Mustafa et al., WACV 2022).
"""

import math
from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import interpolate

SLOPE = 0.2
"""Of the leaky ReLU, below zero."""


class ConvBlock(nn.Module):
    """A 3 x 3 convolution without padding, BatchNorm, LeakyReLU."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, stride)
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.activation(self.norm(self.conv(image)))
        return features


class PatchDiscriminator(nn.Module):
    """A patch discriminator: `layers` convolutions of 3 x 3, `width` channels wide, without padding.

    A head, `layers - 2` blocks of body and a linear tail; the scores are (N, 1, h, w), one per patch. With five
    layers a patch is 11 x 11 pixels, and the scores are 10 pixels shorter than the image either way. The head
    may have a `stride`, which makes everything after it cheaper.

    >>> import torch
    >>> PatchDiscriminator(32)(torch.rand(2, 3, 48, 64)).shape
    torch.Size([2, 1, 38, 54])
    """

    def __init__(self, width: int, layers: int = 5, stride: int = 1) -> None:
        super().__init__()
        self.width, self.layers, self.stride = width, layers, stride
        self.head = ConvBlock(3, width, stride)
        blocks = ((f"block{n}", ConvBlock(width, width)) for n in range(1, layers - 1))
        self.body = nn.Sequential(OrderedDict(blocks))
        self.tail = nn.Conv2d(width, 1, 3)

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What MDF compares: the outputs of the head, of the body, and the scores."""
        head = self.head(image)
        body = self.body(head)
        return head, body, self.tail(body)

    def forward(self, image: Tensor) -> Tensor:
        return self.features(image)[2]


def downscale(image: Tensor, factor: float) -> Tensor:
    """An image (N, C, H, W) at a fraction of its resolution: antialiased bilinear, sides rounded to whole pixels.

    The pyramid of the training and the loss shrink alike, so that a discriminator meets what it was trained on.

    >>> import torch
    >>> downscale(torch.rand(1, 3, 48, 64), 0.75).shape
    torch.Size([1, 3, 36, 48])
    """
    if factor == 1:
        return image
    height, width = (downscaled_side(side, factor) for side in image.shape[-2:])
    return resized(image, (height, width))


def downscale_to(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The same to a size; an image that has it is left as it is."""
    if image.shape[-2:] == size:
        return image
    return resized(image, size)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def downscaled_side(side: int, factor: float) -> int:
    """The length of a side after `downscale`."""
    if isinstance(side, Tensor):  # as `torch.jit.trace` has it, which an int would become a constant for
        return (side.double() * factor + 0.5).long().clamp(min=1)
    shrunk = math.floor(side * factor + 0.5)
    return max(1, shrunk) if isinstance(shrunk, int) else shrunk  # a formula, as `torch.export` has it


__all__ = ["SLOPE", "ConvBlock", "PatchDiscriminator", "downscale", "downscale_to", "downscaled_side"]
