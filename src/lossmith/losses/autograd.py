"""Values whose gradient was computed together with them, so that no graph need be kept for it."""

from typing import Any

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError


def with_gradient(values: Tensor, of: Tensor, gradients: Tensor, name: str) -> Tensor:
    """Values (N,), which autograd now takes for functions of a tensor (N, ...) with these gradients, (N, ...)."""
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
        if torch.is_grad_enabled():  # as it is only with create_graph=True
            raise LossmithError(
                f"{ctx.name} has a first derivative only: backward without create_graph=True, "
                "or differentiate it by torch.func"
            )
        (gradients,) = ctx.saved_tensors
        each = upstream.view(-1, *[1] * (gradients.ndim - 1))
        return each.to(gradients.dtype) * gradients, None, None, None


__all__ = ["with_gradient"]
