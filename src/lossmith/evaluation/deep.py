"""LPIPS, where the ImageNet weights of its backbone are at hand; nothing is ever downloaded.

torchmetrics brings the network and its trained heads, but not the backbone. DISTS is not offered: torchmetrics'
cannot be made without downloading VGG-16.
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lossmith.errors import LossmithError, unknown
from lossmith.evaluation.results import Metric

WEIGHTS_FOLDER = "LOSSMITH_WEIGHTS"
"""The environment variable that names a folder of weights."""

Score = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Backbone:
    """An ImageNet network under LPIPS."""

    label: str
    files: tuple[str, ...]
    """Names its weights go by: torchvision's own first."""
    least_side: int


BACKBONES = {
    "lpips_alex": Backbone("AlexNet", ("alexnet-owt-7be5be79.pth", "alexnet_imagenet.safetensors"), 31),
    "lpips_squeeze": Backbone(
        "SqueezeNet", ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors"), 17
    ),
    "lpips_vgg": Backbone("VGG-16", ("vgg16-397923af.pth", "vgg16_imagenet.safetensors"), 16),
}
"""In order of preference."""


def available_deep_metrics() -> dict[str, tuple[Metric, Score]]:
    """The metrics whose weights are on this machine, by name, the preferred first; often none.

    Looks in the folder named by LOSSMITH_WEIGHTS and in torch.hub's checkpoint folder. Each function takes
    (prediction, target), float (3, H, W) RGB in [0, 1], and gives LPIPS v0.1 in float32: 0 for equal pictures,
    NaN for pictures that are too small for the backbone (AlexNet 31 pixels, SqueezeNet 17, VGG-16 16).

    Source: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018.

    >>> list(available_deep_metrics())  # doctest: +SKIP
    ['lpips_alex', 'lpips_squeeze']
    """
    return {
        name: (
            Metric(name, f"LPIPS ({backbone.label})", higher_is_better=False, digits=4),
            partial(lpips, name, path),
        )
        for name, backbone in BACKBONES.items()
        if (path := find_weights(name))
    }


def find_weights(name: str) -> Path | None:
    """The file with the backbone weights of a deep metric, or None."""
    candidates = [folder / file for folder in weight_folders() for file in BACKBONES[name].files]
    return next((path for path in candidates if path.is_file()), None)


def weight_folders() -> list[Path]:
    """Where weights are looked for, in this order."""
    own = os.environ.get(WEIGHTS_FOLDER)
    return ([Path(own)] if own else []) + [Path(torch.hub.get_dir()) / "checkpoints"]


def missing_weights(name: str = "lpips_alex") -> str:
    """What to do to get a deep metric, in one sentence.

    >>> print(missing_weights("lpips_alex"))  # doctest: +ELLIPSIS
    lpips_alex needs torchvision's AlexNet weights: put alexnet-owt-7be5be79.pth into ...
    """
    if name not in BACKBONES:
        raise unknown("metric", name, BACKBONES)
    backbone = BACKBONES[name]
    return (
        f"{name} needs torchvision's {backbone.label} weights: put {backbone.files[0]} into "
        f"{weight_folders()[-1]} or into the folder named by the environment variable {WEIGHTS_FOLDER}"
    )


def lpips(name: str, weights: Path, prediction: Tensor, target: Tensor) -> float:
    """LPIPS of one pair of (3, H, W) pictures, with the backbone weights from this file.

    Raises LossmithError when the file does not hold the backbone.
    """
    if min(target.shape[-2:]) < BACKBONES[name].least_side:
        return math.nan
    network = _network(name.removeprefix("lpips_"), weights)
    with torch.no_grad():
        value = network(prediction[None].float(), target[None].float(), normalize=True)
    return float(value.item())


@lru_cache(maxsize=2)
def _network(net: Any, weights: Path) -> torch.nn.Module:
    from torchmetrics.functional.image.lpips import _LPIPS

    network = _LPIPS(net=net, pnet_rand=True)  # the heads are loaded from torchmetrics, the backbone is random
    needed = network.net.state_dict()
    given = _read(weights)
    # torchmetrics cuts the backbone into slices, but keeps the numbers of torchvision's layers within them.
    sources = {key: "features." + re.sub(r"^slice(s\.)?\d+\.", "", key) for key in needed}
    if wrong := [source for key, source in sources.items() if _shape(given.get(source)) != _shape(needed[key])]:
        raise LossmithError(
            f"{weights} does not hold the weights of {net}: '{wrong[0]}' is missing or has another shape"
        )
    network.net.load_state_dict({key: given[source] for key, source in sources.items()})
    return network.eval()


def _read(weights: Path) -> dict[str, Tensor]:
    try:
        if weights.suffix == ".safetensors":
            return load_file(weights)
        state: dict[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # whatever a damaged file makes the readers raise
        raise LossmithError(f"cannot read the weights in {weights}: {error}") from error


def _shape(tensor: Tensor | None) -> tuple[int, ...] | None:
    return None if tensor is None else tuple(tensor.shape)
