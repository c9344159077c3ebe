"""LPIPS: the distance between unit feature vectors, weighted as human observers judge differences."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.perceptual.base import FeatureLoss, as_text
from lossmith.losses.perceptual.extractor import FeatureExtractor
from lossmith.losses.perceptual.weights import find_or_raise, package_file, read_state_dict
from lossmith.losses.precomputed import Bands

NETWORKS = {
    "alex": ("alexnet", ["relu1", "relu2", "relu3", "relu4", "relu5"]),
    "vgg": ("vgg16", ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]),
    "squeeze": ("squeezenet1_1", ["relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"]),
}
"""The network and its layers by the name that the lpips package gives them."""


class UnitFeatureDistance(FeatureLoss):
    """The distance between unit feature vectors, which is LPIPS without trained heads, on images in [0, 1].

    The sum over layers of the mean over positions of |u - u'|^2, where u and u' are the feature vectors of both
    images, normalized to length 1.

    Parameters
    ----------
    network
        A name or a module; see `backbone`.
    layers
        Names of layers; see `feature_graph`.
    weights
        The file of the network's weights; see `FeatureExtractor`.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.
    """

    name = "unit features"
    formula = "sum over layers of the mean squared difference of unit feature vectors"
    source = "Zhang et al. 2018"

    def __init__(
        self,
        network: str | nn.Module,
        layers: Sequence[str],
        weights: str | None = None,
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(FeatureExtractor(network, layers, weights), [1.0] * len(layers), gray, bands, reduction)
        self.network, self.layers, self.weights = self.extractor.name, as_text(layers), weights

    def statistic(self, features: Tensor) -> Tensor:
        return unit_vectors(features)

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square().sum(1).mean((1, 2))


class LPIPS(FeatureLoss):
    """The learned perceptual distance LPIPS, version 0.1, of images in [0, 1].

    The sum over layers of the mean over positions of sum_c w_c (u_c - u'_c)^2, where u and u' are the feature
    vectors of both images, normalized to length 1, and w the weights of the trained heads.

    Parameters
    ----------
    network
        alex, vgg or squeeze.
    linear
        Use the trained heads; False is the unlearned form, w = 1.
    weights
        The file of the network's ImageNet weights; see `FeatureExtractor`.
    heads
        The file of the trained heads, as in the lpips package. By default `lpips_alex.pth` and so on in the weight
        folders, or those of an installed lpips or torchmetrics.
    precision
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
        For an unknown network, and for files that are missing or hold other weights.

    References
    ----------
    Zhang, Isola, Efros, Shechtman, Wang, The unreasonable effectiveness of deep features as a perceptual metric,
    CVPR 2018.
    """

    name = "lpips"
    formula = "sum over layers of the mean squared difference of unit feature vectors, weighted by trained heads"
    source = "Zhang et al. 2018"

    def __init__(
        self,
        network: str = "alex",
        linear: bool = True,
        weights: str | None = None,
        heads: str | None = None,
        precision: str = "full",
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        if network not in NETWORKS:
            raise unknown_name_error("network of lpips:", network, NETWORKS)
        backbone, layers = NETWORKS[network]
        extractor = FeatureExtractor(backbone, layers, weights, precision=precision)
        super().__init__(extractor, [1.0] * len(layers), gray, bands, reduction)
        self.network, self.linear, self.weights = network, linear, weights
        self.heads, self.precision = heads, precision
        channels = self.extractor.channels_per_layer()
        ones = [torch.ones(count, dtype=torch.float32, device="cpu") for count in channels]
        for layer, head in enumerate(read_heads(network, heads, channels) if linear else ones):
            self.register_buffer(f"head{layer}", head, persistent=False)

    def statistic(self, features: Tensor) -> Tensor:
        return unit_vectors(features)

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        head: Tensor = getattr(self, f"head{layer}")
        differences = (prediction - target).square()
        # in channels_last memory, weighting the channels first is three times as fast
        return (differences.movedim(1, 3) @ head).mean((1, 2))


def unit_vectors(features: Tensor) -> Tensor:
    """Feature maps, (N, C, H, W), with the vector at each position scaled to length 1; zeros stay zeros."""
    length: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (length + 1e-10)


def head_files(network: str) -> tuple[list[str], list[Path]]:
    """The file names of a network's trained heads, and their paths in installed packages."""
    packaged = f"{network}.pth"
    return [f"lpips_{packaged}", f"lpips_linear_heads/v0.1/{packaged}"], [
        *package_file("lpips", f"weights/v0.1/{packaged}"),
        *package_file("torchmetrics", f"functional/image/lpips_models/{packaged}"),
    ]


def read_heads(network: str, file: str | None, channels: list[int]) -> list[Tensor]:
    """The trained weights of the channels, layer by layer."""
    path = find_or_raise(file, *head_files(network), f"lpips({network}) needs a file of trained heads")
    names = [f"lin{layer}.model.1.weight" for layer, _ in enumerate(channels)]
    state = read_state_dict(path, names)
    heads = [state.get(name, torch.empty(0)) for name in names]
    if [head.numel() for head in heads] != channels:
        raise LossmithError(f"{path} does not hold the trained heads of lpips({network})")
    return [head.flatten().float() for head in heads]


__all__ = ["LPIPS", "UnitFeatureDistance", "head_files", "unit_vectors"]
