"""Which code computes the sums: the fastest that is there for these pictures.

All engines do the same arithmetic; only rounding tells them apart. Numba (`pip install lossmith[fast]`) compiles
its loops when they are first called, which takes some seconds once, and keeps them on disk.
"""

import warnings
from functools import cache
from importlib.metadata import version
from typing import Protocol

import torch
from torch import Tensor

from lossmith.losses.similarity import plain, threads  # noqa: F401 (which notes which process this is)
from lossmith.losses.similarity.plan import Gaussian, Plan

LEAST_TRITON = (3, 5)
"""Earlier releases do not take windows as tuples of tuples."""


class Engine(Protocol):
    """A module of these functions, of planes (P, H, W) that are contiguous."""

    def sweep(self, x: Tensor, y: Tensor, plan: Plan, share: float, slopes: bool) -> tuple[Tensor, Tensor | None]:
        """Of x and y the summed dissimilarity, (P,), and if wanted its slopes by x, both times `share`."""

    def halved(self, pictures: Tensor) -> Tensor:
        """See `halving`."""

    def spread(self, coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
        """See `halving`."""


def engine_for(x: Tensor) -> Engine:
    if type(x) is not Tensor:  # a tensor without data, as tracers use, or with its own ideas of arithmetic
        return plain
    if x.is_cuda and x.dtype == torch.float32:
        return _triton(x.device)
    if x.device.type == "cpu":
        return _numba()
    return plain


@cache
def _numba() -> Engine:
    try:
        from lossmith.losses.similarity import cpu
    except ImportError:
        return plain
    except RuntimeError as error:  # from Numba, which has no place to keep what it compiles
        warnings.warn(f"structural losses run in plain PyTorch; set NUMBA_CACHE_DIR: {error}", stacklevel=2)
        return plain
    return cpu


@cache
def _triton(device: torch.device) -> Engine:
    try:
        if tuple(map(int, version("triton").split(".")[:2])) < LEAST_TRITON:
            return plain
        from lossmith.losses.similarity import gpu
    except ImportError:  # a missing package is one, too
        return plain
    return gpu if works(gpu, device) else plain


def works(engine: Engine, device: torch.device) -> bool:
    """Whether it computes what the plain engine does: kernels need a compiler and a driver that fit."""
    x, y = torch.linspace(0, 1, 512, dtype=torch.float32, device=device).view(2, 1, 16, 16)
    plans = Plan((Gaussian(1.5, 11),)), Plan((Gaussian(0.5, 5), Gaussian(1.5, 11)), same=True)
    try:
        found, expected = (
            torch.cat(
                [
                    each.flatten()
                    for plan in plans
                    for each in made_by.sweep(x, y, plan, 0.5, True)
                    if each is not None
                ]
            )
            for made_by in (engine, plain)
        )
        wrong = "" if torch.allclose(found, expected, rtol=1e-3, atol=1e-4) else "they compute nonsense"
    except Exception as error:  # whatever a compiler or a driver may raise
        wrong = str(error).strip().split("\n")[-1]
    if wrong:
        warnings.warn(f"structural losses run in plain PyTorch, as their kernels fail here: {wrong}", stacklevel=2)
    return not wrong
