"""The patch discriminator of MDF, which is trained on one image and then frozen as a loss.

It is that of SinGAN (Shaham, Dekel & Michaeli, ICCV 2019), in the form of MDF
(Mustafa et al., WACV 2022).
"""

import math
from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import interpolate

NEGATIVE_SLOPE = 0.2
"""The slope of the leaky ReLU below zero."""


class ConvBlock(nn.Module):
    """A 3 x 3 convolution without padding, BatchNorm, LeakyReLU."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, stride)
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.activation(self.norm(self.conv(image)))
        return features


class PatchDiscriminator(nn.Module):
    """A patch discriminator of 3 x 3 convolutions without padding: a head, a body and a linear tail.

    It maps images (N, C, H, W) to scores (N, 1, h, w), one per patch. With five layers and stride 1 a patch is
    11 x 11 pixels, and the scores have 10 rows and columns fewer than the image.

    Parameters
    ----------
    width
        The channels of all layers but the last.
    layers
        The number of convolutions: a head, `layers - 2` blocks of the body, and the tail.
    stride
        The stride of the head, which makes all layers after it cheaper.
    channels
        Of the images, C.

    >>> import torch
    >>> PatchDiscriminator(32)(torch.rand(2, 3, 48, 64)).shape
    torch.Size([2, 1, 38, 54])
    """

    def __init__(self, width: int, layers: int = 5, stride: int = 1, channels: int = 3) -> None:
        super().__init__()
        self.width, self.layers, self.stride, self.channels = width, layers, stride, channels
        self.head = ConvBlock(channels, width, stride)
        blocks = ((f"block{n}", ConvBlock(width, width)) for n in range(1, layers - 1))
        self.body = nn.Sequential(OrderedDict(blocks))
        self.tail = nn.Conv2d(width, 1, 3)

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The features that MDF compares: the outputs of the head and of the body, and the scores."""
        head = self.head(image)
        body = self.body(head)
        return head, body, self.tail(body)

    def forward(self, image: Tensor) -> Tensor:
        return self.features(image)[2]


def downscale(image: Tensor, factor: float) -> Tensor:
    """Images (N, C, H, W) at a fraction of their resolution: antialiased bilinear, sides rounded to whole pixels.

    Training and loss downscale alike, so that a discriminator gets inputs like those that it was trained on.

    >>> import torch
    >>> downscale(torch.rand(1, 3, 48, 64), 0.75).shape
    torch.Size([1, 3, 36, 48])
    """
    if factor == 1:
        return image
    height, width = (downscaled_side(side, factor) for side in image.shape[-2:])
    return resized(image, (height, width))


def downscale_to(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) downscaled to a size (height, width); of this size, they are returned as they are."""
    if image.shape[-2:] == size:
        return image
    return resized(image, size)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, H, W) resized to (height, width): antialiased bilinear."""
    return interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def downscaled_side(side: int, factor: float) -> int:
    """The length of a side after `downscale`."""
    if isinstance(side, Tensor):  # under `torch.jit.trace`, which would record an int as a constant
        return (side.double() * factor + 0.5).long().clamp(min=1)
    length = math.floor(side * factor + 0.5)
    return max(1, length) if isinstance(length, int) else length  # symbolic under `torch.export`


__all__ = ["NEGATIVE_SLOPE", "ConvBlock", "PatchDiscriminator", "downscale", "downscale_to", "downscaled_side"]
