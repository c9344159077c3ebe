"""The dissimilarity of planes and its gradient on a GPU, by kernels; to import it, Triton must be there."""

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
"""Of a program: one warp, so that small images too make many programs."""


def dissimilarity_and_grad(
    x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Of (P, H, W) planes the summed dissimilarity, (P,), and if wanted its slopes by x, both times `scale`.

    x and y are contiguous float32. The same input gives the same bits, as no program adds to another's sums.
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
    """Fills `maps` with what the window has to say; every tile's sums, (P, tiles), under the last window."""
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
    """What a program does at a time, and how it is compiled.

    Two columns to a lane share most of what they load, and a row is loaded while the one before it is worked on;
    but under wide windows there are no registers for either. A strip has more rows under a wide window, as each
    filters `len(taps) - 1` rows beyond its own.
    """
    narrow = len(taps) <= 13
    compiled = {"num_warps": 1, "enable_fp_fusion": True}  # which will not be Triton's default for ever
    strip = max(32, 2 * len(taps))
    return {"STRIP": strip, "LANES": LANES, "EACH": 2 if narrow else 1, "AHEAD": narrow, **compiled}


def tiles(tile: dict[str, Any], rows: int, columns: int) -> int:
    """In a plane of so many positions."""
    down, across = -(-rows // tile["STRIP"]), -(-columns // (tile["LANES"] * tile["EACH"]))
    return int(down * across)


@cache
def taps_of(window: Gaussian) -> Taps:
    like = torch.empty(0, dtype=torch.float32, device="cpu")
    return tuple(gaussian_window(window.sigma, window.side, like).tolist())


__all__ = ["dissimilarity_and_grad", "downsample2x", "upsample2x_add"]
