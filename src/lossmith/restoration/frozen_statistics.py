"""Instance normalization with statistics that were measured beforehand.

Instance normalization looks at the whole image, so tiles of one would be normalized each in its own way, and their
seams would show. With the statistics of the image, or of a reduced copy of it, frozen, every pixel depends on its
neighborhood alone.
"""

from copy import deepcopy
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def normalizes_whole_images(module: nn.Module) -> bool:
    """Whether a network has layers of instance normalization, which take their statistics from the whole image."""
    return any(_takes_statistics(layer) for layer in module.modules())


def freeze_statistics(module: nn.Module, image: Tensor) -> nn.Module:
    """A copy of a network in which each instance normalization keeps the mean and variance that it has on `image`.

    On `image` (1, C, H, W), on the device of the network, both give the same.

    >>> norm = nn.Sequential(nn.InstanceNorm2d(3))
    >>> image = torch.rand(1, 3, 8, 8)
    >>> torch.allclose(freeze_statistics(norm, image)(image)[..., :4], norm(image)[..., :4], atol=1e-6)
    True
    """
    frozen = deepcopy(module)
    for parent in list(frozen.modules()):
        for name, layer in list(parent.named_children()):
            if _takes_statistics(layer):
                setattr(parent, name, _FrozenNorm(layer))
    with torch.inference_mode():
        frozen(image)
    return frozen


class _FrozenNorm(nn.Module):
    """An instance normalization with the statistics of the first image that it sees."""

    mean: Tensor | None
    variance: Tensor | None

    def __init__(self, norm: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("mean", None)
        self.register_buffer("variance", None)

    def forward(self, x: Tensor) -> Tensor:
        if self.mean is None:
            self.variance, self.mean = torch.var_mean(x, (0, 2, 3), correction=0)
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, eps=self.eps)


def _takes_statistics(layer: nn.Module) -> TypeGuard[nn.InstanceNorm2d]:
    return isinstance(layer, nn.InstanceNorm2d) and not layer.track_running_stats
