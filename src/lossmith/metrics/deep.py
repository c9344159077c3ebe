"""LPIPS and DISTS, if the weights of their networks are on this machine; nothing is ever downloaded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.perceptual.base import FeatureLoss
from lossmith.losses.perceptual.dists import DISTS
from lossmith.losses.perceptual.dists import head_files as dists_head_files
from lossmith.losses.perceptual.lpips import LPIPS
from lossmith.losses.perceptual.lpips import head_files as lpips_head_files
from lossmith.losses.perceptual.weights import find_file, missing_file_hint
from lossmith.metrics.inputs import in_full_precision, prepare


@dataclass(frozen=True)
class DeepMetricSpec:
    """A metric on features of an ImageNet network: its weight files and its constructor."""

    network: str
    files: tuple[str, ...]
    """Names that the file of the network's weights may have; torchvision's own comes first."""
    heads: Callable[[], tuple[list[str], list[Path]]]
    """Names that the file of the metric's own weights may have, and its places in other packages."""
    build: Callable[..., FeatureLoss]
    min_side: int = 1


ALEXNET = ("alexnet-owt-7be5be79.pth", "alexnet_imagenet.safetensors")
SQUEEZENET = ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors")
VGG16 = ("vgg16-397923af.pth", "vgg16_imagenet.safetensors")

DEEP_METRICS = {
    "lpips_alex": DeepMetricSpec(
        "AlexNet", ALEXNET, partial(lpips_head_files, "alex"), partial(LPIPS, "alex"), 31
    ),
    "lpips_squeeze": DeepMetricSpec(
        "SqueezeNet", SQUEEZENET, partial(lpips_head_files, "squeeze"), partial(LPIPS, "squeeze"), 17
    ),
    "lpips_vgg": DeepMetricSpec("VGG-16", VGG16, partial(lpips_head_files, "vgg"), partial(LPIPS, "vgg"), 16),
    "dists": DeepMetricSpec("VGG-16", VGG16, dists_head_files, DISTS),
}
"""In order of preference."""


@in_full_precision
def lpips(
    prediction: Tensor,
    target: Tensor,
    *,
    network: Literal["alex", "squeeze", "vgg"] = "alex",
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """Learned perceptual image patch similarity, version 0.1, (N,); 0 is best, lower is better. In float32.

    Needs the ImageNet weights of `network`, and the trained heads, in the folder named by LOSSMITH_WEIGHTS or in
    torch.hub's checkpoint folder; the heads are also read from an installed lpips or torchmetrics. Gray images
    are repeated over three channels.

    Options as for `psnr`; the color is always RGB. Raises LossmithError where weights are missing, and for less
    than 31 pixels a side on AlexNet, 17 on SqueezeNet, 16 on VGG-16.
    Source: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018.
    """
    return _distance(f"lpips_{network}", prediction, target, border, round_to_8bit)


@in_full_precision
def dists(prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False) -> Tensor:
    """Deep image structure and texture similarity, (N,); 0 is best, lower is better. In float32.

    The images are not resized to 256 pixels. Needs the ImageNet weights of VGG-16 and DISTS's own, in the folders
    that `lpips` names.

    Options as for `psnr`; the color is always RGB. Raises LossmithError where weights are missing.
    Source: Ding, Ma, Wang, Simoncelli, TPAMI 2022.
    """
    return _distance("dists", prediction, target, border, round_to_8bit)


def has_weights(name: str) -> bool:
    """Whether the weights of a deep metric are on this machine."""
    return bool(_backbone_weights(name) and find_file(*DEEP_METRICS[name].heads()))


def missing_weights(name: str = "lpips_alex") -> str:
    """A sentence that says which weights a deep metric lacks, and where to put them.

    >>> print(missing_weights("lpips_alex"))  # doctest: +ELLIPSIS
    lpips_alex needs torchvision's AlexNet weights: put alexnet-owt-7be5be79.pth into ...
    """
    spec = _spec(name)
    if _backbone_weights(name):
        return f"{name} needs its own weights, too: {missing_file_hint(spec.heads()[0][0])}"
    return f"{name} needs torchvision's {spec.network} weights: {missing_file_hint(spec.files[0])}"


def _spec(name: str) -> DeepMetricSpec:
    if name not in DEEP_METRICS:
        raise unknown_name_error("metric", name, DEEP_METRICS)
    return DEEP_METRICS[name]


def _backbone_weights(name: str) -> Path | None:
    return find_file(DEEP_METRICS[name].files)


def _distance(name: str, prediction: Tensor, target: Tensor, border: int, round_to_8bit: bool) -> Tensor:
    x, y = prepare(name, prediction, target, "own", border, round_to_8bit, _spec(name).min_side)
    weights = _backbone_weights(name)
    if weights is None or not has_weights(name):
        raise LossmithError(missing_weights(name))
    loss = _loss(name, weights, x.device)
    value: Tensor = loss(*(image.float().expand(-1, 3, -1, -1) for image in (x, y)))
    return value.to(x.dtype)


@lru_cache(maxsize=2)
@torch.inference_mode(False)  # the cached network may be needed for a gradient later
def _loss(name: str, weights: Path, device: torch.device) -> FeatureLoss:
    return DEEP_METRICS[name].build(weights=str(weights), reduction="none").to(device)
