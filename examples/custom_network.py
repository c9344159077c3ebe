"""A network of your own: any torch.nn.Module that maps (N, 3, h, w) to (N, 3, scale h, scale w).

In this folder, or wherever Python finds this module:

    lossmith train photos/ --degradation "bicubic(2)" --network "custom_network:TinySR(features=24)" --out runs/x2
"""

import torch.nn.functional as F
from torch import Tensor, nn


class TinySR(nn.Module):
    """Bicubic enlargement plus a residual from two convolutions and a pixel shuffle.

    Parameters
    ----------
    scale
        How many times larger the output is; lossmith passes the scale of the degradation.
    features
        Channels between the convolutions.
    """

    def __init__(self, scale: int = 1, features: int = 16) -> None:
        super().__init__()
        self.scale = scale
        self.residual = nn.Sequential(
            nn.Conv2d(3, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, 3 * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )

    def forward(self, degraded: Tensor) -> Tensor:
        enlarged = F.interpolate(degraded, scale_factor=self.scale, mode="bicubic")
        return enlarged + self.residual(degraded)
