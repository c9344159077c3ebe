"""DISTS: how structure and texture, which are correlations and means of features, agree."""

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

LAYERS = ["features.3", "features.8", "features.15", "features.22", "features.29"]
"""relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16, by their paths."""

C = 1e-6
"""What keeps both fractions finite."""


class L2Pool(nn.Module):
    """Half the size, by the root of the blurred square: a pooling that neither aliases nor clips."""

    def forward(self, features: Tensor) -> Tensor:
        # two averages over 2 x 2, one with stride 2, are the Hann window (1 2 1) that DISTS blurs with
        blurred = avg_pool2d(avg_pool2d(features.square(), 2, stride=1, padding=1), 2)
        return (blurred + 1e-12).sqrt()


class DISTS(FeatureLoss):
    """The deep distance of image structure and texture, of images in [0, 1], as they are: not resized.

    The weighted mean, over the image's own channels and those of five layers of VGG-16, of
    1 - (2 m m' + c) / (m^2 + m'^2 + c) and 1 - (2 s_xy + c) / (s_x^2 + s_y^2 + c), with the features' means m and
    variances and covariance s over the image.

    `weights` are the file of the ImageNet weights of VGG-16, `heads` that of DISTS's own, `weights.pt`; by default
    `dists.pt` in the weight folders, or that of an installed DISTS-pytorch or torchmetrics.

    Source: Ding, Ma, Wang, Simoncelli, TPAMI 2022.
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
        reduction: str = "mean",
    ) -> None:
        vgg = backbone("vgg16")
        for path, layer in list(vgg.network.named_modules()):
            if isinstance(layer, nn.MaxPool2d):
                vgg.network.set_submodule(path, L2Pool())
        extractor = FeatureExtractor(vgg, LAYERS, weights, precision=precision)
        super().__init__(extractor, [1.0] * (1 + len(LAYERS)), gray, reduction)
        self.weights, self.heads, self.precision = weights, heads, precision
        for layer, (texture, structure) in enumerate(read_heads(heads, [3, *extractor.channels_per_layer()])):
            self.register_buffer(f"texture{layer}", texture, persistent=False)
            self.register_buffer(f"structure{layer}", structure, persistent=False)

    def features(self, image: Tensor) -> list[Tensor]:
        # in one order in memory, whatever theirs is, so that equal images have equal means to the last bit
        ordered = image.to(self.extractor.mean.dtype).movedim(1, 3).contiguous().movedim(3, 1)
        return [ordered, *super().features(image)]

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        weights: tuple[Tensor, Tensor] = (getattr(self, f"texture{layer}"), getattr(self, f"structure{layer}"))
        if plainly(prediction, target):
            return dissimilarity(prediction, target, *weights)
        distances: Tensor = _Dissimilarity.apply(prediction, target, *weights)
        return distances


def dissimilarity(prediction: Tensor, target: Tensor, texture: Tensor, structure: Tensor) -> Tensor:
    """(N,) of (N, C, H, W): what means and structures have apart, weighted and summed over channels."""
    return _weighted(*_statistics(prediction, target), texture, structure)


class _Dissimilarity(torch.autograd.Function):
    """The same, with a gradient from both features alone, where autograd would keep their deviations too."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
        statistics = _statistics(prediction, target)
        ctx.save_for_backward(prediction, target, *statistics, *weights)
        return _weighted(*statistics, *weights)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        prediction, target, mean, apart, away, unlike, alike, texture, structure = ctx.saved_tensors
        if torch.is_grad_enabled():  # for second derivatives
            values = dissimilarity(prediction, target, texture, structure)
            return *torch.autograd.grad(values, prediction, outer[0], create_graph=True), None, None, None
        each = (2 / prediction[0, 0].numel()) * outer[0][:, None]
        by_mean = each * texture * apart * (1 - mean * apart / away) / away
        by_difference = each * structure / alike
        by_deviation = by_difference * unlike / alike
        # by_mean + by_difference (ours - theirs - apart) - by_deviation (ours - mean)
        constant = by_mean - by_difference * apart + by_deviation * mean
        slopes = (prediction - target).mul_(by_difference[..., None, None])
        slopes.addcmul_(prediction, by_deviation[..., None, None], value=-1).add_(constant[..., None, None])
        return slopes, None, None, None


def _statistics(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of each channel, (N, C): our mean, how far it is from theirs, the sum of the squares of both, the variance
    of the difference, the sum of the variances."""
    prediction, target = (
        prediction.movedim(1, 3),
        target.movedim(1, 3),
    )  # the order of the numbers in memory, for speed
    mean, mean_ = prediction.mean((1, 2)), target.mean((1, 2))
    alike = _variance(prediction, mean) + _variance(target, mean_) + C
    apart = mean - mean_
    return mean, apart, mean.square() + mean_.square() + C, _variance(prediction - target, apart), alike


def _variance(maps: Tensor, mean: Tensor) -> Tensor:
    return (maps - mean[:, None, None]).square().mean((1, 2))


def _weighted(
    _: Tensor, apart: Tensor, away: Tensor, unlike: Tensor, alike: Tensor, texture: Tensor, structure: Tensor
) -> Tensor:
    return apart.square() / away @ texture + unlike / alike @ structure


def head_files() -> tuple[list[str], list[Path]]:
    """The names that DISTS's own weights go by, and where packages have them."""
    return ["dists.pt", "dists/weights.pt"], [
        Path(sys.prefix) / "weights.pt",  # where DISTS-pytorch puts them
        *package_file("torchmetrics", "functional/image/dists_models/weights.pt"),
    ]


def read_heads(file: str | None, widths: list[int]) -> list[tuple[Tensor, Tensor]]:
    """The weights of texture and of structure, layer by layer; all together they sum to 1."""
    path = find_or_raise(file, *head_files(), "dists needs a file of its own weights")
    state = read_state_dict(path, names := ("alpha", "beta"))
    both = [state.get(name, torch.empty(0)).flatten().float() for name in names]
    if any(head.numel() != sum(widths) for head in both):
        raise LossmithError(f"{path} does not hold dists's own weights, {sum(widths)} numbers 'alpha' and 'beta'")
    total = both[0].sum() + both[1].sum()
    return list(zip(*(torch.split(head / total, widths) for head in both), strict=True))


__all__ = ["DISTS", "L2Pool", "head_files"]
