"""Losses of other packages as lines of Python that make them, beside ours of the same family.

A line runs wherever the package is installed and then takes the published weights; `made` gives the networks
random ones, the same each time, so that nothing is downloaded.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

import features_rivals
from lossmith.losses.perceptual.dists import head_files as heads_of_dists
from lossmith.losses.perceptual.lpips import head_files as heads_of_lpips
from lossmith.losses.perceptual.weights import find_file, init_random, read_state_dict
from lossmith.soundness import Subject, subject_of

Criterion = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Family:
    """Losses of one kind: ours by its expression, and a line that makes `criterion` for each other package."""

    title: str
    ours: str
    others: dict[str, str] = field(default_factory=dict)
    kind: str = "distance"
    """What the others are examined as; ours state it themselves."""


FUNCTIONAL = "from torchmetrics.functional.image import"
FAMILIES = (
    Family(
        "SSIM",
        "ssim",
        {
            "pytorch-msssim": "import pytorch_msssim; "
            "criterion = lambda x, y: 1 - pytorch_msssim.ssim(x, y, data_range=1)",
            "piq": "import piq; criterion = piq.SSIMLoss(downsample=False)",
            "piqa": "import piqa; ssim = piqa.SSIM(); criterion = lambda x, y: 1 - ssim(x, y)",
            "kornia": "import kornia; criterion = kornia.losses.SSIMLoss(11, padding='valid')",
            "torchmetrics": f"{FUNCTIONAL} structural_similarity_index_measure as ssim; "
            "criterion = lambda x, y: 1 - ssim(x, y, data_range=1.0)",
        },
    ),
    Family(
        "MS-SSIM",
        "ms_ssim",
        {
            "pytorch-msssim": "import pytorch_msssim; "
            "criterion = lambda x, y: 1 - pytorch_msssim.ms_ssim(x, y, data_range=1)",
            "piq": "import piq; criterion = piq.MultiScaleSSIMLoss()",
            "piqa": "import piqa; ms_ssim = piqa.MS_SSIM(); criterion = lambda x, y: 1 - ms_ssim(x, y)",
            "torchmetrics": f"{FUNCTIONAL} multiscale_structural_similarity_index_measure as ms_ssim; "
            "criterion = lambda x, y: 1 - ms_ssim(x, y, data_range=1.0)",
        },
    ),
    Family(
        "The mix of MS-SSIM and L1",
        "mix",
        {"kornia": "import kornia; criterion = kornia.losses.MS_SSIMLoss(alpha=0.84, compensation=1.0)"},
    ),
    Family(
        "LPIPS on AlexNet",
        "lpips(alex, weights=random)",
        {
            "lpips": "import lpips; net = lpips.LPIPS(net='alex', verbose=False).requires_grad_(False); "
            "criterion = lambda x, y: net(x, y, normalize=True).mean()",
            "piqa": "import piqa; criterion = piqa.LPIPS(network='alex')",
            "torchmetrics": f"{FUNCTIONAL} learned_perceptual_image_patch_similarity as lpips; "
            "criterion = lambda x, y: lpips(x, y, net_type='alex', normalize=True)",
        },
        "perceptual",
    ),
    Family(
        "LPIPS on VGG",
        "lpips(vgg, weights=random)",
        {"piq": "import piq; criterion = piq.LPIPS()"},
        "perceptual",
    ),
    Family(
        "DISTS",
        "dists(weights=random)",
        {
            "DISTS-pytorch": "import DISTS_pytorch; dists = DISTS_pytorch.DISTS().requires_grad_(False); "
            "criterion = lambda x, y: dists(x, y, require_grad=True, batch_average=True)",
            "piq": "import piq; criterion = piq.DISTS()",
            "torchmetrics": f"{FUNCTIONAL} deep_image_structure_and_texture_similarity as dists; "
            "criterion = lambda x, y: dists(x, y, reduction='mean')",
        },
        "perceptual",
    ),
    Family(
        "Features of VGG",
        "johnson(weights=random)",
        {"piq": "import piq; criterion = piq.ContentLoss('vgg16', ('relu2_2',))"},
        "perceptual",
    ),
    Family(
        "Style of VGG",
        "style(weights=random)",
        {
            "piq": "import piq; names = ('relu1_2', 'relu2_2', 'relu3_3', 'relu4_3'); "
            "criterion = piq.StyleLoss('vgg16', names, weights=[1.0] * 4)"
        },
        "statistics",
    ),
)


def subject_of_rival(family: Family, package: str, weights: Path) -> Subject:
    """The loss of a package, for an examination; `weights` is a folder of `write_random_weights`."""
    code = family.others[package]
    make = partial(made, code, weights)
    subject = subject_of(make(), family.kind)
    return replace(subject, name=f"{package}: {family.title}", make=make, code=code)


def made(code: str, weights: Path) -> Criterion:
    """The loss that a line of Python makes, whose networks have the weights in a folder."""
    use_random_networks(weights)
    names: dict[str, Any] = {}
    exec(code, names)
    criterion: Criterion = names["criterion"]
    return criterion


_PATCHES = ExitStack()


@cache
def use_random_networks(weights: Path) -> None:
    """From now on other packages find networks and heads in a folder, in this process."""
    import piqa.lpips

    files = {path.stem: path for path in weights.glob("*.safetensors")}
    heads = {name: [*_heads(heads_of_lpips(name)).values()] for name in ("alex", "vgg")}
    dists = _heads(heads_of_dists())

    def of_piq(url: str, *_: object, **__: object) -> object:
        return dists if "dists" in url else [head.view(1, -1, 1, 1) for head in heads["vgg"]]

    def of_piqa(network: str) -> list[nn.Parameter]:
        return [nn.Parameter(head.flatten()) for head in heads[network]]

    _PATCHES.enter_context(features_rivals.torchvision_weights(files))
    _PATCHES.enter_context(patch("torch.hub.load_state_dict_from_url", of_piq))
    _PATCHES.enter_context(patch.object(piqa.lpips, "get_weights", of_piqa))


def _heads(files: tuple[list[str], list[Path]]) -> dict[str, Tensor]:
    file = find_file(*files)
    assert file is not None
    return read_state_dict(file)


def write_random_weights(folder: Path) -> None:
    """Files of networks with random weights, which are the same each time."""
    for name in ("alexnet", "vgg16"):
        features = models.get_model(name, weights=None).features
        init_random(features)
        state = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors")


__all__ = ["FAMILIES", "Family", "made", "subject_of_rival", "write_random_weights"]
