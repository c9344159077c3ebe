"""Collective operations, so that several processes compute what one process with the whole batch would."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lossmith.training.fabric import Fabric
from lossmith.training.module import StepMetrics

_fabric: Fabric | None = None
"""The Fabric that connects this process to others, within `distributed_context`."""


@contextmanager
def distributed_context(fabric: Fabric) -> Iterator[None]:
    """Let `all_gather` and `all_reduce_mean` use this Fabric within the block."""
    global _fabric
    _fabric = fabric
    try:
        yield
    finally:
        _fabric = None


def all_gather(tensor: Tensor) -> Tensor:
    """The tensors of all processes, concatenated along the first dimension; differentiable.

    (n, ...) to (processes * n, ...), in the order of the patches. A single process gets its own tensor back. Every
    process must call this with a tensor of the same shape. DDP averages gradients over the processes, and the
    backward pass of this sums them, so a loss that every process computes from the result has the right gradient.
    """
    if _fabric is None:
        return tensor
    gathered: Any = _fabric.all_gather(tensor, sync_grads=True)
    return cast(Tensor, gathered.flatten(0, 1))


def all_reduce_mean(values: StepMetrics) -> StepMetrics:
    """The metrics of a step, averaged over the processes."""
    if _fabric is None:
        return values
    means: Any = _fabric.all_reduce(torch.stack(list(values.values())), reduce_op="mean")
    return dict(zip(values, means.unbind(), strict=True))


def sync_batch_norm(network: nn.Module, fabric: Fabric) -> None:
    """Let batch normalization use the statistics of all processes' images.

    torch's SyncBatchNorm does the same, but on CUDA only.
    """
    if fabric.world_size == 1:
        return
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.forward = MethodType(_synced_forward, module)  # type: ignore[method-assign]


def _synced_forward(self: _BatchNorm, x: Tensor) -> Tensor:
    """The forward pass of batch normalization with the statistics of all processes, which have equal batches."""
    if not self.training:
        return type(self).forward(self, x)
    others = [dimension for dimension in range(x.ndim) if dimension != 1]
    x32 = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(x32, others, correction=0)
    means, variances = all_gather(torch.stack([mean, variance])[None]).unbind(1)
    mean = means.mean(0)
    variance = (variances + (means - mean).square()).mean(0)
    if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
        with torch.no_grad():
            count = len(means) * x.numel() // x.shape[1]
            self.num_batches_tracked.add_(1)
            weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean), weight)
            self.running_var.lerp_(variance.to(self.running_var) * count / max(1, count - 1), weight)
    shape = [1, -1, *[1] * (x.ndim - 2)]
    normalized = (x32 - mean.view(shape)) * (variance.view(shape) + self.eps).rsqrt()
    if self.affine:
        normalized = normalized * self.weight.view(shape) + self.bias.view(shape)
    return normalized.to(x.dtype)
