"""Mean local dissimilarity of pictures, with a gradient that is computed together with the value.

The gradient of a mean is known as soon as the mean is: it is all that is kept for the backward pass, beside the
two pictures as they were compared, in float32. Only when second derivatives are asked for (`create_graph=True`)
is the formula differentiated by autograd instead.
"""

from typing import Any

import torch
from torch import Tensor

from lossmith.losses.similarity.engines import sums_and_gradient
from lossmith.losses.similarity.formulas import Constants, centre_of, dissimilarity, maps_of
from lossmith.losses.similarity.means import around_the_centre, weighted_mean
from lossmith.losses.similarity.plan import Gaussian, Plan
from lossmith.losses.similarity.windows import windows_of


def mean_dissimilarity(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """1 - [l] prod cs, averaged over positions: (N, C) from (N, C, H, W), differentiable by the prediction."""
    if torch.compiler.is_compiling():
        return dissimilarity_map(prediction, target, plan).mean((-2, -1))  # for the compiler to fuse
    slopes = prediction.requires_grad and torch.is_grad_enabled()
    means: Tensor = _Mean.apply(prediction.flatten(0, 1), target.flatten(0, 1), plan, slopes)
    return means.view(prediction.shape[:2])


def dissimilarity_map(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """1 - [l] prod cs at every position, (..., H - lost, W - lost), differentiable as often as one likes."""
    windows = windows_of(plan, prediction)
    centre = torch.stack(centre_of(prediction, target))
    maps = maps_of(prediction, target, centre)
    span = windows[-1].span(0, prediction.shape[-2] - plan.lost)
    means = [window.means(maps, span) for window in windows]
    return dissimilarity(means, centre, plan.constants, plan.luminance)


def central_dissimilarity(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """The same at the middle only, (..., 1, 1), under Gaussians as large as the pictures."""
    centre = torch.stack(centre_of(prediction, target))
    maps = maps_of(prediction, target, centre)
    means = [weighted_mean(maps, *around_the_centre(sigma, maps))[..., None, None] for sigma, _ in plan.windows]
    return dissimilarity(means, centre, plan.constants, plan.luminance)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor, plan: Plan, slopes: bool) -> Tensor:
        sums, gradient = sums_and_gradient(prediction.detach(), target.detach(), plan, slopes)
        ctx.plan, ctx.positions = plan, (prediction.shape[-2] - plan.lost) * (prediction.shape[-1] - plan.lost)
        ctx.save_for_backward(prediction, target)
        ctx.gradient = gradient
        means: Tensor = sums / ctx.positions
        return means

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        prediction, target = ctx.saved_tensors
        if not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # scaled where it stands and given away
            if gradient is None:  # a second time through the same graph
                with torch.autocast(prediction.device.type, enabled=False):
                    _, gradient = sums_and_gradient(prediction.detach(), target, ctx.plan, True)
            return gradient.mul_((outer[0] / ctx.positions)[:, None, None]), None, None, None
        with torch.autocast(prediction.device.type, enabled=False):
            means = dissimilarity_map(prediction, target, ctx.plan).mean((-2, -1))
        (slope,) = torch.autograd.grad(means, prediction, outer[0], create_graph=True)
        return slope, None, None, None


__all__ = ["Constants", "Gaussian", "Plan", "central_dissimilarity", "dissimilarity_map", "mean_dissimilarity"]
