"""The dissimilarity of planes and its gradient in plain PyTorch, piece by piece so that all stays in cache."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lossmith.losses.similarity.formulas import dissimilarity, dissimilarity_and_slopes, rough_centre_of
from lossmith.losses.similarity.halving import halved, spread
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.windows import Window, windows_of

PIXELS = 3 * 2**16
"""In a piece under one window: few, so that its maps stay in cache and small, and enough to outweigh calls."""

PIXELS_ELSEWHERE = 2**24
"""The same on a GPU, which waits for calls more than for memory."""


@torch.no_grad()
def sweep(x: Tensor, y: Tensor, plan: Plan, share: float, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """Of (P, H, W) planes the summed dissimilarity, (P,), and if wanted its slopes by x, both times `share`."""
    windows = windows_of(plan, x, share)
    whole = torch.stack(rough_centre_of(x, y))
    totals, gradient = x.new_zeros(len(x)), torch.empty_like(x) if slopes else None
    bottom = 0
    room = x.new_empty(0)  # for the maps of one piece after another, as fresh memory is slow
    pixels = 6 * (PIXELS if x.is_cpu else PIXELS_ELSEWHERE) // (len(windows) + 5)
    for these, start, stop in _pieces(x.shape, windows[-1], pixels):
        span = windows[-1].span(start, stop)
        seam = bottom - span.top if start else 0  # rows that the piece above has reached as well
        bottom = span.bottom
        rows = slice(span.top, span.bottom)
        centre = whole[:, these]
        given = x[these, rows]
        if room.numel() < 4 * given.numel():
            room = x.new_empty(4 * given.numel())
        maps = room[: 4 * given.numel()].view(4, *given.shape)
        _fill(maps, given, y[these, rows], centre)
        means = [window.means(maps, span) for window in windows]
        if gradient is None:
            values = dissimilarity(means, centre, plan.constants, plan.luminance)
            totals[these] += values.sum((1, 2)).mul_(share)
            continue
        sums, slopes_under = dissimilarity_and_slopes(means, centre, plan.constants, plan.luminance)
        totals[these] += sums.mul_(share)
        del means  # memory for what follows
        carried, _ = windows[-1].carry_back(slopes_under.pop(), span)
        for window in windows[-2::-1]:  # they reach less far
            more, reached = window.carry_back(slopes_under.pop(), span)
            carried[..., reached, :] += more
        by_means, by_dd, by_uu = carried
        into = gradient[these, rows]
        by_means[:, :seam] += into[:, :seam]
        torch.addcmul(by_means.addcmul_(maps[0], by_uu), maps[1], by_dd, value=-1, out=into)
    return totals, gradient


def _fill(maps: Tensor, x: Tensor, y: Tensor, centre: Tensor) -> None:
    """Write `maps_of` into one piece of memory, (4, ...)."""
    torch.add(x, y, out=maps[0])
    torch.sub(x, y, out=maps[1])
    maps[:2].sub_(centre)
    torch.mul(maps[:2], maps[:2], out=maps[2:])


def _pieces(shape: torch.Size, window: Window, pixels: int) -> Iterator[tuple[slice, int, int]]:
    """Several whole planes, or several rows of one, at a time: which planes, and from which row of means."""
    planes, height, width = shape
    together, rows = pixels // (height * width), height
    if not together:
        together, rows = 1, max(pixels // width - 2 * window.reach, 2 * window.reach + 1)
    for first in range(0, planes, together):
        for start in range(0, height - window.lost, rows):
            yield slice(first, first + together), start, min(start + rows, height - window.lost)


__all__ = ["halved", "spread", "sweep"]
