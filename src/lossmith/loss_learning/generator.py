"""The generator: a network that restores the degraded image at one scale."""

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """The generator of a scale: `base` + tanh of five convolutions of `degraded`, both (N, C, H, W).

    Blocks of convolution, batch normalization and leaky ReLU as in SinGAN (Shaham et al., ICCV 2019); every layer
    pads by replication, so that the size stays.

    Parameters
    ----------
    width
        Channels of the hidden layers.
    channels
        Of the images, C.
    """

    def __init__(self, width: int, channels: int = 3) -> None:
        super().__init__()
        self.head = _block(channels, width)
        self.body = nn.Sequential(*(_block(width, width) for _ in range(3)))
        self.tail = nn.Conv2d(width, channels, 3, padding=1, padding_mode="replicate")

    def forward(self, degraded: Tensor, base: Tensor) -> Tensor:
        return base + torch.tanh(self.tail(self.body(self.head(degraded))))


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="replicate"),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )


def init_weights(network: nn.Module, generator: torch.Generator) -> None:
    """Initialize as in SinGAN: N(0, 0.02) for convolutions, N(1, 0.02) for the scales of normalizations."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0.0, 0.02, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, 0.02, generator=generator)
                module.bias.zero_()
