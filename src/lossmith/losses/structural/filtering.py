"""Gaussian windows over planes: local means, and the transpose, which carries gradients back."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import pad

from lossmith.losses.function_transforms import plainly, recorded
from lossmith.losses.structural.formulas import SLOPE, Gaussian, SSIMSpec


def gaussian_window(sigma: float, side: int, like: Tensor) -> Tensor:
    """(side,) Gaussian weights around the middle that sum to 1."""
    position = torch.arange(side, dtype=widest_float(like), device=like.device) - (side - 1) / 2
    weights = torch.exp(-0.5 * (position / sigma).square())
    # Rounded once, at the end: a sum of 1 + d shifts every variance by d x mean^2.
    return (weights / weights.sum()).to(like.dtype)


def separable_filter(images: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of (N, C, H, W) where the whole window fits: (N, C, H - side + 1, W - side + 1)."""
    channels = images.shape[1]
    kernel = weights.expand(channels, 1, -1)
    columns = F.conv2d(images, kernel[..., None], groups=channels)
    return F.conv2d(columns, kernel[..., None, :], groups=channels)


def widest_float(like: Tensor) -> torch.dtype:
    """The most precise type of its device."""
    return torch.float32 if like.device.type == "mps" else torch.float64  # Apple's GPUs have no float64


class Span(NamedTuple):
    """Rows `start` to `stop` of a map of means, and rows `top` to `bottom` of the pixels that they are of."""

    start: int
    stop: int
    top: int
    bottom: int


class Window:
    """A separable window over images of one size, and what becomes of it at their border.

    `taps` are an odd number of weights that sum to 1. With `same` there is one mean for every pixel, over the part
    of the window inside the image; without, only where all of it is inside.
    """

    def __init__(self, taps: Tensor, same: bool, height: int, width: int, share: float = 1) -> None:
        self.taps, self.same, self.height = taps, same, height
        self.reach = len(taps) // 2
        self.border = 0 if same else 2 * self.reach
        """How many fewer rows, and columns, of means there are than of pixels."""
        self.uncovered = (
            1 / (covered_weight(height, taps)[:, None] * covered_weight(width, taps)) if same else None
        )
        """What a mean over the part of the window inside the image is multiplied by."""
        self.band = band(taps)
        self._taps_back, self._band_back = SLOPE * share * taps, SLOPE * share * self.band

    def span(self, start: int, stop: int) -> Span:
        shift = self.border // 2
        return Span(start, stop, max(start + shift - self.reach, 0), min(stop + shift + self.reach, self.height))

    def filter(self, planes: Tensor, span: Span) -> Tensor:
        """Local means of (..., bottom - top, W): (..., stop - start, W - lost)."""
        padding = self.reach - self.border // 2
        rows = slice(span.start - span.top, span.stop - span.top)
        filtered = filter_rows(planes.flatten(0, -3), self.taps, padding)[:, rows]
        means = filter_columns(filtered, self.taps, self.band, padding)
        means = means.reshape(*planes.shape[:-2], *means.shape[1:])
        return means if self.uncovered is None else means * self.uncovered[span.start : span.stop]

    def filter_adjoint(self, slopes: Tensor, span: Span) -> tuple[Tensor, slice]:
        """The transpose of `filter` times `share`, from (..., stop - start, W - lost) in units of `SLOPE`.

        (..., rows, W), and which of the rows from `top` to `bottom` these are; the others are 0.
        """
        if self.uncovered is not None:
            slopes = slopes * self.uncovered[span.start : span.stop]
        which = slopes.shape[:-2]
        padding = self.reach + self.border // 2
        spread = filter_columns(slopes.flatten(0, -3), self._taps_back, self._band_back, padding)
        del slopes  # memory for what follows, if the caller kept none
        back = filter_rows(spread, self.taps, 2 * self.reach)
        first = span.start + self.border // 2 - self.reach  # the row of the image that `back` begins with
        last = first + back.shape[1]
        back = back[:, max(span.top - first, 0) : back.shape[1] - max(last - span.bottom, 0)]
        begin = max(first - span.top, 0)
        return back.reshape(*which, *back.shape[1:]), slice(begin, begin + back.shape[1])


def windows_of(spec: SSIMSpec, images: Tensor, share: float = 1) -> list[Window]:
    """The plan's windows over images of this size and type."""
    height, width = images.shape[-2:]
    return [Window(gaussian_window(*each, images), spec.same, height, width, share) for each in spec.windows]


