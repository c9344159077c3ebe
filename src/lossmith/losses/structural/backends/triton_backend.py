"""The dissimilarity of planes and its gradient by Triton kernels on a GPU; importing it needs Triton."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from lossmith.losses.structural.backends.torch_backend import downsample2x, upsample2x_add
from lossmith.losses.structural.backends.triton_kernels import backward, forward
from lossmith.losses.structural.filtering import gaussian_window
from lossmith.losses.structural.formulas import Gaussian, SSIMSpec

Taps = tuple[float, ...]

LANES = 32
"""Lanes of a program: one warp, so that small images make many programs too."""


def dissimilarity_and_grad(
    x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """The summed dissimilarity of (P, H, W) planes, (P,), and if needed its gradient by x, both times `scale`.

    x and y are contiguous float32. Results are deterministic, since no program adds to the sums of another.
    """
    windows = tuple(map(taps_of, spec.windows))
    rows, columns = (side - spec.border for side in x.shape[1:])
    kinds = 4 if len(windows) > 1 else 3 if need_grad else 0
    maps = x.new_empty(kinds, len(windows), len(x), rows, columns)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        for window in range(len(windows)):
            sums = _forward(x, y, maps, windows, window, spec, scale, need_grad)
        gradient = _backward(x, y, maps, windows, spec, scale) if need_grad else None
    return sums.sum(1), gradient


def _forward(
    x: Tensor,
    y: Tensor,
    maps: Tensor,
    windows: tuple[Taps, ...],
    window: int,
    spec: SSIMSpec,
    scale: float,
    need_grad: bool,
) -> Tensor:
    """Fill `maps` for a window; after the last window, returns the sum of every tile, (P, tiles)."""
    tile = tile_of(windows[window])
    sums = x.new_empty(len(x), tiles(tile, *maps.shape[-2:]))
    forward[(sums.numel(),)](
        x, y, maps, sums, scale, *x.shape, TAPS=windows, WINDOW=window, SAME=spec.same, LUMINANCE=spec.luminance,
        SLOPES=need_grad, C1=spec.constants.c1, C2=spec.constants.c2, **tile,
    )  # fmt: skip
    return sums


def _backward(
    x: Tensor, y: Tensor, maps: Tensor, windows: tuple[Taps, ...], spec: SSIMSpec, scale: float
) -> Tensor:
    gradient = torch.empty_like(x)
    for window, taps in enumerate(windows):
        tile = tile_of(taps)
        backward[(len(x) * tiles(tile, *x.shape[1:]),)](
            x, y, maps, gradient, scale, *x.shape, TAPS=windows, WINDOW=window, SAME=spec.same, **tile
        )
    return gradient


def tile_of(taps: Taps) -> dict[str, Any]:
    """The tile of a program, and its compilation options.

    Two columns per lane share most of their loads, and a row is loaded while the one before it is computed; wide
    windows leave no registers for either. A strip has more rows under a wide window, since every strip filters
    `len(taps) - 1` rows beyond its own.
    """
    narrow = len(taps) <= 13
    compiled = {"num_warps": 1, "enable_fp_fusion": True}  # not relied on as Triton's default
    strip = max(32, 2 * len(taps))
    return {"STRIP": strip, "LANES": LANES, "EACH": 2 if narrow else 1, "AHEAD": narrow, **compiled}


def tiles(tile: dict[str, Any], rows: int, columns: int) -> int:
    """The number of tiles in a plane of so many positions."""
    down, across = -(-rows // tile["STRIP"]), -(-columns // (tile["LANES"] * tile["EACH"]))
    return int(down * across)


@cache
def taps_of(window: Gaussian) -> Taps:
    """The weights of a window as numbers, which kernels are compiled with."""
    like = torch.empty(0, dtype=torch.float32, device="cpu")
    return tuple(gaussian_window(window.sigma, window.side, like).tolist())


__all__ = ["dissimilarity_and_grad", "downsample2x", "upsample2x_add"]
