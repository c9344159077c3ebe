"""The choice of a backend: the fastest that is installed for the device of the images.

All backends do the same arithmetic and differ only in rounding. Numba (`pip install lossmith[fast]`) compiles
its loops at the first call, which takes some seconds once, and caches them on disk.
"""

import warnings
from functools import cache
from importlib.metadata import version
from typing import Protocol

import torch
from torch import Tensor

from lossmith.losses.structural.backends import threads, torch_backend  # noqa: F401 (threads notes the process at import)
from lossmith.losses.structural.formulas import Gaussian, SSIMSpec

MIN_TRITON = (3, 5)
"""Earlier releases do not accept windows as tuples of tuples."""


class Backend(Protocol):
    """A module of these functions of contiguous planes, (P, H, W)."""

    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The summed dissimilarity of each plane, (P,), and if needed its gradient by x, both times `scale`."""

    def downsample2x(self, images: Tensor) -> Tensor:
        """See `torch_backend.downsample2x`."""

    def upsample2x_add(self, coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
        """See `torch_backend.upsample2x_add`."""


def backend_for(x: Tensor) -> Backend:
    """The fastest backend for a tensor's type and device."""
    if type(x) is not Tensor:  # a tensor of a tracer, without data, or a subclass with its own arithmetic
        return torch_backend
    if x.is_cuda and x.dtype == torch.float32:
        return _triton(x.device)
    if x.device.type == "cpu":
        return _numba()
    return torch_backend


@cache
def _numba() -> Backend:
    try:
        from lossmith.losses.structural.backends import numba_backend
    except ImportError:
        return torch_backend
    except RuntimeError as error:  # Numba finds no folder for its cache
        warnings.warn(f"structural losses run in plain PyTorch; set NUMBA_CACHE_DIR: {error}", stacklevel=2)
        return torch_backend
    return numba_backend


@cache
def _triton(device: torch.device) -> Backend:
    try:
        if tuple(map(int, version("triton").split(".")[:2])) < MIN_TRITON:
            return torch_backend
        from lossmith.losses.structural.backends import triton_backend
    except ImportError:  # including a missing package
        return torch_backend
    return triton_backend if self_test(triton_backend, device) else torch_backend


def self_test(backend: Backend, device: torch.device) -> bool:
    """Whether a backend agrees with PyTorch's: kernels need a compiler and a driver that fit."""
    x, y = torch.linspace(0, 1, 512, dtype=torch.float32, device=device).view(2, 1, 16, 16)
    specs = SSIMSpec((Gaussian(1.5, 11),)), SSIMSpec((Gaussian(0.5, 5), Gaussian(1.5, 11)), same=True)
    try:
        results, expected = (
            torch.cat(
                [
                    tensor.flatten()
                    for spec in specs
                    for tensor in module.dissimilarity_and_grad(x, y, spec, 0.5, True)
                    if tensor is not None
                ]
            )
            for module in (backend, torch_backend)
        )
        failure = "" if torch.allclose(results, expected, rtol=1e-3, atol=1e-4) else "their results are wrong"
    except Exception as error:  # a compiler or a driver can raise anything
        failure = str(error).strip().split("\n")[-1]
    if failure:
        warnings.warn(
            f"structural losses run in plain PyTorch, since their kernels fail here: {failure}", stacklevel=2
        )
    return not failure
