"""The dissimilarity of planes and its gradient on a GPU, by kernels; to import it, Triton must be there."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from lossmith.losses.similarity.halving import halved, spread
from lossmith.losses.similarity.kernels import carry_back, compare
from lossmith.losses.similarity.plan import Gaussian, Plan
from lossmith.losses.windows import gaussian

Taps = tuple[float, ...]

LANES = 32
"""Of a program: one warp, so that small pictures too make many programs."""


def sweep(x: Tensor, y: Tensor, plan: Plan, share: float, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """Of (P, H, W) planes the summed dissimilarity, (P,), and if wanted its slopes by x, both times `share`.

    x and y are contiguous float32. The same input gives the same bits, as no program adds to another's sums.
    """
    windows = tuple(map(taps_of, plan.windows))
    rows, columns = (side - plan.lost for side in x.shape[1:])
    kinds = 4 if len(windows) > 1 else 3 if slopes else 0
    maps = x.new_empty(kinds, len(windows), len(x), rows, columns)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        for window in range(len(windows)):
            sums = _compare(x, y, maps, windows, window, plan, share, slopes)
        gradient = _carry_back(x, y, maps, windows, plan, share) if slopes else None
    return sums.sum(1), gradient


def _compare(
    x: Tensor,
    y: Tensor,
    maps: Tensor,
    windows: tuple[Taps, ...],
    window: int,
    plan: Plan,
    share: float,
    slopes: bool,
) -> Tensor:
    """Fills `maps` with what the window has to say; every tile's sums, (P, tiles), under the last window."""
    tile = tile_of(windows[window])
    sums = x.new_empty(len(x), tiles(tile, *maps.shape[-2:]))
    compare[(sums.numel(),)](
        x, y, maps, sums, share, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same, LUMINANCE=plan.luminance,
        SLOPES=slopes, C1=plan.constants.c1, C2=plan.constants.c2, **tile,
    )  # fmt: skip
    return sums


def _carry_back(x: Tensor, y: Tensor, maps: Tensor, windows: tuple[Taps, ...], plan: Plan, share: float) -> Tensor:
    gradient = torch.empty_like(x)
    for window, taps in enumerate(windows):
        tile = tile_of(taps)
        carry_back[(len(x) * tiles(tile, *x.shape[1:]),)](
            x, y, maps, gradient, share, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same, **tile
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
    return tuple(gaussian(window.sigma, window.side, like).tolist())


__all__ = ["halved", "spread", "sweep"]
