"""Who else goes through the arithmetic of a loss, beside PyTorch's usual backward pass."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from warnings import catch_warnings, filterwarnings

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.jit import TracerWarning, is_tracing  # type: ignore[attr-defined]


def differentiated(*tensors: Tensor) -> bool:
    """Whether `torch.func` or a forward derivative goes through it, which know PyTorch's own operations only."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or any(
        unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
        for tensor in tensors
    )


def recorded() -> bool:
    """Whether operations are written down, as by `torch.jit.trace` and `torch.export`.

    What other code computes would be a constant to them.
    """
    if torch.compiler.is_compiling():
        exporting = getattr(torch.compiler, "is_exporting", None)  # since PyTorch 2.7
        return bool(exporting and exporting())
    return _is_traced() or torch._C._len_torch_dispatch_stack() > 0


def _is_traced() -> bool:
    return bool(is_tracing())  # type: ignore[no-untyped-call]


def transformed(*tensors: Tensor) -> bool:
    """Whether it must consist of PyTorch's own differentiable operations, and of nothing else."""
    return recorded() or differentiated(*tensors)


def plainly(*tensors: Tensor) -> bool:
    """The same, or it is for a compiler to fuse."""
    return torch.compiler.is_compiling() or transformed(*tensors)


def channels_last(images: Tensor, dtype: torch.dtype) -> Tensor:
    """In the order in memory that convolutions like best; of what is vectorised, none can be asked for."""
    if transformed(images):
        return images.to(dtype)
    return images.to(dtype, memory_format=torch.channels_last)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast, which some devices, such as `meta`, do not have at all."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def quiet_tracer() -> AbstractContextManager[object]:
    """Without the remarks of `torch.jit.trace` on our code: what it records holds for images of other sizes."""
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
