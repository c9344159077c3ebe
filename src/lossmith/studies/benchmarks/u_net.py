"""The U-Net that draws structures in pictures."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1] of any size to logits (N, 1, H, W).

    Two things differ from the publication. Batch normalization follows each convolution. And the output is as
    large as the picture, as convolutions continue their maps by the values at the border: with zeros there, a
    network can tell the border, and draws lines along it where a loss does not see the last row or column. A
    picture whose sides the poolings do not divide is continued in the same way, and the output is cropped.

    Parameters
    ----------
    features
        The channels at full resolution; each pooling doubles them.
    levels
        The number of poolings, each by 2.

    References
    ----------
    Ronneberger, Fischer and Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015
    (`features=64, levels=4`).

    >>> UNet(features=4, levels=2)(torch.zeros(1, 3, 17, 30)).shape
    torch.Size([1, 1, 17, 30])
    """

    def __init__(self, features: int = 64, levels: int = 4) -> None:
        super().__init__()
        widths = [features << level for level in range(levels + 1)]
        self.contract = nn.ModuleList(_convolutions(*pair) for pair in pairwise([3, *widths]))
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(deep, width, kernel_size=2, stride=2) for width, deep in pairwise(widths)
        )
        self.expand = nn.ModuleList(_convolutions(2 * width, width) for width in widths[:-1])
        self.last = nn.Conv2d(features, 1, kernel_size=1)
        self.multiple = 1 << levels

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        maps = self.contract[0](F.pad(images, padding, mode="replicate"))
        skipped: list[Tensor] = []
        for convolutions in self.contract[1:]:
            skipped.append(maps)
            maps = convolutions(F.max_pool2d(maps, 2))
        for upsample, convolutions in zip(reversed(self.upsample), reversed(self.expand), strict=True):
            maps = convolutions(torch.cat([skipped.pop(), upsample(maps)], dim=1))
        logits: Tensor = self.last(maps)
        return logits[..., :height, :width]


def _convolutions(channels: int, features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (channels, features):
        convolution = nn.Conv2d(inputs, features, 3, padding=1, padding_mode="replicate", bias=False)
        layers += [convolution, nn.BatchNorm2d(features), nn.ReLU()]
    return nn.Sequential(*layers)


__all__ = ["UNet"]
