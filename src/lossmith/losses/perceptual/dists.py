"""DISTS: the distance of texture (means of features) and structure (their correlations)."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from lossmith.core.errors import LossmithError
from lossmith.losses.function_transforms import plainly
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.base import FeatureLoss
from lossmith.losses.perceptual.extractor import FeatureExtractor
from lossmith.losses.perceptual.weights import find_or_raise, package_file, read_state_dict
from lossmith.losses.precomputed import Bands

LAYERS = ["features.3", "features.8", "features.15", "features.22", "features.29"]
"""relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16, by their paths."""

STABILIZER = 1e-6
"""Added to numerators and denominators, so that fractions stay finite."""


class L2Pool(nn.Module):
    """L2 pooling to half the size: the root of the blurred squares, which neither aliases nor clips."""

    def forward(self, features: Tensor) -> Tensor:
        # two averages over 2 x 2, the second with stride 2, are the Hann window (1 2 1) of DISTS
        blurred = avg_pool2d(avg_pool2d(features.square(), 2, stride=1, padding=1), 2)
        return (blurred + 1e-12).sqrt()


class DISTS(FeatureLoss):
    """Deep image structure and texture similarity, as a distance, of images in [0, 1], which are not resized.

    The weighted mean, over the channels of the image and of five layers of VGG-16, of
    1 - (2 m m' + c) / (m^2 + m'^2 + c) and 1 - (2 s_xy + c) / (s_x^2 + s_y^2 + c), with the means m, m', the
    variances s_x^2, s_y^2 and the covariance s_xy of the features over the image.

    Parameters
    ----------
    weights
        The file of VGG-16's ImageNet weights; see `FeatureExtractor`.
    heads
        The file of DISTS's own weights, `weights.pt`. By default `dists.pt` in the weight folders, or the file
        of an installed DISTS-pytorch or torchmetrics.
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
        For files that are missing or hold other weights.

    References
    ----------
    Ding, Ma, Wang, Simoncelli, Image quality assessment: unifying structure and texture similarity, TPAMI 2022.
    """

    name = "dists"
    formula = "weighted mean over channels of 1 - similarity of means and 1 - similarity of structure"
    bounds = "0 to 2"
    source = "Ding et al. 2022"

    def __init__(
        self,
        weights: str | None = None,
        heads: str | None = None,
        precision: str = "full",
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        vgg = backbone("vgg16")
        for path, layer in list(vgg.network.named_modules()):
            if isinstance(layer, nn.MaxPool2d):
                vgg.network.set_submodule(path, L2Pool())
        extractor = FeatureExtractor(vgg, LAYERS, weights, precision=precision)
        super().__init__(extractor, [1.0] * (1 + len(LAYERS)), gray, bands, reduction)
        self.weights, self.heads, self.precision = weights, heads, precision
        for layer, (texture, structure) in enumerate(read_heads(heads, [3, *extractor.channels_per_layer()])):
            self.register_buffer(f"texture{layer}", texture, persistent=False)
            self.register_buffer(f"structure{layer}", structure, persistent=False)

    def features(self, image: Tensor) -> list[Tensor]:
        # in one memory format, so that equal images have equal means to the last bit
        ordered = image.to(self.extractor.mean.dtype).movedim(1, 3).contiguous().movedim(3, 1)
        return [ordered, *super().features(image)]

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        weights: tuple[Tensor, Tensor] = (getattr(self, f"texture{layer}"), getattr(self, f"structure{layer}"))
        if plainly(prediction, target):
            return dissimilarity(prediction, target, *weights)
        distances: Tensor = _Dissimilarity.apply(prediction, target, *weights)
        return distances


def dissimilarity(prediction: Tensor, target: Tensor, texture: Tensor, structure: Tensor) -> Tensor:
    """The weighted sum over channels of the distances of texture and structure: (N,) of (N, C, H, W)."""
    return _weighted(*_statistics(prediction, target), texture, structure)


class _Dissimilarity(torch.autograd.Function):
    """`dissimilarity`, whose backward pass needs the features only, while autograd would keep their deviations."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
        statistics = _statistics(prediction, target)
        ctx.save_for_backward(prediction, target, *statistics, *weights)
        return _weighted(*statistics, *weights)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        prediction, target, mean, mean_difference, mean_energy, error_variance, variances, *weights = (
            ctx.saved_tensors
        )
        texture, structure = weights
        if torch.is_grad_enabled():  # for second derivatives
            values = dissimilarity(prediction, target, texture, structure)
            return *torch.autograd.grad(values, prediction, outer[0], create_graph=True), None, None, None
        factor = (2 / prediction[0, 0].numel()) * outer[0][:, None]
        by_mean = factor * texture * mean_difference * (1 - mean * mean_difference / mean_energy) / mean_energy
        by_difference = factor * structure / variances
        by_deviation = by_difference * error_variance / variances
        # by_mean + by_difference (prediction - target - mean_difference) - by_deviation (prediction - mean)
        constant = by_mean - by_difference * mean_difference + by_deviation * mean
        slopes = (prediction - target).mul_(by_difference[..., None, None])
        slopes.addcmul_(prediction, by_deviation[..., None, None], value=-1).add_(constant[..., None, None])
        return slopes, None, None, None


def _statistics(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Five statistics of each channel, (N, C).

    The mean of the prediction, its difference to the target's, the sum of the squares of both means, the
    variance of prediction - target, and the sum of both variances; the sums with the stabilizer.
    """
    prediction, target = prediction.movedim(1, 3), target.movedim(1, 3)  # the order in memory, for speed
    mean, target_mean = prediction.mean((1, 2)), target.mean((1, 2))
    variances = _variance(prediction, mean) + _variance(target, target_mean) + STABILIZER
    mean_difference = mean - target_mean
    mean_energy = mean.square() + target_mean.square() + STABILIZER
    return mean, mean_difference, mean_energy, _variance(prediction - target, mean_difference), variances


def _variance(maps: Tensor, mean: Tensor) -> Tensor:
    return (maps - mean[:, None, None]).square().mean((1, 2))


def _weighted(
    _: Tensor,
    mean_difference: Tensor,
    mean_energy: Tensor,
    error_variance: Tensor,
    variances: Tensor,
    texture: Tensor,
    structure: Tensor,
) -> Tensor:
    return mean_difference.square() / mean_energy @ texture + error_variance / variances @ structure


def head_files() -> tuple[list[str], list[Path]]:
    """The file names of DISTS's own weights, and their paths in installed packages."""
    return ["dists.pt", "dists/weights.pt"], [
        Path(sys.prefix) / "weights.pt",  # where DISTS-pytorch puts them
        *package_file("torchmetrics", "functional/image/dists_models/weights.pt"),
    ]


def read_heads(file: str | None, channels: list[int]) -> list[tuple[Tensor, Tensor]]:
    """The weights of texture and of structure, layer by layer, which all together sum to 1."""
    path = find_or_raise(file, *head_files(), "dists needs a file of its own weights")
    state = read_state_dict(path, names := ("alpha", "beta"))
    both = [state.get(name, torch.empty(0)).flatten().float() for name in names]
    if any(head.numel() != sum(channels) for head in both):
        raise LossmithError(
            f"{path} does not hold dists's own weights, {sum(channels)} numbers 'alpha' and 'beta'"
        )
    total = both[0].sum() + both[1].sum()
    return list(zip(*(torch.split(head / total, channels) for head in both), strict=True))


__all__ = ["DISTS", "L2Pool", "head_files"]
