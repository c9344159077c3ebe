"""The network that tries to pass for the clean image."""

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """(base + tanh of five convolutions of `degraded`): what is missing from `base`, of any size, in [-1, 1].

    Blocks of convolution, batch normalization and leaky ReLU as in SinGAN (Shaham et al., ICCV 2019); the borders
    are mirrored in each layer, so that the size stays.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = _block(3, width)
        self.body = nn.Sequential(*(_block(width, width) for _ in range(3)))
        self.tail = nn.Conv2d(width, 3, 3, padding=1, padding_mode="replicate")

    def forward(self, degraded: Tensor, base: Tensor) -> Tensor:
        return base + torch.tanh(self.tail(self.body(self.head(degraded))))


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, padding_mode="replicate"),
        nn.BatchNorm2d(after),
        nn.LeakyReLU(0.2, inplace=True),
    )


def init_weights(network: nn.Module, generator: torch.Generator) -> None:
    """First weights as in SinGAN: convolutions of deviation 0.02, normalizations close to 1."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.normal_(0.0, 0.02, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1.0, 0.02, generator=generator)
                module.bias.zero_()
