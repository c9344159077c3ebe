"""The small fully convolutional network of Zhao et al."""

from torch import Tensor, nn

from lossmith.networks.base import Restorer, upsample


class FCN(Restorer):
    """Three convolutions, 9x9, 5x5 and 5x5, of 64 features with PReLU between: 122,883 weights and 128 slopes.

    (N, C, h, w) to (N, C, scale h, scale w). For scales above 1 it works on the bicubically upscaled input, as the
    paper's super-resolution does. Convolutions are zero-padded to keep the size (the paper does not say). Its
    receptive field has 17 pixels.

    Source: Zhao, Gallo, Frosio, Kautz, IEEE TCI 3(1), 2017, section IV.

    Parameters
    ----------
    scale
        The factor by which it upscales.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in FCN().parameters()) - 2 * 64
    122883
    """

    name = "fcn"

    def __init__(self, scale: int = 1, *, channels: int = 3) -> None:
        super().__init__(scale, channels=channels)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 64, 9, padding=4),
            nn.PReLU(64),
            nn.Conv2d(64, 64, 5, padding=2),
            nn.PReLU(64),
            nn.Conv2d(64, channels, 5, padding=2),
        )

    def forward(self, degraded: Tensor) -> Tensor:
        restored: Tensor = self.layers(upsample(degraded, self.scale, "bicubic"))
        return restored
