"""Gaussian windows over planes: local means, and the transpose, which carries gradients back."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.losses.similarity.plan import Plan
from lossmith.losses.windows import finest, gaussian


class Span(NamedTuple):
    """Rows `start` to `stop` of a map of means, and rows `top` to `bottom` of the pixels that they are of."""

    start: int
    stop: int
    top: int
    bottom: int


class Window:
    """A separable window over pictures of one size, and what becomes of it at their border.

    `taps` are an odd number of weights that sum to 1. With `same` there is one mean for every pixel, over the part
    of the window inside the picture; without, only where all of it is inside.

    Maps of means are turned, (planes, columns, rows): each pass filters along the rows, and to turn a map once
    between the two is enough, as the formulas do not mind where a position stands.
    """

    def __init__(self, taps: Tensor, same: bool, height: int, width: int) -> None:
        self.taps, self.same, self.height = taps, same, height
        self.reach = len(taps) // 2
        self.lost = 0 if same else 2 * self.reach
        """How many fewer rows, and columns, of means there are than of pixels."""
        self.cover = inside(width, taps)[:, None] * inside(height, taps) if same else None

    def span(self, start: int, stop: int) -> Span:
        shift = self.lost // 2
        return Span(start, stop, max(start + shift - self.reach, 0), min(stop + shift + self.reach, self.height))

    def means(self, planes: Tensor, span: Span) -> Tensor:
        """Local means of (..., bottom - top, W): (..., W - lost, stop - start)."""
        padding = self.reach - self.lost // 2
        rows = slice(span.start - span.top, span.stop - span.top)
        flat = _turned(filter_rows(planes.flatten(0, -3), self.taps, padding)[:, rows])
        means = _stacked(filter_rows(flat, self.taps, padding), planes)
        return means if self.cover is None else means / self.cover[:, span.start : span.stop]

    def carry_back(self, slopes: Tensor, span: Span) -> Tensor:
        """The transpose of `means`: (..., W - lost, stop - start) to (..., bottom - top, W)."""
        if self.cover is not None:
            slopes = slopes / self.cover[:, span.start : span.stop]
        flat = _turned(filter_rows(slopes.flatten(0, -3), self.taps, self.reach + self.lost // 2))
        back = filter_rows(flat, self.taps, 2 * self.reach)
        first = span.start + self.lost // 2 - self.reach  # the row of the picture that `back` begins with
        last = first + back.shape[1]
        back = back[:, max(span.top - first, 0) : back.shape[1] - max(last - span.bottom, 0)]
        padding = (max(first - span.top, 0), max(span.bottom - last, 0))
        return _stacked(F.pad(back, (0, 0, *padding)), slopes)


def windows_of(plan: Plan, pictures: Tensor) -> list[Window]:
    """The plan's windows over pictures of this size and type."""
    sides = pictures.shape[-2:]
    return [Window(gaussian(sigma, side, pictures), plan.same, *sides) for sigma, side in plan.windows]


def inside(length: int, taps: Tensor) -> Tensor:
    """How much of the weights lies inside a row of this length, at each of its positions."""
    upto = F.pad(taps.to(finest(taps)).cumsum(0), (1, 0))
    first = len(taps) // 2 - torch.arange(length, device=taps.device)
    return (upto[(first + length).clamp(max=len(taps))] - upto[first.clamp(min=0)]).to(taps.dtype)


def _stacked(planes: Tensor, like: Tensor) -> Tensor:
    return planes.view(*like.shape[:-2], *planes.shape[-2:])


def _turned(planes: Tensor) -> Tensor:
    return planes.transpose(1, 2).contiguous()


def filter_rows(planes: Tensor, taps: Tensor, padding: int) -> Tensor:
    """Weighted sums down the columns of (P, H, W): (P, H + 2 padding - len(taps) + 1, W)."""
    if planes.is_cuda or torch.compiler.is_compiling():
        return _shifted_sums(F.pad(planes, (0, 0, padding, padding)), taps)
    # The columns stand as the channels of a depthwise convolution, whose loop then runs over contiguous memory.
    width = planes.shape[-1]
    columns = planes.unsqueeze(2).permute(0, 3, 1, 2)
    kernel = taps.view(1, 1, -1, 1).expand(width, 1, -1, 1)
    return F.conv2d(columns, kernel, padding=(padding, 0), groups=width).permute(0, 2, 3, 1).squeeze(2)


def _shifted_sums(planes: Tensor, taps: Tensor) -> Tensor:
    """What a compiler fuses, and no GPU rounds to TF32 as it may a convolution."""
    length = planes.shape[1] - len(taps) + 1
    total = planes[:, :length] * taps[0]
    for shift in range(1, len(taps)):
        total = torch.addcmul(total, planes[:, shift : shift + length], taps[shift])
    return total
