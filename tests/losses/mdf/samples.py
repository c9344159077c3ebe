"""Small discriminators with random weights, and files of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.losses import save_loss
from lossmith.losses.mdf.discriminator import PatchDiscriminator

SCALES = [{"width": 4, "factor": 1.0}, {"width": 6, "factor": 1.0}, {"width": 5, "factor": 1.0}]


def random_discriminator(
    width: int, layers: int = 5, stride: int = 1, seed: int = 0, channels: int = 3
) -> PatchDiscriminator:
    """One whose BatchNorms have seen something, so that folding them matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        discriminator = PatchDiscriminator(width, layers, stride, channels).eval().requires_grad_(False)
        for module in discriminator.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_mean, module.bias):
                    assert tensor is not None
                    tensor.normal_(0, 0.3)
                for tensor in (module.running_var, module.weight):
                    assert tensor is not None
                    tensor.uniform_(0.5, 1.5)
    return discriminator


def discriminators_of(scales: Sequence[dict[str, Any]], channels: int = 3) -> list[PatchDiscriminator]:
    return [
        random_discriminator(scale["width"], scale.get("layers", 5), scale.get("stride", 1), seed, channels)
        for seed, scale in enumerate(scales)
    ]


def write(path: Path, scales: Sequence[dict[str, Any]] = SCALES, channels: int = 3, **card: Any) -> Path:
    save_loss(path, discriminators_of(scales, channels), {"scales": list(scales), "range": [0, 1], **card})
    return path


def pair(side: int = 23, batch: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """A prediction and its target, one pixel wider than high."""
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(batch, 3, side, side + 1, generator=generator, dtype=torch.float64)
    noise = torch.rand(batch, 3, side, side + 1, generator=generator, dtype=torch.float64)
    return (0.7 * target + 0.3 * noise).to(dtype), target.to(dtype)
