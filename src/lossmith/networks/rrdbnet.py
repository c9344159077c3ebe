"""The network of ESRGAN: residual blocks of residual dense blocks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks.base import Restorer, check_size, pad_and_unshuffle, upsample
from lossmith.networks.srresnet import scale_init

RESIDUAL_SCALE = 0.2
"""Factor of every residual branch, without which so deep a network does not train."""


class RRDBNet(Restorer):
    """23 residual blocks, each of three dense blocks of five convolutions; 16,697,987 parameters at x4.

    (N, C, h, w) to (N, C, scale h, scale w). At scales 1 and 2 the input first goes through a pixel unshuffle by 4
    and 2, so that the body works on small maps; sides that are not multiples of that are padded by
    reflection, and the output is cropped. Keys and arithmetic are those known as RRDBNet or ESRGAN: files open in
    spandrel, and through it in ComfyUI and chaiNNer.

    Source: Wang et al., ECCVW 2018, section 3.1; x1 and x2 as BasicSR has them.

    Parameters
    ----------
    scale
        1, 2, 3, 4 or 8.
    features
        Channels of the body.
    blocks
        Residual blocks.
    growth
        Channels that each convolution of a dense block adds.
    unshuffle
        The factor of the pixel unshuffle [default: 4 at scale 1, 2 at scale 2, else 1]; the oldest models of
        scales 1 and 2 have 1.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in RRDBNet(scale=4, blocks=1).parameters())
    870659
    """

    name = "rrdbnet"

    def __init__(
        self,
        scale: int = 1,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        unshuffle: int | None = None,
        *,
        channels: int = 3,
    ) -> None:
        super().__init__(scale, channels=channels)
        check_size(self.name, features=features, blocks=blocks, growth=growth)
        self.features, self.blocks, self.growth, self.unshuffle = features, blocks, growth, unshuffle
        self._fold = {1: 4, 2: 2}.get(scale, 1) if unshuffle is None else unshuffle
        factors = {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}.get(scale * self._fold)
        if factors is None:
            by_scale = f"scale must be 1, 2, 3, 4 or 8, not {scale}"
            by_product = f"scale times unshuffle must be 1, 2, 3, 4 or 8, not {scale} times {unshuffle}"
            raise LossmithError(f"{self.name}: {by_scale if unshuffle is None else by_product}")
        self._factors: tuple[int, ...] = factors
        self.conv_first = nn.Conv2d(channels * self._fold**2, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualDenseBlocks(features, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        for index, _ in enumerate(factors, 1):
            self.add_module(f"conv_up{index}", nn.Conv2d(features, features, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)
        scale_init(self.body, 0.1)

    def forward(self, degraded: Tensor) -> Tensor:
        height, width = degraded.shape[-2:]
        x = self.conv_first(pad_and_unshuffle(degraded, self._fold))
        x = x + self.conv_body(self.body(x))
        for index, factor in enumerate(self._factors, 1):
            x = F.leaky_relu(self.get_submodule(f"conv_up{index}")(upsample(x, factor, "nearest")), 0.2)
        restored: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))
        return restored if self._fold == 1 else restored[..., : height * self.scale, : width * self.scale]


class ResidualDenseBlocks(nn.Module):
    """x + 0.2 * three dense blocks in a row."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.rdb3(self.rdb2(self.rdb1(x)))
        return x + RESIDUAL_SCALE * branch


class DenseBlock(nn.Module):
    """x + 0.2 * five densely connected convolutions: each gets the block's input and all outputs before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(features + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(features + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(features + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            features = torch.cat([features, F.leaky_relu(conv(features), 0.2)], dim=1)
        branch: Tensor = self.conv5(features)
        return x + RESIDUAL_SCALE * branch
