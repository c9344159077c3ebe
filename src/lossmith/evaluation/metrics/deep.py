"""LPIPS and DISTS, where the ImageNet weights of their networks are at hand; nothing is ever downloaded."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import unknown_name_error
from lossmith.evaluation.results import Metric
from lossmith.losses.perceptual import dists, lpips
from lossmith.losses.perceptual.base import FeatureLoss
from lossmith.losses.perceptual.weights import find_file, missing_file_hint

Score = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class DeepMetricSpec:
    """An ImageNet network under a metric."""

    label: str
    files: tuple[str, ...]
    """Names its weights go by: torchvision's own first."""
    heads: tuple[list[str], list[Path]]
    """Names that the metric's own weights go by, and where packages have them."""
    make: Callable[..., FeatureLoss]
    min_side: int = 1


ALEXNET = ("alexnet-owt-7be5be79.pth", "alexnet_imagenet.safetensors")
SQUEEZENET = ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors")
VGG16 = ("vgg16-397923af.pth", "vgg16_imagenet.safetensors")

DEEP_METRICS = {
    "lpips_alex": DeepMetricSpec("AlexNet", ALEXNET, lpips.head_files("alex"), partial(lpips.LPIPS, "alex"), 31),
    "lpips_squeeze": DeepMetricSpec(
        "SqueezeNet", SQUEEZENET, lpips.head_files("squeeze"), partial(lpips.LPIPS, "squeeze"), 17
    ),
    "lpips_vgg": DeepMetricSpec("VGG-16", VGG16, lpips.head_files("vgg"), partial(lpips.LPIPS, "vgg"), 16),
    "dists": DeepMetricSpec("VGG-16", VGG16, dists.head_files(), dists.DISTS),
}
"""In order of preference."""


def available_deep_metrics() -> dict[str, tuple[Metric, Score]]:
    """The metrics whose weights are on this machine, by name, the preferred first; often none.

    Looks in the folder named by LOSSMITH_WEIGHTS and in torch.hub's checkpoint folder. Each function takes
    (prediction, target), float (3, H, W) RGB in [0, 1], and gives LPIPS v0.1 or DISTS in float32: 0 for equal
    images, NaN for images that are too small for LPIPS (AlexNet 31 pixels, SqueezeNet 17, VGG-16 16). DISTS
    is computed on the image as it is, not on one of 256 pixels.

    Sources: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018; Ding, Ma, Wang, Simoncelli, TPAMI 2022.

    >>> list(available_deep_metrics())  # doctest: +SKIP
    ['lpips_alex', 'lpips_squeeze']
    """
    return {
        name: (
            Metric(
                name,
                "DISTS" if name == "dists" else f"LPIPS ({backbone.label})",
                higher_is_better=False,
                digits=4,
                min_side=backbone.min_side,
            ),
            partial(distance, name, path),
        )
        for name, backbone in DEEP_METRICS.items()
        if (path := find_weights(name)) and find_file(*backbone.heads)
    }


def find_weights(name: str) -> Path | None:
    """The file with the backbone weights of a deep metric, or None."""
    return find_file(DEEP_METRICS[name].files)


def missing_weights(name: str = "lpips_alex") -> str:
    """What to do to get a deep metric, in one sentence.

    >>> print(missing_weights("lpips_alex"))  # doctest: +ELLIPSIS
    lpips_alex needs torchvision's AlexNet weights: put alexnet-owt-7be5be79.pth into ...
    """
    if name not in DEEP_METRICS:
        raise unknown_name_error("metric", name, DEEP_METRICS)
    backbone = DEEP_METRICS[name]
    if find_weights(name):
        return f"{name} needs its own weights besides: {missing_file_hint(backbone.heads[0][0])}"
    return f"{name} needs torchvision's {backbone.label} weights: {missing_file_hint(backbone.files[0])}"


def distance(name: str, weights: Path, prediction: Tensor, target: Tensor) -> float:
    """The deep metric of one pair of (3, H, W) images, with the backbone weights from this file.

    Raises LossmithError when the file does not hold the backbone.
    """
    loss = _loss(name, weights)
    if min(target.shape[-2:]) < loss.min_side:
        return math.nan
    with torch.no_grad():
        colors = (image.cpu().float().expand(1, 3, -1, -1) for image in (prediction, target))
        return float(loss(*colors))


@lru_cache(maxsize=2)
def _loss(name: str, weights: Path) -> FeatureLoss:
    return DEEP_METRICS[name].make(weights=str(weights))
