"""The dissimilarity of planes and its gradient on a GPU, by kernels; to import it, Triton must be there."""

from functools import cache
from typing import Any

import torch
import triton
from torch import Tensor

from lossmith.losses.similarity.formulas import Centre
from lossmith.losses.similarity.kernels import carry_back, compare, find_centre
from lossmith.losses.similarity.plan import Gaussian, Plan
from lossmith.losses.windows import gaussian

Taps = tuple[float, ...]

LANES = 32
"""Of a program: one warp, so that small pictures too make many programs."""
SAMPLES = 1024
"""Pixels of a plane that its centre is found from."""


def sweep(x: Tensor, y: Tensor, plan: Plan, share: float) -> tuple[Tensor, Tensor | None]:
    """The dissimilarity of (P, H, W) planes summed over positions, (P,), and its gradient by x times `share`.

    x and y are contiguous float32. The same input gives the same bits, as no program adds to another's sums.
    """
    windows = tuple(map(taps_of, plan.windows))
    rows, columns = (side - plan.lost for side in x.shape[1:])
    kinds = 4 if len(windows) > 1 else 3 if share else 0
    centre = Centre(*x.new_empty(2, len(x)))
    maps = x.new_empty(kinds, len(windows), len(x), rows, columns)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        find_centre[(len(x),)](x, y, *centre, x[0].numel(), SAMPLES=SAMPLES)
        for window in range(len(windows)):
            sums = _compare(x, y, centre, maps, windows, window, plan, bool(share))
        gradient = _carry_back(x, y, centre, maps, windows, plan, share) if share else None
    return sums.sum(1), gradient


def _compare(
    x: Tensor,
    y: Tensor,
    centre: Centre,
    maps: Tensor,
    windows: tuple[Taps, ...],
    window: int,
    plan: Plan,
    slopes: bool,
) -> Tensor:
    """Fills `maps` with what the window has to say; every tile's sums, (P, tiles), under the last window."""
    tile = tile_of(windows[window])
    sums = x.new_empty(len(x), tiles(tile, *maps.shape[-2:]))
    compare[(sums.numel(),)](
        x, y, *centre, maps, sums, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same, LUMINANCE=plan.luminance,
        SLOPES=slopes, C1=plan.constants.c1, C2=plan.constants.c2, **tile,
    )  # fmt: skip
    return sums


def _carry_back(
    x: Tensor, y: Tensor, centre: Centre, maps: Tensor, windows: tuple[Taps, ...], plan: Plan, share: float
) -> Tensor:
    gradient = torch.empty_like(x)
    for window, taps in enumerate(windows):
        tile = tile_of(taps)
        carry_back[(len(x) * tiles(tile, *x.shape[1:]),)](
            x, y, *centre, maps, gradient, share, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same, **tile
        )
    return gradient


def tile_of(taps: Taps) -> dict[str, Any]:
    """What a program does at a time, and how it is compiled.

    Two columns to a lane share most of what they load, but under wide windows two would not fit into registers. A
    strip has more rows under a wide window, as each filters `len(taps) - 1` rows beyond its own.
    """
    each = 2 if len(taps) <= 13 else 1
    compiled = {"num_warps": 1, "enable_fp_fusion": True}  # which will not be Triton's default for ever
    return {"STRIP": max(32, 2 * len(taps)), "LANES": LANES, "EACH": each, **compiled}


def tiles(tile: dict[str, Any], rows: int, columns: int) -> int:
    """In a plane of so many positions."""
    down, across = triton.cdiv(rows, tile["STRIP"]), triton.cdiv(columns, tile["LANES"] * tile["EACH"])
    return int(down * across)


@cache
def taps_of(window: Gaussian) -> Taps:
    like = torch.empty(0, dtype=torch.float32, device="cpu")
    return tuple(gaussian(window.sigma, window.side, like).tolist())
