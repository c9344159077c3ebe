"""The dissimilarity of pictures at one scale: its map, its mean, and what it is at the middle."""

from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.losses.similarity import engines
from lossmith.losses.similarity.formulas import centre_of, dissimilarity, maps_of
from lossmith.losses.similarity.means import around_the_centre, weighted_mean
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.windows import Span, windows_of


class Mean(NamedTuple):
    """The `Measure` 1 - [l] prod cs, averaged over positions and planes."""

    plan: Plan

    def parts(self, x: Tensor, y: Tensor) -> Tensor:
        means = dissimilarity_map(x, y, self.plan).mean((-2, -1))
        return means / means.shape[0]

    def parts_and_gradient(self, x: Tensor, y: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
        share = 1 / (len(x) * self.plan.positions(x))
        return engines.engine_for(x).sweep(x.contiguous(), y.contiguous(), self.plan, share, slopes)


def dissimilarity_map(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """1 - [l] prod cs at every position, (..., H - lost, W - lost), differentiable as often as one likes."""
    windows = windows_of(plan, prediction)
    centre = torch.stack(centre_of(prediction, target))
    maps = maps_of(prediction, target, centre)
    height = prediction.shape[-2]
    span = Span(0, height - plan.lost, 0, height)
    means = [window.means(maps, span) for window in windows]
    return dissimilarity(means, centre, plan.constants, plan.luminance)


def central_dissimilarity(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """The same at the middle only, (..., 1, 1), under Gaussians as large as the pictures."""
    centre = torch.stack(centre_of(prediction, target))
    maps = maps_of(prediction, target, centre)
    means = [weighted_mean(maps, *around_the_centre(sigma, maps))[..., None, None] for sigma, _ in plan.windows]
    return dissimilarity(means, centre, plan.constants, plan.luminance)
