"""What is measured between planes: a value for each, and with it the gradient, which backward only hands over.

The gradient of a mean is known as soon as the mean is: it is all that is kept for the backward pass, beside the
two images as they were compared, in float32 or float64. Only when second derivatives are asked for
(`create_graph=True`) is the formula differentiated by autograd instead.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from lossmith.losses.function_transforms import full_precision, plainly


class Measure(Protocol):
    """A function of planes x and y, (P, H, W) each, and which part of the whole every plane adds."""

    def values(self, x: Tensor, y: Tensor) -> Tensor:
        """(P,), differentiable by x as often as one likes."""

    def values_and_grad(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        """The same, and if wanted the gradient of their sum by x, (P, H, W), both without a graph."""


def reduce_all(prediction: Tensor, target: Tensor, measure: Measure) -> Tensor:
    """What all planes of (N, C, H, W) images add up to, a scalar, differentiable by the prediction."""
    return _fused(prediction, target, measure, total)


def per_plane(prediction: Tensor, target: Tensor, measure: Measure) -> Tensor:
    """What each plane of (N, C, H, W) images adds to the whole, (N, C), differentiable by the prediction."""
    return _fused(prediction, target, measure, each)


Reduction = Callable[[Tensor, torch.Size], Tensor]


def total(parts: Tensor, shape: torch.Size) -> Tensor:
    return parts.sum()


def each(parts: Tensor, shape: torch.Size) -> Tensor:
    return parts.view(shape[:2])


def _fused(prediction: Tensor, target: Tensor, measure: Measure, reduction: Reduction) -> Tensor:
    if plainly(prediction, target):
        return reduction(measure.values(prediction.flatten(0, 1), target.flatten(0, 1)), prediction.shape)
    slopes = prediction.requires_grad and torch.is_grad_enabled()
    values: Tensor = _FusedLoss.apply(prediction, target, measure, reduction, slopes)
    return values


class _FusedLoss(torch.autograd.Function):
    """All in one node, as on a GPU every further one takes as long as a kernel."""

    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, target: Tensor, measure: Measure, reduction: Reduction, slopes: bool
    ) -> Tensor:
        ctx.measure, ctx.reduction = measure, reduction
        parts, ctx.gradient = measure.values_and_grad(prediction.flatten(0, 1), target.flatten(0, 1), slopes)
        ctx.save_for_backward(prediction, target)
        return reduction(parts, prediction.shape)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None, None]:
        prediction, target = ctx.saved_tensors
        (factors,) = outer
        if not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # scaled where it stands and given away
            if gradient is None:  # a second time through the same graph
                planes = prediction.detach().flatten(0, 1), target.flatten(0, 1)
                with full_precision(prediction.device):
                    _, gradient = ctx.measure.values_and_grad(*planes, True)
            if not are_ones(factors):
                gradient.mul_(factors.reshape(-1, 1, 1))
            return gradient.view(prediction.shape), None, None, None, None
        with full_precision(prediction.device):
            parts = ctx.measure.values(prediction.flatten(0, 1), target.flatten(0, 1))
        values = ctx.reduction(parts, prediction.shape)
        (slope,) = torch.autograd.grad(values, prediction, factors, create_graph=True)
        return slope, None, None, None, None


def are_ones(factors: Tensor) -> bool:
    """Whether nothing need be multiplied by these, as far as can be known, and without waiting for a device."""
    return type(factors) is Tensor and factors.is_cpu and bool((factors == 1).all())
