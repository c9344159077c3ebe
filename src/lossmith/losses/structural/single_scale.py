"""The dissimilarity 1 - SSIM at one scale: its map, its mean, and its value at the center."""

from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.losses.structural.backends import dispatch
from lossmith.losses.structural.filtering import Span, center_weights, weighted_mean, windows_of
from lossmith.losses.structural.formulas import SSIMSpec, center_of, dissimilarity, moment_maps


class MeanDissimilarity(NamedTuple):
    """The `Measure` 1 - [l] prod cs, averaged over positions and planes."""

    spec: SSIMSpec

    def values(self, x: Tensor, y: Tensor) -> Tensor:
        means = dissimilarity_map(x, y, self.spec).mean((-2, -1))
        return means / means.shape[0]

    def values_and_grad(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        scale = 1 / (len(x) * self.spec.positions(x))
        return dispatch.backend_for(x).dissimilarity_and_grad(
            x.contiguous(), y.contiguous(), self.spec, scale, need_grad
        )


def dissimilarity_map(prediction: Tensor, target: Tensor, spec: SSIMSpec) -> Tensor:
    """1 - [l] prod cs at every position, (..., H - border, W - border); supports higher-order gradients."""
    windows = windows_of(spec, prediction)
    center = torch.stack(center_of(prediction, target))
    maps = moment_maps(prediction, target, center)
    height = prediction.shape[-2]
    span = Span(0, height - spec.border, 0, height)
    means = [window.filter(maps, span) for window in windows]
    return dissimilarity(means, center, spec.constants, spec.luminance)


def central_dissimilarity(prediction: Tensor, target: Tensor, spec: SSIMSpec) -> Tensor:
    """1 - [l] prod cs at the center only, (..., 1, 1), under Gaussians as large as the images."""
    # sums of images in two layouts may come in another order, and those of equal images would differ
    prediction, target = prediction.contiguous(), target.contiguous()
    center = torch.stack(center_of(prediction, target))
    maps = moment_maps(prediction, target, center)
    means = [weighted_mean(maps, *center_weights(sigma, maps))[..., None, None] for sigma, _ in spec.windows]
    return dissimilarity(means, center, spec.constants, spec.luminance)
