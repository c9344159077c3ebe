"""An autograd function that computes a value and its gradient together, in the forward pass.

For the backward pass it keeps the gradient and the two images in the precision in which they were compared. Only
for second derivatives (`create_graph=True`) is the formula differentiated by autograd instead.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from lossmith.losses.function_transforms import full_precision, plainly


class Measure(Protocol):
    """A function of planes x and y, (P, H, W) each: what each plane adds to the loss."""

    def values(self, x: Tensor, y: Tensor) -> Tensor:
        """The values, (P,), with a graph that supports higher-order gradients by x."""

    def values_and_grad(self, x: Tensor, y: Tensor, need_grad: bool) -> tuple[Tensor, Tensor | None]:
        """The values, and if needed the gradient of their sum by x, (P, H, W), both without a graph."""


def reduce_all(prediction: Tensor, target: Tensor, measure: Measure) -> Tensor:
    """The sum of the values of all planes of (N, C, H, W) images, a scalar, differentiable by the prediction."""
    return _fused(prediction, target, measure, sum_all)


def per_plane(prediction: Tensor, target: Tensor, measure: Measure) -> Tensor:
    """The value of each plane of (N, C, H, W) images, (N, C), differentiable by the prediction."""
    return _fused(prediction, target, measure, keep_planes)


Reduction = Callable[[Tensor, torch.Size], Tensor]


def sum_all(values: Tensor, shape: torch.Size) -> Tensor:
    return values.sum()


def keep_planes(values: Tensor, shape: torch.Size) -> Tensor:
    return values.view(shape[:2])


def _fused(prediction: Tensor, target: Tensor, measure: Measure, reduction: Reduction) -> Tensor:
    if plainly(prediction, target):
        return reduction(measure.values(prediction.flatten(0, 1), target.flatten(0, 1)), prediction.shape)
    need_grad = prediction.requires_grad and torch.is_grad_enabled()
    values: Tensor = _FusedLoss.apply(prediction, target, measure, reduction, need_grad)
    return values


class _FusedLoss(torch.autograd.Function):
    """The whole loss as one node, since on a GPU every further node takes as long as a kernel."""

    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, target: Tensor, measure: Measure, reduction: Reduction, need_grad: bool
    ) -> Tensor:
        ctx.measure, ctx.reduction = measure, reduction
        values, ctx.gradient = measure.values_and_grad(prediction.flatten(0, 1), target.flatten(0, 1), need_grad)
        ctx.save_for_backward(prediction, target)
        return reduction(values, prediction.shape)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None, None]:
        prediction, target = ctx.saved_tensors
        (factors,) = outer
        if not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # it is scaled in place and returned
            if gradient is None:  # a second backward pass through the same graph
                planes = prediction.detach().flatten(0, 1), target.flatten(0, 1)
                with full_precision(prediction.device):
                    _, gradient = ctx.measure.values_and_grad(*planes, True)
            if not are_ones(factors):
                gradient.mul_(factors.reshape(-1, 1, 1))
            return gradient.view(prediction.shape), None, None, None, None
        with full_precision(prediction.device):
            values = ctx.measure.values(prediction.flatten(0, 1), target.flatten(0, 1))
        reduced = ctx.reduction(values, prediction.shape)
        (gradient,) = torch.autograd.grad(reduced, prediction, factors, create_graph=True)
        return gradient, None, None, None, None


def are_ones(factors: Tensor) -> bool:
    """Whether all factors are known to be 1, without synchronizing a device."""
    return type(factors) is Tensor and factors.is_cpu and bool((factors == 1).all())
