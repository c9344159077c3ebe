"""What a frozen network sees in images: any network, at any of its layers."""

from bisect import bisect_left
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses.function_transforms import channels_last
from lossmith.losses.perceptual.backbones import IMAGENET, Backbone, backbone
from lossmith.losses.perceptual.graph import feature_graph, freeze
from lossmith.losses.perceptual.weights import init_random, load_into

MAX_PROBED_SIDE = 512
"""Networks that refuse images of this side take one size only, of which they tell themselves."""


class FeatureExtractor(nn.Module):
    """The feature maps of images, (N, C, H, W) in [0, 1], at some layers of a network, as a list.

    `network` is a name, or a module of yours (see `backbone`), `layers` are names in it (see `feature_graph`).
    `weights` are a file, safetensors or a state dict, or "random", which are always the same. By default they are
    those that the network's name stands for: a file of their usual name in the folder LOSSMITH_WEIGHTS or in
    torch.hub's cache, or else what torchvision or timm download into theirs. `normalize` says what the network
    gets: images as its "weights" are used to, or with the mean and deviation of "imagenet" taken out, or as they
    are (None).

    It computes nothing behind the last layer and holds none of its weights. It stays in eval mode. Its weights are
    buffers, which move with it and are not saved with it, and no gradient ever goes to them. Images are never
    resized: `min_side` is what they must have, found by trying.

    >>> extractor = FeatureExtractor("vgg16", ["relu1_2", "conv3_1"], "random")
    >>> [tuple(features.shape) for features in extractor(torch.rand(1, 3, 32, 40))]
    [(1, 64, 32, 40), (1, 256, 8, 10)]

    Everything is computed in the precision of its weights: float32, or what it is converted to, such as
    `.double()`; with `precision="bfloat16"` the network alone is in bfloat16.
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
        known = network if isinstance(network, Backbone) else backbone(network)
        self.name = known.name
        mean, deviation = _normalization(known, normalize)
        for name, values in (("mean", mean), ("deviation", deviation)):
            buffer = torch.tensor(values, dtype=torch.float32, device="cpu").view(1, -1, 1, 1)
            self.register_buffer(name, buffer, persistent=False)
        self.network = feature_graph(known.network, [layers] if isinstance(layers, str) else layers)
        self.channels = _channels(self.network)
        self.min_side = _min_side(self)
        _load_weights(self.network, known, weights)
        freeze(self.network)
        self.network.to(memory_format=torch.channels_last)
        if precision not in ("full", "bfloat16"):
            raise LossmithError(f"precision must be 'full' or 'bfloat16', not '{precision}'")
        if precision == "bfloat16":
            self.network.to(torch.bfloat16)

    def forward(self, image: Tensor) -> list[Tensor]:
        if image.shape[1] != self.channels:
            raise LossmithError(f"{self.name} takes images of {self.channels} channels, not {image.shape[1]}")
        seen = (image.to(self.mean.dtype) - self.mean) / self.deviation
        weight = next((buffer for buffer in self.network.buffers() if buffer.is_floating_point()), self.mean)
        features: list[Tensor] = self.network(channels_last(seen, weight.dtype))
        return [feature.to(self.mean.dtype) for feature in features]

    def channels_per_layer(self) -> list[int]:
        """How many channels each of the layers has."""
        smallest = self.mean.new_zeros(1, self.channels, self.min_side, self.min_side)
        return [feature.shape[1] for feature in self(smallest)]

    def train(self, mode: bool = True) -> "FeatureExtractor":
        """Stay in eval mode, whatever happens around it."""
        return super().train(False)


def _normalization(known: Backbone, normalize: str | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if normalize not in ("weights", "imagenet", None):
        raise LossmithError(f"normalize must be weights, imagenet or none, not '{normalize}'")
    asked = IMAGENET if normalize == "imagenet" else known.normalization if normalize else None
    return asked or ((0.0,), (1.0,))


def _channels(network: nn.Module) -> int:
    """As many as its first convolution takes."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    return first.in_channels if first else 3


def _min_side(extractor: FeatureExtractor) -> int:
    """The side that an image must have for every layer to make something of it, or 1 where none is found."""
    ghost = deepcopy(extractor.network).to("meta")  # which computes sizes and no numbers

    dtype = next((tensor.dtype for tensor in ghost.state_dict().values() if tensor.is_floating_point()), None)

    def suffices(side: int) -> bool:
        try:
            features = ghost(torch.empty(1, extractor.channels, side, side, dtype=dtype, device="meta"))
        except Exception:  # whatever a network may raise at an image that is too small
            return False
        _check_maps(extractor.name, features)
        return all(feature.numel() for feature in features)

    sides = range(1, MAX_PROBED_SIDE + 1)
    found = bisect_left(sides, True, key=suffices)
    return sides[found] if found < len(sides) else 1


def _check_maps(name: str, features: list[Tensor]) -> None:
    for feature in features:
        if not isinstance(feature, Tensor) or feature.ndim != 4:
            shape = tuple(feature.shape) if isinstance(feature, Tensor) else type(feature).__name__
            raise LossmithError(f"a layer of {name} gives {shape}, not feature maps (N, C, H, W)")


def _load_weights(network: nn.Module, backbone: Backbone, weights: str | None) -> None:
    if weights is None and not backbone.files:
        return  # a network of yours comes with them
    network.float()  # whatever the default was when it was made
    if any(tensor.is_meta for tensor in network.state_dict().values()):
        network.to_empty(device="cpu")
    if weights == "random":
        init_random(network)
    else:
        state, source = backbone.weights(weights)
        load_into(network, state, source, backbone.name, backbone.network.state_dict().keys())


__all__ = ["FeatureExtractor"]
