"""Attaching gradients that were computed together with values, so that no graph is kept for them."""

from typing import Any

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError


def with_gradient(values: Tensor, of: Tensor, gradients: Tensor, name: str) -> Tensor:
    """Values as a function of a tensor, with known gradients.

    Parameters
    ----------
    values
        (N,), without a graph.
    of
        The tensor that they depend on, (N, ...).
    gradients
        The gradient of each value by its part of the tensor, (N, ...).
    name
        The loss, for the message.

    Raises
    ------
    LossmithError
        In the backward pass, if a second derivative is asked for.
    """
    attached: Tensor = _KnownGradient.apply(of, values, gradients, name)
    return attached


class _KnownGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of: Tensor, values: Tensor, gradients: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(gradients)
        ctx.name = name
        return values.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        if torch.is_grad_enabled():  # only with create_graph=True
            raise LossmithError(
                f"{ctx.name} has a first derivative only: call backward without create_graph=True, "
                "or differentiate it by torch.func"
            )
        (gradients,) = ctx.saved_tensors
        factors = upstream.view(-1, *[1] * (gradients.ndim - 1))
        return factors.to(gradients.dtype) * gradients, None, None, None


__all__ = ["with_gradient"]
