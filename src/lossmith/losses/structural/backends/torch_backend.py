"""The dissimilarity of planes and its gradient in plain PyTorch, in pieces that stay in cache."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses.function_transforms import plainly, recorded
from lossmith.losses.structural.filtering import Window, windows_of
from lossmith.losses.structural.formulas import (
    SSIMSpec,
    dissimilarity,
    dissimilarity_and_slopes,
    subsampled_center,
)


def downsample2x(images: Tensor) -> Tensor:
    """The means of 2 x 2 pixels, (P, H, W) to half the sides, rounded up: an odd last row is repeated."""
    if recorded():  # without a branch on sizes, which would be recorded as a condition
        return _halved_along(_halved_along(images, 1), 2)
    even = not plainly(images) and all(side % 2 == 0 for side in images.shape[-2:])
    if even and images.is_cpu:  # the same result in half the time
        return F.interpolate(images[None], scale_factor=0.5, mode="bilinear")[0]
    return F.avg_pool2d(images, 2, ceil_mode=True, count_include_pad=False)


def _halved_along(images: Tensor, axis: int) -> Tensor:
    side = images.shape[axis]
    first = torch.arange(0, side, 2, device=images.device)
    second = (first + 1).clamp(max=side - 1)
    return (images.index_select(axis, first) + images.index_select(axis, second)) / 2


@torch.no_grad()
def upsample2x_add(coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
    """`by` x `fine` (P, H, W), for each plane, plus four times the adjoint of `downsample2x` of `coarse`.

    The sum overwrites `fine`, and `coarse` is overwritten as well.
    """
    height, width = fine.shape[1:]
    if height % 2:  # the last row was repeated
        coarse[:, -1].mul_(2)
    if width % 2:
        coarse[:, :, -1].mul_(2)
    enlarged = F.interpolate(coarse[None], scale_factor=2, mode="nearest")[0, :, :height, :width]
    return torch.addcmul(enlarged, fine, by[:, None, None], out=fine)


PIECE_PIXELS = 3 * 2**16
"""Pixels of a piece under one window: few enough that its maps stay in cache, enough to outweigh the calls."""

PIECE_PIXELS_GPU = 2**24
"""The same on a GPU, where calls cost more than memory."""


@torch.no_grad()
def dissimilarity_and_grad(
    x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """The summed dissimilarity of (P, H, W) planes, (P,), and if needed its gradient by x, both times `scale`."""
    windows = windows_of(spec, x, scale)
    centers = torch.stack(subsampled_center(x, y))
    totals, gradient = x.new_zeros(len(x)), torch.empty_like(x) if need_grad else None
    bottom = 0
    buffer = x.new_empty(0)  # reused for the maps of every piece, since fresh memory is slow
    pixels = 6 * (PIECE_PIXELS if x.is_cpu else PIECE_PIXELS_GPU) // (len(windows) + 5)
    for planes, start, stop in _pieces(x.shape, windows[-1], pixels):
        span = windows[-1].span(start, stop)
        seam = bottom - span.top if start else 0  # rows that the windows of the piece above cover as well
        bottom = span.bottom
        rows = slice(span.top, span.bottom)
        center = centers[:, planes]
        pixels_x = x[planes, rows]
        if buffer.numel() < 4 * pixels_x.numel():
            buffer = x.new_empty(4 * pixels_x.numel())
        maps = buffer[: 4 * pixels_x.numel()].view(4, *pixels_x.shape)
        _fill(maps, pixels_x, y[planes, rows], center)
        means = [window.filter(maps, span) for window in windows]
        if gradient is None:
            values = dissimilarity(means, center, spec.constants, spec.luminance)
            totals[planes] += values.sum((1, 2)).mul_(scale)
            continue
        sums, slopes_under = dissimilarity_and_slopes(means, center, spec.constants, spec.luminance)
        totals[planes] += sums.mul_(scale)
        del means  # frees memory
        adjoint, _ = windows[-1].filter_adjoint(slopes_under.pop(), span)
        for window in windows[-2::-1]:  # narrower windows cover fewer rows
            narrower, covered_rows = window.filter_adjoint(slopes_under.pop(), span)
            adjoint[..., covered_rows, :] += narrower
        by_means, by_dd, by_uu = adjoint
        out = gradient[planes, rows]
        by_means[:, :seam] += out[:, :seam]
        torch.addcmul(by_means.addcmul_(maps[0], by_uu), maps[1], by_dd, value=-1, out=out)
    return totals, gradient


def _fill(maps: Tensor, x: Tensor, y: Tensor, center: Tensor) -> None:
    """Write `moment_maps` into preallocated memory, (4, ...)."""
    torch.add(x, y, out=maps[0])
    torch.sub(x, y, out=maps[1])
    maps[:2].sub_(center)
    torch.mul(maps[:2], maps[:2], out=maps[2:])


def _pieces(shape: torch.Size, window: Window, pixels: int) -> Iterator[tuple[slice, int, int]]:
    """The pieces, each several planes or several rows of one: planes, first and last row of means."""
    planes, height, width = shape
    together, rows = pixels // (height * width), height
    if not together:
        together, rows = 1, max(pixels // width - 2 * window.reach, 2 * window.reach + 1)
    for first in range(0, planes, together):
        for start in range(0, height - window.border, rows):
            yield slice(first, first + together), start, min(start + rows, height - window.border)


__all__ = ["dissimilarity_and_grad", "downsample2x", "upsample2x_add"]
