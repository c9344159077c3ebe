"""Whether code runs under torch.func, a tracer or a compiler, beside the usual backward pass."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.jit import TracerWarning, is_tracing  # type: ignore[attr-defined]


def differentiated(*tensors: Tensor) -> bool:
    """Whether `torch.func` or forward-mode AD is active, which differentiate only PyTorch's own operations."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or any(
        unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
        for tensor in tensors
    )


def recorded() -> bool:
    """Whether operations are recorded, as by `torch.jit.trace` and `torch.export`.

    They would record what other code computes as a constant.
    """
    if torch.compiler.is_compiling():
        exporting = getattr(torch.compiler, "is_exporting", None)  # since PyTorch 2.7
        return bool(exporting and exporting())
    return _is_traced() or torch._C._len_torch_dispatch_stack() > 0


def _is_traced() -> bool:
    return bool(is_tracing())  # type: ignore[no-untyped-call]


def transformed(*tensors: Tensor) -> bool:
    """Whether code must consist of PyTorch's own differentiable operations only."""
    return recorded() or differentiated(*tensors)


def plainly(*tensors: Tensor) -> bool:
    """Whether code must consist of PyTorch's own operations, for transforms and tracers, or for torch.compile."""
    return torch.compiler.is_compiling() or transformed(*tensors)


def channels_last(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Images in the memory format that is fastest for convolutions; transforms allow no choice of it."""
    if transformed(images):
        return images.to(dtype)
    return images.to(dtype, memory_format=torch.channels_last)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast, also for devices that have none, such as `meta`."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def quiet_tracer() -> AbstractContextManager[object]:
    """A context without the warnings of `torch.jit.trace` on this code, which holds for images of other sizes."""
    return _quiet() if _is_traced() else nullcontext()


@contextmanager
def _quiet() -> Iterator[None]:
    with catch_warnings():
        filterwarnings("ignore", category=TracerWarning, module=r"lossmith\.losses")
        yield


__all__ = [
    "channels_last",
    "differentiated",
    "full_precision",
    "plainly",
    "quiet_tracer",
    "recorded",
    "transformed",
]
