"""Networks by name, built without weights, and what is known of the weights that they usually have."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossmith.errors import LossmithError, missing_extra, unknown
from lossmith.expressions import Call, invoke, resolve
from lossmith.losses.weights import locate

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pictures in [0, 1], channel by channel."""

# What the published weights of these two expect; and initialisations that take minutes.
OPTIONS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}


@dataclass(frozen=True)
class Backbone:
    """A network, and the weights that are meant by its name."""

    name: str
    network: nn.Module
    """On the device `meta`, without numbers, if a name is all there is of it."""
    files: tuple[str, ...] = ()
    """Names that its weights go by, the usual one first; none for a network of yours."""
    elsewhere: tuple[Path, ...] = ()
    """Where they may be, if not in the weight folders."""
    megabytes: float | None = None
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """The mean and the standard deviation that its weights are used to."""

    def locate_weights(self, said: str | None) -> Path:
        """The file that was said, or that with its usual weights, or what to do to have it, in one sentence."""
        size = f" of {self.megabytes:.0f} MB" if self.megabytes else ""
        return locate(said, self.files, self.elsewhere, f"{self.name} needs a file of weights{size}")


def backbone(network: str | nn.Module) -> Backbone:
    """A network of torchvision (`vgg19`), of timm (`timm/resnet18`) or of yours (`my_package.my_module:MyNet`).

    A network of yours comes with its weights, and gets pictures as they are. It is copied.

    Raises LossmithError for names that nobody knows, and ImportError where the package is not installed.
    """
    if isinstance(network, nn.Module):
        return Backbone(f"object of {type(network).__module__}:{type(network).__qualname__}", deepcopy(network))
    if ":" in network:
        call = Call(network)
        made = invoke(call, resolve(call, {}, "network"), "network")
        if not isinstance(made, nn.Module):
            raise LossmithError(f"network '{network}' must make a torch.nn.Module, not {type(made).__name__}")
        return Backbone(network, made)
    return _from_timm(network.removeprefix("timm/")) if network.startswith("timm/") else _from_torchvision(network)


def _from_torchvision(name: str) -> Backbone:
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        raise missing_extra(f"features of {name}", error) from None
    if name not in models.list_models(module=models):
        raise unknown("network", name, models.list_models(module=models))
    made = _without_numbers(lambda: models.get_model(name, weights=None, **OPTIONS.get(name, {})))
    first = next(iter(models.get_model_weights(name)))  # IMAGENET1K_V1, those that papers mean
    usual = first.transforms()
    return Backbone(
        name,
        made,
        files=(first.url.rpartition("/")[2], f"{name}_imagenet.safetensors"),
        megabytes=first.meta["_file_size"],
        normalisation=(tuple(usual.mean), tuple(usual.std)),
    )


def _from_timm(name: str) -> Backbone:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise LossmithError("networks of timm need: pip install timm") from error
    if not timm.is_model(name.partition(".")[0]):
        raise unknown("timm network", name, timm.list_models())
    try:
        made: Any = _without_numbers(lambda: timm.create_model(name))
    except RuntimeError as error:  # for weights that it does not know, after the dot
        raise LossmithError(f"network 'timm/{name}': {error}") from error
    usual = made.pretrained_cfg
    repository = (usual.get("hf_hub_id") or "").replace("/", "--")
    cache = Path.home() / ".cache" / "huggingface" / "hub" / f"models--{repository}" / "snapshots"
    return Backbone(
        f"timm/{name}",
        made,
        files=(f"{name}.safetensors",),
        elsewhere=tuple(sorted(cache.glob("*/model.safetensors"))),
        normalisation=(tuple(usual["mean"]), tuple(usual["std"])),
    )


def _without_numbers(make: Callable[[], nn.Module]) -> nn.Module:
    """A network on `meta`, which costs nothing, unless it has tables that are computed when it is made."""
    with torch.device("meta"):
        network = make()
    with_tables = (
        module
        for module in network.modules()
        if [*module.buffers(recurse=False)] and not isinstance(module, _BatchNorm)
    )
    return network if next(with_tables, None) is None else make()


__all__ = ["IMAGENET", "Backbone", "backbone"]
