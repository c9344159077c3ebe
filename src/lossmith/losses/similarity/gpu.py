"""The dissimilarity of planes and its gradient on a GPU, by kernels; to import it, Triton must be there."""

from functools import cache

import torch
import triton
from torch import Tensor

from lossmith.losses.similarity.formulas import Centre, centre_of
from lossmith.losses.similarity.kernels import carry_back, compare
from lossmith.losses.similarity.plan import Gaussian, Plan
from lossmith.losses.windows import gaussian

Taps = tuple[float, ...]

LANES = 64
"""Columns of a program: few, so that small pictures too make many programs."""
COMPILED = {"num_warps": LANES // 32, "enable_fp_fusion": True}


def sweep(x: Tensor, y: Tensor, plan: Plan, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """The dissimilarity of (P, H, W) planes summed over positions, (P,), and if `slopes` its gradient by x.

    x and y are contiguous float32. The same input gives the same bits, as no program adds to another's sums.
    """
    windows = tuple(map(taps_of, plan.windows))
    rows, columns = (side - plan.lost for side in x.shape[1:])
    kinds = 4 if len(windows) > 1 else 3 if slopes else 0
    centre = centre_of(x, y)
    maps = x.new_empty(kinds, len(windows), len(x), rows, columns)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        for window in range(len(windows)):
            sums = _compare(x, y, centre, maps, windows, window, plan, slopes)
        gradient = _carry_back(x, y, centre, maps, windows, plan) if slopes else None
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
    strip = strip_of(windows[window])
    tiles = triton.cdiv(maps.shape[-2], strip) * triton.cdiv(maps.shape[-1], LANES)
    sums = x.new_empty(len(x), tiles)
    compare[(sums.numel(),)](
        x, y, *centre, maps, sums, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same, LUMINANCE=plan.luminance,
        SLOPES=slopes, C1=plan.constants.c1, C2=plan.constants.c2,
        STRIP=strip, LANES=LANES, **COMPILED,
    )  # fmt: skip
    return sums


def _carry_back(
    x: Tensor, y: Tensor, centre: Centre, maps: Tensor, windows: tuple[Taps, ...], plan: Plan
) -> Tensor:
    gradient = torch.empty_like(x)
    for window, taps in enumerate(windows):
        strip = strip_of(taps)
        tiles = triton.cdiv(x.shape[1], strip) * triton.cdiv(x.shape[2], LANES)
        carry_back[(len(x) * tiles,)](
            x, y, *centre, maps, gradient, *x.shape, TAPS=windows, WINDOW=window, SAME=plan.same,
            STRIP=strip, LANES=LANES, **COMPILED,
        )  # fmt: skip
    return gradient


def strip_of(taps: Taps) -> int:
    """Rows of a program: more under a wide window, as each strip filters `len(taps) - 1` rows beyond its own."""
    return max(32, 2 * len(taps))


@cache
def taps_of(window: Gaussian) -> Taps:
    like = torch.empty(0, dtype=torch.float32, device="cpu")
    return tuple(gaussian(window.sigma, window.side, like).tolist())
