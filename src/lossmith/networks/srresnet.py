"""SRResNet without batch normalization, and a variant that trains in minutes on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks.base import Restorer, check_size, pad_and_unshuffle, upsample


class SRResNet(Restorer):
    """16 residual blocks of 64 channels, no batch normalization, pixel shuffle; 1,517,571 parameters at x4.

    (N, C, h, w) to (N, C, scale h, scale w). The network predicts a residual, which is added to the bilinearly
    upscaled input. Keys and arithmetic are those of BasicSR's MSRResNet.

    Source: Ledig et al., CVPR 2017; without batch normalization as Wang et al., ECCVW 2018.

    Parameters
    ----------
    scale
        1, 2, 3, 4 or 8.
    features
        Channels of the body.
    blocks
        Residual blocks.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in SRResNet(scale=4).parameters())
    1517571
    """

    name = "srresnet"

    def __init__(self, scale: int = 1, features: int = 64, blocks: int = 16, *, channels: int = 3) -> None:
        super().__init__(scale, channels=channels)
        check_size(self.name, features=features, blocks=blocks)
        shuffles = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}.get(scale)
        if shuffles is None:
            raise LossmithError(f"{self.name}: scale must be 1, 2, 3, 4 or 8, not {scale}")
        self.features, self.blocks, self._shuffles = features, blocks, shuffles
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        for index, factor in enumerate(shuffles, 1):
            self.add_module(f"upconv{index}", nn.Conv2d(features, features * factor**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)
        scale_init(self, 0.1)

    def forward(self, degraded: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv_first(degraded), 0.1)
        x = self.body(x)
        for index, factor in enumerate(self._shuffles, 1):
            x = F.leaky_relu(F.pixel_shuffle(self.get_submodule(f"upconv{index}")(x), factor), 0.1)
        x = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.1))
        restored: Tensor = x + upsample(degraded, self.scale, "bilinear")
        return restored


class SRResNetSmall(Restorer):
    """SRResNet of a quarter of the depth and half the width, with a single pixel shuffle; 75,747 parameters at x1.

    (N, C, h, w) to (N, C, scale h, scale w). All convolutions work at the input's size; the residual is added to
    the bicubically upscaled input. Made for experiments of minutes on two CPU cores, where its training step is
    some 25 times cheaper than SRResNet's.

    Parameters
    ----------
    scale
        Any integer from 1 on.
    features
        Channels of the body.
    blocks
        Residual blocks.
    unshuffle
        The body works at so many times less than the input's size, as in FFDNet: with 2 it sees twice as far at a
        quarter of the cost, for images that keep their size. Other sides are padded by reflection.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in SRResNetSmall().parameters())
    75747
    >>> import torch
    >>> SRResNetSmall(unshuffle=2)(torch.rand(1, 3, 33, 48)).shape
    torch.Size([1, 3, 33, 48])
    """

    name = "srresnet_small"

    def __init__(
        self, scale: int = 1, features: int = 32, blocks: int = 4, unshuffle: int = 1, *, channels: int = 3
    ) -> None:
        super().__init__(scale, channels=channels)
        check_size(self.name, features=features, blocks=blocks, unshuffle=unshuffle)
        self.features, self.blocks, self.unshuffle = features, blocks, unshuffle
        self.conv_first = nn.Conv2d(channels * unshuffle**2, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(blocks)))
        self.conv_last = nn.Conv2d(features, channels * (scale * unshuffle) ** 2, 3, padding=1)
        scale_init(self, 0.1)

    def forward(self, degraded: Tensor) -> Tensor:
        height, width = degraded.shape[-2:]
        x = F.leaky_relu(self.conv_first(pad_and_unshuffle(degraded, self.unshuffle)), 0.1)
        x = F.pixel_shuffle(self.conv_last(self.body(x)), self.scale * self.unshuffle)
        return x[..., : self.scale * height, : self.scale * width] + upsample(degraded, self.scale, "bicubic")


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), of 3x3 convolutions."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.conv2(F.relu(self.conv1(x)))
        return x + branch


def scale_init(network: nn.Module, factor: float) -> None:
    """Initialize convolutions with Kaiming-normal weights times `factor` and zero biases.

    Residual branches are then small, and the network starts near identity.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            module.weight.data *= factor
            if module.bias is not None:
                nn.init.zeros_(module.bias)
