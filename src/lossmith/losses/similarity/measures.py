"""What is measured between planes: a value for each, and with it the gradient, which backward only hands over.

The gradient of a mean is known as soon as the mean is: it is all that is kept for the backward pass, beside the
two pictures as they were compared, in float32. Only when second derivatives are asked for (`create_graph=True`)
is the formula differentiated by autograd instead.
"""

from typing import Any, Protocol

import torch
from torch import Tensor


class Measure(Protocol):
    """A function of planes x and y, (P, H, W) each, and which part of the whole every plane adds."""

    def parts(self, x: Tensor, y: Tensor) -> Tensor:
        """(P,), differentiable by x as often as one likes."""

    def parts_and_gradient(self, x: Tensor, y: Tensor, slopes: bool) -> tuple[Tensor, Tensor | None]:
        """The same, and if wanted the gradient of their sum by x, (P, H, W), both without a graph."""


def measured(prediction: Tensor, target: Tensor, measure: Measure) -> Tensor:
    """What each plane of (N, C, H, W) pictures adds to the whole, (N, C), differentiable by the prediction."""
    x, y = prediction.flatten(0, 1), target.flatten(0, 1)
    if torch.compiler.is_compiling():
        return measure.parts(x, y).view(prediction.shape[:2])  # for the compiler to fuse
    slopes = prediction.requires_grad and torch.is_grad_enabled()
    parts: Tensor = _Measured.apply(x, y, measure, slopes)
    return parts.view(prediction.shape[:2])


class _Measured(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor, measure: Measure, slopes: bool) -> Tensor:
        ctx.measure = measure
        parts, ctx.gradient = measure.parts_and_gradient(prediction.detach(), target.detach(), slopes)
        ctx.save_for_backward(prediction, target)
        return parts

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None, None]:
        prediction, target = ctx.saved_tensors
        if not torch.is_grad_enabled():
            gradient, ctx.gradient = ctx.gradient, None  # scaled where it stands and given away
            if gradient is None:  # a second time through the same graph
                with torch.autocast(prediction.device.type, enabled=False):
                    _, gradient = ctx.measure.parts_and_gradient(prediction.detach(), target, True)
            if not are_ones(outer[0]):
                gradient.mul_(outer[0][:, None, None])
            return gradient, None, None, None
        with torch.autocast(prediction.device.type, enabled=False):
            parts = ctx.measure.parts(prediction, target)
        (slope,) = torch.autograd.grad(parts, prediction, outer[0], create_graph=True)
        return slope, None, None, None


def are_ones(factors: Tensor) -> bool:
    """Whether nothing need be multiplied by these, as far as can be known, and without waiting for a device."""
    return type(factors) is Tensor and factors.is_cpu and bool((factors == 1).all())
