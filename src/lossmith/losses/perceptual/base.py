"""Losses on the features of a frozen network; `PerceptualLoss` compares the feature maps themselves."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.expressions import format_value
from lossmith.losses.base import Loss
from lossmith.losses.perceptual.extractor import FeatureExtractor
from lossmith.losses.pixel import CharbonnierLoss, L1Loss, MSELoss
from lossmith.losses.precomputed import Bands, PrecomputableLoss

DISTANCES: dict[str, Loss] = {distance.name: distance for distance in (L1Loss(), MSELoss(), CharbonnierLoss())}

Layers = str | Sequence[str] | Mapping[str, float]
"""Layers as an expression "relu1_2 + 0.5*relu2_2", a sequence of such terms, or a weight for each name."""


class FeatureLoss(PrecomputableLoss):
    """Base class: the weighted sum over layers of a distance between the features of two images.

    A subclass defines what of a feature map is compared (`statistic`) and how (`layer_distance`). The weights of
    the network are not trained, and not saved with the loss. Images are never resized.

    Parameters
    ----------
    extractor
        Gives the features.
    layer_weights
        The weight of each layer.
    gray
        "refuse" images of one channel, or "repeat" the channel, if the network takes more.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.
    """

    kind = "perceptual"

    def __init__(
        self,
        extractor: FeatureExtractor,
        layer_weights: Sequence[float],
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(extractor.channels, gray, bands, reduction)
        self.extractor, self.layer_weights = extractor, tuple(layer_weights)
        self.min_side = extractor.min_side

    def features(self, image: Tensor) -> list[Tensor]:
        """The feature maps of an image, layer by layer."""
        features: list[Tensor] = self.extractor(image)
        return features

    def statistic(self, features: Tensor) -> Tensor:
        """What is compared of a feature map, (N, C, H, W)."""
        return features

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance between the statistics of prediction and target at a layer, (N,)."""
        raise NotImplementedError

    def target_features(self, target: Tensor) -> list[Tensor]:
        """The statistics of a target, layer by layer, without a graph."""
        with torch.no_grad():
            return self._statistics(target)

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        return self.compare_statistics(features, self._statistics(prediction))

    def compare_statistics(self, target: Iterable[Tensor], prediction: Iterable[Tensor]) -> Tensor:
        """The weighted sum of the distances between the statistics of all layers, (N,)."""
        pairs = enumerate(zip(self.layer_weights, prediction, target, strict=True))
        return torch.stack([weight * self.layer_distance(layer, *pair) for layer, (weight, *pair) in pairs]).sum(0)

    def _statistics(self, image: Tensor) -> list[Tensor]:
        return [self.statistic(features) for features in self.features(self.select_channels(image))]

    @property
    def channels_owner(self) -> str:
        return self.extractor.name


class LayerLoss(FeatureLoss):
    """Base class: a feature loss at any layers of any network.

    Parameters
    ----------
    network
        A name, such as vgg19 or timm/resnet18, or a module with its weights; see `backbone`.
    layers
        "relu2_2", "relu1_2 + 0.5*relu2_2", a sequence of such terms, or weights by name, {"relu1_2": 1.0}; see
        `feature_graph` for the names.
    weights, normalize, precision
        See `FeatureExtractor`.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.
    """

    def __init__(
        self,
        network: str | nn.Module,
        layers: Layers,
        weights: str | None,
        normalize: str | None,
        precision: str,
        gray: str,
        bands: Bands,
        reduction: str,
    ) -> None:
        layers = as_text(layers)
        names, layer_weights = parse_layers(layers)
        super().__init__(
            FeatureExtractor(network, names, weights, normalize, precision), layer_weights, gray, bands, reduction
        )
        self.network, self.layers = self.extractor.name, layers
        self.weights, self.normalize, self.precision = weights, normalize, precision


class PerceptualLoss(LayerLoss):
    """The perceptual (content) loss: the weighted sum over layers of the mean distance between feature maps.

    The mean is over channels and positions. `conv5_4` is before the activation, `relu5_4` after it.

    Parameters
    ----------
    network, layers
        See `LayerLoss`.
    distance
        l1, l2 (squared) or charbonnier.
    weights, normalize, precision
        See `FeatureExtractor`.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.

    Raises
    ------
    LossmithError
        For unknown networks, layers and distances, and weights that are missing or are of another network; when
        called, for images that are smaller than the network needs, or that do not have its channels.

    References
    ----------
    Johnson et al., ECCV 2016 (`johnson`: vgg16, relu2_2, l2); Ledig et al., CVPR 2017 (`srgan`: vgg19, relu5_4,
    l2); Wang et al., ECCVW 2018 (`esrgan`: vgg19, conv5_4, l1; `minc`: minc, conv5_3, l1).

    >>> import torch
    >>> criterion = PerceptualLoss("squeezenet1_1", "relu1 + 0.5*fire3", weights="random")
    >>> image = torch.rand(1, 3, 32, 32)
    >>> criterion(image, image).item(), criterion.min_side
    (0.0, 5)
    """

    name = "features"
    formula = "weighted sum over layers of the mean distance between the features of a network"
    source = "Johnson et al. 2016"

    def __init__(
        self,
        network: str | nn.Module,
        layers: Layers,
        distance: str = "l1",
        weights: str | None = None,
        normalize: str | None = "weights",
        precision: str = "full",
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        if distance not in DISTANCES:
            raise unknown_name_error("distance", distance, DISTANCES)
        super().__init__(network, layers, weights, normalize, precision, gray, bands, reduction)
        self.distance = distance

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        # in the order of the numbers in memory, which saves a copy
        return DISTANCES[self.distance].per_image(prediction.movedim(1, 3), target.movedim(1, 3))


def as_text(layers: Layers) -> str:
    """Layers as the expression of a weighted sum.

    >>> as_text(["relu1_2", "0.5*relu2_2"]), as_text({"relu1_2": 1, "relu2_2": 0.5})
    ('relu1_2 + 0.5*relu2_2', '1*relu1_2 + 0.5*relu2_2')
    """
    if isinstance(layers, Mapping):
        layers = [f"{format_value(weight)}*{name}" for name, weight in layers.items()]
    if (
        not isinstance(layers, str)
        and isinstance(layers, Sequence)
        and all(isinstance(term, str) for term in layers)
    ):
        layers = " + ".join(layers)
    if not isinstance(layers, str):
        raise LossmithError(
            f"layers are written as 'relu1_2 + 0.5*relu2_2', or are a list of names, not {layers!r}"
        )
    return layers


def parse_layers(layers: str) -> tuple[list[str], list[float]]:
    """The names in a weighted sum of layers, and their weights.

    >>> parse_layers("relu1_2 + 0.5*relu2_2")
    (['relu1_2', 'relu2_2'], [1.0, 0.5])
    """
    names, weights = [], []
    for term in layers.split("+"):
        *weight, name = (part.strip() for part in term.split("*"))
        try:
            weights.append(float(*weight) if weight else 1.0)
        except (ValueError, TypeError):
            name = ""
        if not name or not math.isfinite(weights[-1]):
            raise LossmithError(f"layers are written as 'relu1_2 + 0.5*relu2_2', not '{layers}'")
        names.append(name)
    return names, weights


__all__ = ["FeatureLoss", "LayerLoss", "Layers", "PerceptualLoss", "as_text", "parse_layers"]
