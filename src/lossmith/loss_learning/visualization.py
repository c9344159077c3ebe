"""Score and loss maps of a discriminator for one clean/degraded pair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lossmith.losses.mdf.discriminator import PatchDiscriminator

MAX_SIDE = 256
"""Longest side of the maps, in pixels; larger images are center-cropped."""


@dataclass(frozen=True)
class ScoreMaps:
    """Images (C, H, W) on the scale of their range, and maps (1, H, W) in [0, 1]."""

    clean: Tensor
    degraded: Tensor
    clean_score: Tensor
    """Large where the discriminator scores the clean image as clean."""
    degraded_score: Tensor
    """The same for the degraded image, on the same scale."""
    distance: Tensor
    """Large where the loss between the two is large."""


@torch.no_grad()
def score_maps(discriminator: PatchDiscriminator, clean: Tensor, degraded: Tensor) -> ScoreMaps:
    """The maps of a frozen discriminator for a pair of images, (1, C, H, W), whose range is [-1, 1]."""
    clean, degraded = center_crop(clean), center_crop(degraded)
    target, prediction = discriminator.features(clean), discriminator.features(degraded)
    scores = torch.cat([target[-1], prediction[-1]])
    low, high = torch.quantile(scores.flatten(), torch.tensor([0.02, 0.98]))
    shades = (scores - low) / (high - low).clamp(min=1e-12)
    sides = prediction[-1].shape[-2:]
    errors = [
        _center((a - b).square().mean(1, keepdim=True), *sides) for a, b in zip(target, prediction, strict=True)
    ]
    # the square root, since a squared error is concentrated in few places
    distance = torch.stack([error / error.mean().clamp(min=1e-12) for error in errors]).mean(0).sqrt()
    return ScoreMaps(
        clean=(clean[0] + 1) / 2,
        degraded=(degraded[0] + 1) / 2,
        clean_score=shades[0].clamp(0, 1),
        degraded_score=shades[1].clamp(0, 1),
        distance=(distance[0] / torch.quantile(distance.flatten(), 0.99).clamp(min=1e-12)).clamp(0, 1),
    )


def center_crop(image: Tensor, min_side: int = 0) -> Tensor:
    """The center of an image, (..., H, W), with sides of `MAX_SIDE`, or of `min_side` if that is more."""
    return _center(image, *(min(max(MAX_SIDE, min_side), side) for side in image.shape[-2:]))


def _center(image: Tensor, height: int, width: int) -> Tensor:
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
