"""What a critic makes of the clean and of the damaged image, as images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lossmith.losses.mdf.discriminator import PatchDiscriminator

MAX_SIDE = 256
"""Longest side of what is shown; larger images are cut to their middle."""


@dataclass(frozen=True)
class ScoreMaps:
    """(3, H, W) images in [0, 1]; the maps are in shades of gray."""

    clean: Tensor
    degraded: Tensor
    clean_score: Tensor
    """Light where the critic takes the clean image for clean."""
    degraded_score: Tensor
    """The same for the damaged image, in the same shades."""
    distance: Tensor
    """Light where the loss between the two is large."""


@torch.no_grad()
def score_maps(critic: PatchDiscriminator, clean: Tensor, degraded: Tensor) -> ScoreMaps:
    """Of a frozen critic to a pair of images (1, 3, H, W) in [-1, 1]."""
    clean, degraded = center_crop(clean), center_crop(degraded)
    known, found = critic.features(clean), critic.features(degraded)
    scores = torch.cat([known[-1], found[-1]])
    low, high = torch.quantile(scores.flatten(), torch.tensor([0.02, 0.98]))
    shades = (scores - low) / (high - low).clamp(min=1e-12)
    sides = found[-1].shape[-2:]
    errors = [_center((a - b).square().mean(1, keepdim=True), *sides) for a, b in zip(known, found, strict=True)]
    # the root, since few places hold nearly all of a squared error
    distance = torch.stack([error / error.mean().clamp(min=1e-12) for error in errors]).mean(0).sqrt()
    return ScoreMaps(
        clean=_shade((clean + 1) / 2),
        degraded=_shade((degraded + 1) / 2),
        clean_score=_shade(shades[:1]),
        degraded_score=_shade(shades[1:]),
        distance=_shade(distance / torch.quantile(distance.flatten(), 0.99).clamp(min=1e-12)),
    )


def _shade(image: Tensor) -> Tensor:
    return image[0].clamp(0, 1).expand(3, -1, -1)


def center_crop(image: Tensor, least: int = 0) -> Tensor:
    """What is shown of an image (..., H, W), or at least so many pixels of its sides."""
    return _center(image, *(min(max(MAX_SIDE, least), side) for side in image.shape[-2:]))


def _center(image: Tensor, height: int, width: int) -> Tensor:
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
