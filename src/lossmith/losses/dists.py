"""DISTS: how structure and texture, which are correlations and means of features, agree."""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from lossmith.errors import LossmithError
from lossmith.losses.backbones import backbone
from lossmith.losses.features import Extractor
from lossmith.losses.perceptual import DeepLoss
from lossmith.losses.transforms import plainly
from lossmith.losses.weights import in_package, locate, read_weights

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


class DISTS(DeepLoss):
    """The deep distance of image structure and texture, of pictures in [0, 1], as they are: not resized.

    The weighted mean, over the picture's own channels and those of five layers of VGG-16, of
    1 - (2 m m' + c) / (m^2 + m'^2 + c) and 1 - (2 s_xy + c) / (s_x^2 + s_y^2 + c), with the features' means m and
    variances and covariance s over the picture.

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
        extractor = Extractor(vgg, LAYERS, weights, precision=precision)
        super().__init__(extractor, [1.0] * (1 + len(LAYERS)), gray, reduction)
        self.weights, self.heads, self.precision = weights, heads, precision
        for layer, (texture, structure) in enumerate(read_heads(heads, [3, *extractor.widths()])):
            self.register_buffer(f"texture{layer}", texture, persistent=False)
            self.register_buffer(f"structure{layer}", structure, persistent=False)

    def seen(self, picture: Tensor) -> list[Tensor]:
        # in one order in memory, whatever theirs is, so that equal pictures have equal means to the last bit
        ordered = picture.to(self.extractor.mean.dtype).movedim(1, 3).contiguous().movedim(3, 1)
        return [ordered, *super().seen(picture)]

    def between(self, layer: int, ours: Tensor, theirs: Tensor) -> Tensor:
        weights: tuple[Tensor, Tensor] = (getattr(self, f"texture{layer}"), getattr(self, f"structure{layer}"))
        if plainly(ours, theirs):
            return dissimilarity(ours, theirs, *weights)
        distances: Tensor = _Dissimilarity.apply(ours, theirs, *weights)
        return distances


def dissimilarity(ours: Tensor, theirs: Tensor, texture: Tensor, structure: Tensor) -> Tensor:
    """(N,) of (N, C, H, W): what means and structures have apart, weighted and summed over channels."""
    return _weighted(*_statistics(ours, theirs), texture, structure)


class _Dissimilarity(torch.autograd.Function):
    """The same, with a gradient from both features alone, where autograd would keep their deviations too."""

    @staticmethod
    def forward(ctx: Any, ours: Tensor, theirs: Tensor, *weights: Tensor) -> Tensor:
        statistics = _statistics(ours, theirs)
        ctx.save_for_backward(ours, theirs, *statistics, *weights)
        return _weighted(*statistics, *weights)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        ours, theirs, mean, apart, away, unlike, alike, texture, structure = ctx.saved_tensors
        if torch.is_grad_enabled():  # for second derivatives
            values = dissimilarity(ours, theirs, texture, structure)
            return *torch.autograd.grad(values, ours, outer[0], create_graph=True), None, None, None
        each = (2 / ours[0, 0].numel()) * outer[0][:, None]
        by_mean = each * texture * apart * (1 - mean * apart / away) / away
        by_difference = each * structure / alike
        by_deviation = by_difference * unlike / alike
        # by_mean + by_difference (ours - theirs - apart) - by_deviation (ours - mean)
        constant = by_mean - by_difference * apart + by_deviation * mean
        slopes = (ours - theirs).mul_(by_difference[..., None, None])
        slopes.addcmul_(ours, by_deviation[..., None, None], value=-1).add_(constant[..., None, None])
        return slopes, None, None, None


def _statistics(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Of each channel, (N, C): our mean, how far it is from theirs, the sum of the squares of both, the variance
    of the difference, the sum of the variances."""
    ours, theirs = ours.movedim(1, 3), theirs.movedim(1, 3)  # the order of the numbers in memory, for speed
    mean, mean_ = ours.mean((1, 2)), theirs.mean((1, 2))
    alike = _variance(ours, mean) + _variance(theirs, mean_) + C
    apart = mean - mean_
    return mean, apart, mean.square() + mean_.square() + C, _variance(ours - theirs, apart), alike


def _variance(maps: Tensor, mean: Tensor) -> Tensor:
    return (maps - mean[:, None, None]).square().mean((1, 2))


def _weighted(
    _: Tensor, apart: Tensor, away: Tensor, unlike: Tensor, alike: Tensor, texture: Tensor, structure: Tensor
) -> Tensor:
    return apart.square() / away @ texture + unlike / alike @ structure


def usual_heads() -> tuple[list[str], list[Path]]:
    """The names that DISTS's own weights go by, and where packages have them."""
    return ["dists.pt", "dists/weights.pt"], [
        Path(sys.prefix) / "weights.pt",  # where DISTS-pytorch puts them
        *in_package("torchmetrics", "functional/image/dists_models/weights.pt"),
    ]


def read_heads(file: str | None, widths: list[int]) -> list[tuple[Tensor, Tensor]]:
    """The weights of texture and of structure, layer by layer; all together they sum to 1."""
    path = locate(file, *usual_heads(), "dists needs a file of its own weights")
    state = read_weights(path, names := ("alpha", "beta"))
    both = [state.get(name, torch.empty(0)).flatten().float() for name in names]
    if any(head.numel() != sum(widths) for head in both):
        raise LossmithError(f"{path} does not hold dists's own weights, {sum(widths)} numbers 'alpha' and 'beta'")
    total = both[0].sum() + both[1].sum()
    return list(zip(*(torch.split(head / total, widths) for head in both), strict=True))


__all__ = ["DISTS", "L2Pool", "usual_heads"]
