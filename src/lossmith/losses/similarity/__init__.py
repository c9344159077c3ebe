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
    parts = parts_of_mean(prediction, target, plan)
    return parts * parts.numel()


def parts_of_mean(prediction: Tensor, target: Tensor, plan: Plan) -> Tensor:
    """What each plane adds to the mean over all of them, (N, C): in fewer steps than `mean_dissimilarity`."""
    if torch.compiler.is_compiling():
        means = dissimilarity_map(prediction, target, plan).mean((-2, -1))  # for the compiler to fuse
        return means / means.numel()
    slopes = prediction.requires_grad and torch.is_grad_enabled()
    parts: Tensor = _Parts.apply(prediction.flatten(0, 1), target.flatten(0, 1), plan, slopes)
    return parts.view(prediction.shape[:2])


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


class _Parts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor, plan: Plan, slopes: bool) -> Tensor:
        height, width = (side - plan.lost for side in prediction.shape[1:])
        ctx.plan, ctx.share = plan, 1 / (len(prediction) * height * width)
        parts, ctx.gradient = sums_and_gradient(prediction.detach(), target.detach(), plan, ctx.share, slopes)
        ctx.save_for_backward(prediction, target)
        return parts

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        prediction, target = ctx.saved_tensors
        if not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # scaled where it stands and given away
            if gradient is None:  # a second time through the same graph
                with torch.autocast(prediction.device.type, enabled=False):
                    _, gradient = sums_and_gradient(prediction.detach(), target, ctx.plan, ctx.share, True)
            if not are_ones(outer[0]):
                gradient.mul_(outer[0][:, None, None])
            return gradient, None, None, None
        with torch.autocast(prediction.device.type, enabled=False):
            parts = dissimilarity_map(prediction, target, ctx.plan).sum((-2, -1)) * ctx.share
        (slope,) = torch.autograd.grad(parts, prediction, outer[0], create_graph=True)
        return slope, None, None, None


def are_ones(factors: Tensor) -> bool:
    """Whether nothing need be multiplied by these, as far as can be known, and without waiting for a device."""
    return type(factors) is Tensor and factors.is_cpu and bool((factors == 1).all())


__all__ = [
    "Constants",
    "Gaussian",
    "Plan",
    "central_dissimilarity",
    "dissimilarity_map",
    "mean_dissimilarity",
    "parts_of_mean",
]
