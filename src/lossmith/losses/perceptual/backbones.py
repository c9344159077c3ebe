"""Networks by name, built without weights, and what is known of the weights that they usually have."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossmith.core.errors import LossmithError, missing_extra, unknown_name_error
from lossmith.core.state_dicts import is_counter
from lossmith.expressions import Call, instantiate, resolve
from lossmith.losses.perceptual.weights import find_file, missing_file_hint, read_state_dict

BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
"""The channels through which each block goes."""


class VGG16MINC(nn.Sequential):
    """The thirteen convolutions of VGG-16 up to conv5_3, before its activation; pooling rounds sizes up.

    Its state dict is that of the published file `VGG16minc_53.pth`: a weight and a bias for each of `conv11`,
    `conv12`, `conv21`, ... `conv53`, RGB. Images are fed as they are, in [0, 1].

    Source: Wang et al., ECCVW 2018, section 4.4, on Bell et al., Material Recognition in the Wild, CVPR 2015.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for block, widths in enumerate(BLOCKS, 1):
            if block > 1:
                layers[f"pool{block - 1}"] = nn.MaxPool2d(2, ceil_mode=True)
            for within, (given, made) in enumerate(pairwise(widths), 1):
                layers[f"conv{block}{within}"] = nn.Conv2d(given, made, 3, padding=1)
                layers[f"relu{block}{within}"] = nn.ReLU(inplace=True)
        del layers["relu53"]
        super().__init__(layers)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's images in [0, 1], channel by channel."""

# What the published weights of these two expect; and initializations that take minutes.
OPTIONS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}


@dataclass(frozen=True)
class Backbone:
    """A network, and the weights that are meant by its name."""

    name: str
    network: nn.Module
    """On the device `meta`, without numbers, if a name is all there is of it."""
    files: tuple[str, ...] = ()
    """Names that its weights go by, the usual one first; none for a network of yours."""
    extra_paths: tuple[Path, ...] = ()
    """Where they may be, if not in the weight folders."""
    download_hint: str = ""
    """Where that with the usual name comes from, for people who have to fetch it themselves."""
    download: Callable[[], Mapping[str, Tensor]] | None = None
    """Its package's own loading, which keeps what it fetches in the usual cache; None where there is none."""
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """The mean and the standard deviation that its weights are used to."""

    def weights(self, said: str | None) -> tuple[Mapping[str, Tensor], str]:
        """Those in the file that was said, or in that with the usual ones, or else downloaded; and whence.

        Raises LossmithError, which says in one sentence what to do to have them.
        """
        path = Path(said) if said else find_file(self.files, self.extra_paths)
        if path:
            if not path.is_file():
                raise LossmithError(f"{self.name} needs its weights, and {path} is not a file")
            names = (name for name in self.network.state_dict() if not is_counter(name))
            return read_state_dict(path, names), str(path)
        wanted = f"{self.name} needs {self.files[0]}, {_megabytes(self.network):.0f} MB{self.download_hint}"
        if self.download is None:
            raise LossmithError(f"{wanted}: {missing_file_hint(self.files[0])}")
        try:
            return self.download(), self.files[0]
        except Exception as error:  # whatever a network, a proxy, a full disk make the packages raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise LossmithError(
                f"{wanted}, which could not be downloaded ({reason}): {missing_file_hint(self.files[0])}"
            ) from error


def backbone(network: str | nn.Module) -> Backbone:
    """A network of torchvision (`vgg19`), of timm (`timm/resnet18`) or of yours (`my_package.my_module:MyNet`).

    `minc` is `VGG16MINC`. A network of yours comes with its weights, and gets images as they are. It is copied.

    Raises LossmithError for names that nobody knows, and ImportError where the package is not installed.
    """
    if isinstance(network, nn.Module):
        return Backbone(f"object of {type(network).__module__}:{type(network).__qualname__}", deepcopy(network))
    if not isinstance(network, str):
        raise LossmithError(f"a network is named, such as vgg19, or is a torch.nn.Module, not {network!r}")
    if ":" in network:
        call = Call(network)
        made = instantiate(call, resolve(call, {}, "network"), "network")
        if not isinstance(made, nn.Module):
            raise LossmithError(f"network '{network}' must make a torch.nn.Module, not {type(made).__name__}")
        return Backbone(network, made)
    if network == "minc":
        return _minc()
    return _from_timm(network.removeprefix("timm/")) if network.startswith("timm/") else _from_torchvision(network)


def _minc() -> Backbone:
    with torch.device("meta"):
        network = VGG16MINC()
    # the code that the weights were published with feeds images as they are
    files = ("VGG16minc_53.pth", "VGG16minc_53.safetensors")
    return Backbone("minc", network, files, download_hint=" from ESRGAN's authors")


def _from_torchvision(name: str) -> Backbone:
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        raise missing_extra(f"features of {name}", error) from None
    if name not in models.list_models(module=models):
        raise unknown_name_error("network", name, ["minc", *models.list_models(module=models)])
    made = _build_on_meta(lambda: models.get_model(name, weights=None, **OPTIONS.get(name, {})))
    first = next(iter(models.get_model_weights(name)))  # IMAGENET1K_V1, those that papers mean
    usual = first.transforms()
    return Backbone(
        name,
        made,
        files=(first.url.rpartition("/")[2], f"{name}_imagenet.safetensors"),
        download_hint=f" from {first.url}",
        download=partial(first.get_state_dict, progress=True, check_hash=True, weights_only=True),
        normalization=(tuple(usual.mean), tuple(usual.std)),
    )


def _from_timm(name: str) -> Backbone:
    try:
        import timm
    except ModuleNotFoundError:
        raise LossmithError("networks of timm need: pip install timm") from None
    if not timm.is_model(name.partition(".")[0]):
        raise unknown_name_error("timm network", name, timm.list_models())
    try:
        made: Any = _build_on_meta(lambda: timm.create_model(name))
    except RuntimeError as error:  # for weights that it does not know, after the dot
        raise LossmithError(f"network 'timm/{name}': {error}") from error
    usual = made.pretrained_cfg
    repository = (usual.get("hf_hub_id") or "").replace("/", "--")
    cache = Path.home() / ".cache" / "huggingface" / "hub" / f"models--{repository}" / "snapshots"
    return Backbone(
        f"timm/{name}",
        made,
        files=(f"{name}.safetensors",),
        extra_paths=tuple(sorted(cache.glob("*/model.safetensors"))),
        download_hint=f", the model.safetensors of {usual['hf_hub_id']} on the Hugging Face hub"
        if repository
        else "",
        download=lambda: timm.create_model(name, pretrained=True).state_dict(),
        normalization=(tuple(usual["mean"]), tuple(usual["std"])),
    )


def _megabytes(network: nn.Module) -> float:
    size: int = sum(tensor.nbytes for tensor in network.state_dict().values())
    return size / 2**20


def _build_on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """A network on `meta`, which costs nothing, unless it has tables that are computed when it is made."""
    with torch.device("meta"):
        network = make()
    with_tables = (
        module
        for module in network.modules()
        if [*module.buffers(recurse=False)] and not isinstance(module, _BatchNorm)
    )
    return network if next(with_tables, None) is None else make()


__all__ = ["IMAGENET", "VGG16MINC", "Backbone", "backbone"]