def covered_weight(length: int, taps: Tensor) -> Tensor:
    """How much of the weights lies inside a row of this length, at each of its positions."""
    upto = F.pad(taps.to(widest_float(taps)).cumsum(0), (1, 0))
    first = len(taps) // 2 - torch.arange(length, device=taps.device)
    return (upto[(first + length).clamp(max=len(taps))] - upto[first.clamp(min=0)]).to(taps.dtype)


BLOCK = 32
"""Sums of a row that are taken at once: twice as many products as are needed, but no rearranging of memory."""


def band(taps: Tensor) -> Tensor:
    """The (BLOCK + len(taps) - 1, BLOCK) matrix by which pixels in a row become so many weighted sums."""
    columns = len(taps) + BLOCK - 1
    shifted = F.pad(taps.expand(BLOCK, -1), (0, BLOCK))  # a row is one place too long, so the next is one further
    return shifted.flatten()[: BLOCK * columns].view(BLOCK, columns).t()


def filter_columns(planes: Tensor, taps: Tensor, band: Tensor, padding: int) -> Tensor:
    """Weighted sums along the rows of (P, H, W): (P, H, W + 2 padding - len(taps) + 1)."""
    if torch.is_grad_enabled() or plainly(planes) or not (planes.is_cpu and products_are_exact()):
        return filter_rows(planes.transpose(1, 2), taps, padding).transpose(1, 2)
    rows = planes.flatten(0, 1)
    width, more = rows.shape[1], len(taps) - 1
    sums = rows.new_empty(len(rows), width + 2 * padding - more)
    first = -(-padding // BLOCK)  # blocks before it, and after the whole ones, reach over the border
    inner = rows[:, first * BLOCK - padding :]
    whole = max((inner.shape[1] - more) // BLOCK, 0)
    if whole:
        blocks = inner.unfold(1, BLOCK + more, BLOCK).transpose(0, 1)
        into = sums[:, first * BLOCK : (first + whole) * BLOCK].view(len(rows), whole, BLOCK).transpose(0, 1)
        torch.bmm(blocks, band.expand(whole, -1, -1), out=into)
    for start in (*range(0, first * BLOCK, BLOCK), *range((first + whole) * BLOCK, sums.shape[1], BLOCK)):
        stop, begin = min(start + BLOCK, sums.shape[1]), start - padding
        left, right = max(begin, 0), min(stop - padding + more, width)
        torch.mm(rows[:, left:right], band[left - begin : right - begin, : stop - start], out=sums[:, start:stop])
    return sums.view(*planes.shape[:2], -1)


def products_are_exact() -> bool:
    """Whether the user did not allow that matrices of float32 are multiplied in bfloat16."""
    settings = getattr(torch.backends.mkldnn, "matmul", None)  # since PyTorch 2.9
    if settings is None:
        return torch.get_float32_matmul_precision() == "highest"
    return str(settings.fp32_precision) in ("none", "ieee")


def filter_rows(planes: Tensor, taps: Tensor, padding: int) -> Tensor:
    """Weighted sums down the columns of (P, H, W): (P, H + 2 padding - len(taps) + 1, W)."""
    if planes.is_cuda or plainly(planes):
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


def local_means(images: Tensor, under: Gaussian) -> Tensor:
    """At every pixel, over the part of the window inside the image: (..., H, W)."""
    height, width = images.shape[-2:]
    window = Window(gaussian_window(under.sigma, under.side, images), True, height, width)
    return window.filter(images, Span(0, height, 0, height))


def mean_weights(under: Gaussian, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, with which pixels enter the mean of their `local_means`."""
    taps = gaussian_window(under.sigma, under.side, like)
    rows, columns = (_correlated(1 / covered_weight(side, taps), taps) / side for side in like.shape[-2:])
    return rows, columns


def _correlated(values: Tensor, taps: Tensor) -> Tensor:
    """Weighted sums around each of the values, (S,); there is nothing beyond the first and the last."""
    reach = len(taps) // 2
    if recorded():  # where windows that overlap in memory would make a condition of the size
        return filter_rows(values[None, :, None], taps, reach)[0, :, 0]
    return (pad(values, (reach, reach)).unfold(0, len(taps), 1) * taps).sum(-1)


def center_weights(sigma: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, of a Gaussian as large as the image."""
    height, width = like.shape[-2:]
    return gaussian_window(sigma, height, like), gaussian_window(sigma, width, like)


def weighted_mean(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(..., H, W) to (...)."""
    return (images @ columns) @ rows
