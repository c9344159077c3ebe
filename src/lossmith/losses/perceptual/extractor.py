"""The feature maps of images at any layers of any network, which is frozen."""

from bisect import bisect_left
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.state_dicts import is_counter
from lossmith.losses.function_transforms import channels_last
from lossmith.losses.perceptual.backbones import IMAGENET, Backbone, backbone
from lossmith.losses.perceptual.graph import HookedNetwork, feature_graph, freeze
from lossmith.losses.perceptual.weights import init_random, load_into

MAX_PROBED_SIDE = 512
"""Networks that refuse images of this side take one size only, and say so themselves."""


class FeatureExtractor(nn.Module):
    """A module that gives the feature maps of images at some layers of a network, as a list.

    Images are (N, C, H, W) in [0, 1] and never resized; `min_side` is the smallest side that all layers can
    process. Layers after the last one that is asked for are dropped. The module stays in eval mode. Its weights
    are buffers, which move with the module, are not saved with it, and get no gradients.

    Parameters
    ----------
    network
        A name, or a module of yours; see `backbone`.
    layers
        Names of layers; see `feature_graph`.
    weights
        A file (safetensors or a state dict), or "random", which is the same every time. By default the weights
        that the network's name stands for: a file of their usual name in the folder LOSSMITH_WEIGHTS or in
        torch.hub's cache, or else downloaded by torchvision or timm into their caches.
    normalize
        "weights" normalizes images as the weights expect it, "imagenet" by ImageNet's mean and standard deviation;
        None leaves them as they are.
    precision
        "full" computes in the precision of the weights: float32, or what the module is converted to, such as
        `.double()`. With "bfloat16" the network alone is in bfloat16.

    Raises
    ------
    LossmithError
        For unknown networks and layers, and for weights that are missing or are of another network.

    >>> import torch
    >>> extractor = FeatureExtractor("vgg16", ["relu1_2", "conv3_1"], "random")
    >>> [tuple(features.shape) for features in extractor(torch.rand(1, 3, 32, 40))]
    [(1, 64, 32, 40), (1, 256, 8, 10)]
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        network: str | nn.Module | Backbone,
        layers: Sequence[str],
        weights: str | None = None,
        normalize: str | None = "weights",
        precision: str = "full",
    ) -> None:
        super().__init__()
        source = network if isinstance(network, Backbone) else backbone(network)
        self.name = source.name
        mean, deviation = _normalization(source, normalize)
        for name, values in (("mean", mean), ("deviation", deviation)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu").view(1, -1, 1, 1)
            self.register_buffer(name, buffer, persistent=False)
        self.network = feature_graph(source.network, [layers] if isinstance(layers, str) else layers)
        self.channels = _channels(self.network)
        self.min_side = _min_side(self)
        _load_weights(self.network, source, weights)
        freeze(self.network)
        self.network.to(memory_format=torch.channels_last)
        if precision not in ("full", "bfloat16"):
            raise LossmithError(f"precision must be 'full' or 'bfloat16', not '{precision}'")
        if precision == "bfloat16":
            self.network.to(torch.bfloat16)

    def forward(self, image: Tensor) -> list[Tensor]:
        if image.shape[1] != self.channels:
            raise LossmithError(f"{self.name} takes images of {self.channels} channels, not {image.shape[1]}")
        normalized = (image.to(self.mean.dtype) - self.mean) / self.deviation
        weight = next((buffer for buffer in self.network.buffers() if buffer.is_floating_point()), self.mean)
        features: list[Tensor] = self.network(channels_last(normalized, weight.dtype))
        return [feature.to(self.mean.dtype) for feature in features]

    def channels_per_layer(self) -> list[int]:
        """The number of channels of each layer."""
        smallest = self.mean.new_zeros(1, self.channels, self.min_side, self.min_side)
        return [feature.shape[1] for feature in self(smallest)]

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in eval mode, whatever the mode of the modules around it."""
        return super().train(False)


def _normalization(backbone: Backbone, normalize: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if normalize not in ("weights", "imagenet", None):
        raise LossmithError(f"normalize must be weights, imagenet or none, not '{normalize}'")
    statistics = IMAGENET if normalize == "imagenet" else backbone.normalization if normalize else None
    return statistics or ((0.0,), (1.0,))


def _channels(network: nn.Module) -> int:
    """The number of channels that the network's first convolution takes."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return first.in_channels if first else 3


def _min_side(extractor: FeatureExtractor) -> int:
    """The smallest side of an image for which every layer has an output, or 1 if none is found."""
    meta_network = deepcopy(extractor.network).to("meta")  # computes shapes only

    dtype = next(
        (tensor.dtype for tensor in meta_network.state_dict().values() if tensor.is_floating_point()), None
    )

    def suffices(side: int) -> bool:
        try:
            features = meta_network(torch.empty(1, extractor.channels, side, side, dtype=dtype, device="meta"))
        except Exception:  # a network can raise anything for an image that is too small
            return False
        _check_maps(extractor.name, features)
        return all(feature.numel() for feature in features)

    # doubled first, since small ones, which are the rule, are soon found
    enough = 1
    while not suffices(enough):
        enough *= 2
        if enough > MAX_PROBED_SIDE:
            return 1
    between = range(enough // 2 + 1, enough)
    return enough // 2 + 1 + bisect_left(between, True, key=suffices)


def _check_maps(name: str, features: list[Tensor]) -> None:
    for feature in features:
        if not isinstance(feature, Tensor) or feature.ndim != 4:
            shape = tuple(feature.shape) if isinstance(feature, Tensor) else type(feature).__name__
            raise LossmithError(f"a layer of {name} gives {shape}, not feature maps (N, C, H, W)")


def _load_weights(network: nn.Module, backbone: Backbone, weights: str | None) -> None:
    if weights is None and not backbone.files:
        return  # a module of the user's comes with its weights
    network.float()  # whatever the default dtype was when it was built
    if any(tensor.is_meta for tensor in network.state_dict().values()):
        network.to_empty(device="cpu")
    if weights == "random":
        init_random(network)
    else:
        layers = network.network if isinstance(network, HookedNetwork) else network
        needed = [name for name in layers.state_dict() if not is_counter(name)]
        state, source = backbone.weights(weights, needed)
        load_into(layers, state, source, backbone.name, backbone.network.state_dict().keys())


__all__ = ["FeatureExtractor"]
