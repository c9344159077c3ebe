"""Which code computes the sums: the fastest that is there for these images.

All engines do the same arithmetic; only rounding tells them apart. Numba (`pip install lossmith[fast]`) compiles
its loops when they are first called, which takes some seconds once, and keeps them on disk.
"""

import warnings
from functools import cache
from importlib.metadata import version
from typing import Protocol

import torch
from torch import Tensor

from lossmith.losses.structural.backends import threads, torch_backend  # noqa: F401 (which notes which process this is)
from lossmith.losses.structural.formulas import Gaussian, SSIMSpec

MIN_TRITON = (3, 5)
"""Earlier releases do not take windows as tuples of tuples."""


class Backend(Protocol):
    """A module of these functions, of planes (P, H, W) that are contiguous."""

    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, plan: SSIMSpec, share: float, slopes: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Of x and y the summed dissimilarity, (P,), and if wanted its slopes by x, both times `share`."""

    def downsample2x(self, images: Tensor) -> Tensor:
        """See `halving`."""

    def upsample2x_add(self, coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
        """See `halving`."""


def backend_for(x: Tensor) -> Backend:
    if type(x) is not Tensor:  # a tensor without data, as tracers use, or with its own ideas of arithmetic
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
    except RuntimeError as error:  # from Numba, which has no place to keep what it compiles
        warnings.warn(f"structural losses run in plain PyTorch; set NUMBA_CACHE_DIR: {error}", stacklevel=2)
        return torch_backend
    return numba_backend


@cache
def _triton(device: torch.device) -> Backend:
    try:
        if tuple(map(int, version("triton").split(".")[:2])) < MIN_TRITON:
            return torch_backend
        from lossmith.losses.structural.backends import triton_backend
    except ImportError:  # a missing package is one, too
        return torch_backend
    return triton_backend if self_test(triton_backend, device) else torch_backend


def self_test(backend: Backend, device: torch.device) -> bool:
    """Whether it computes what the plain engine does: kernels need a compiler and a driver that fit."""
    x, y = torch.linspace(0, 1, 512, dtype=torch.float32, device=device).view(2, 1, 16, 16)
    plans = SSIMSpec((Gaussian(1.5, 11),)), SSIMSpec((Gaussian(0.5, 5), Gaussian(1.5, 11)), same=True)
    try:
        found, expected = (
            torch.cat(
                [
                    each.flatten()
                    for plan in plans
                    for each in made_by.dissimilarity_and_grad(x, y, plan, 0.5, True)
                    if each is not None
                ]
            )
            for made_by in (backend, torch_backend)
        )
        wrong = "" if torch.allclose(found, expected, rtol=1e-3, atol=1e-4) else "they compute nonsense"
    except Exception as error:  # whatever a compiler or a driver may raise
        wrong = str(error).strip().split("\n")[-1]
    if wrong:
        warnings.warn(f"structural losses run in plain PyTorch, as their kernels fail here: {wrong}", stacklevel=2)
    return not wrong
