"""Gaussian filtering of planes: local means, and the adjoint for gradients."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import pad

from lossmith.losses.function_transforms import plainly, recorded
from lossmith.losses.structural.formulas import SLOPE, Gaussian, SSIMSpec


def gaussian_window(sigma: float, side: int, like: Tensor) -> Tensor:
    """The weights of a Gaussian window, (side,), which sum to 1."""
    position = torch.arange(side, dtype=widest_float(like), device=like.device) - (side - 1) / 2
    weights = torch.exp(-0.5 * (position / sigma).square())
    # rounded only at the end: a sum of 1 + d would shift every variance by d x mean^2
    return (weights / weights.sum()).to(like.dtype)


def separable_filter(images: Tensor, weights: Tensor) -> Tensor:
    """Weighted means of (N, C, H, W) where the whole window fits: (N, C, H - side + 1, W - side + 1)."""
    channels = images.shape[1]
    kernel = weights.expand(channels, 1, -1)
    columns = F.conv2d(images, kernel[..., None], groups=channels)
    return F.conv2d(columns, kernel[..., None, :], groups=channels)


def widest_float(like: Tensor) -> torch.dtype:
    """The most precise floating-point type of the tensor's device."""
    return torch.float32 if like.device.type == "mps" else torch.float64  # MPS has no float64


class Span(NamedTuple):
    """Rows `start` to `stop` of a map of means, and rows `top` to `bottom` of the pixels under their windows."""

    start: int
    stop: int
    top: int
    bottom: int


class Window:
    """A separable window over images of one size, with its treatment of the border.

    Parameters
    ----------
    taps
        The weights along one axis: an odd number of them, which sum to 1.
    same
        Take a mean at every pixel, over the part of the window inside the image; else only where all is inside.
    height, width
        The size of the images.
    scale
        A factor of `filter_adjoint`.
    """

    def __init__(self, taps: Tensor, same: bool, height: int, width: int, scale: float = 1) -> None:
        self.taps, self.same, self.height = taps, same, height
        self.reach = len(taps) // 2
        self.border = 0 if same else 2 * self.reach
        """The number of pixels minus the number of means along an axis."""
        self.uncovered = (
            1 / (covered_weight(height, taps)[:, None] * covered_weight(width, taps)) if same else None
        )
        """The inverse of the weight inside the image at each pixel, by which a partial sum becomes a mean."""
        self.band = band(taps)
        self._taps_back, self._band_back = SLOPE * scale * taps, SLOPE * scale * self.band

    def span(self, start: int, stop: int) -> Span:
        """The rows of pixels under the windows of these rows of means."""
        shift = self.border // 2
        return Span(start, stop, max(start + shift - self.reach, 0), min(stop + shift + self.reach, self.height))

    def filter(self, planes: Tensor, span: Span) -> Tensor:
        """Local means of (..., bottom - top, W): (..., stop - start, W - border)."""
        padding = self.reach - self.border // 2
        rows = slice(span.start - span.top, span.stop - span.top)
        filtered = filter_rows(planes.flatten(0, -3), self.taps, padding)[:, rows]
        means = filter_columns(filtered, self.taps, self.band, padding)
        means = means.reshape(*planes.shape[:-2], *means.shape[1:])
        return means if self.uncovered is None else means * self.uncovered[span.start : span.stop]

    def filter_adjoint(self, slopes: Tensor, span: Span) -> tuple[Tensor, slice]:
        """The adjoint of `filter` times `scale`, applied to (..., stop - start, W - border) in units of `SLOPE`.

        Returns (..., rows, W), and which of the rows from `top` to `bottom` these are; the others are 0.
        """
        if self.uncovered is not None:
            slopes = slopes * self.uncovered[span.start : span.stop]
        leading_shape = slopes.shape[:-2]
        padding = self.reach + self.border // 2
        spread = filter_columns(slopes.flatten(0, -3), self._taps_back, self._band_back, padding)
        del slopes  # frees memory, if the caller holds no reference
        back = filter_rows(spread, self.taps, 2 * self.reach)
        first = span.start + self.border // 2 - self.reach  # the first row of the image in `back`
        last = first + back.shape[1]
        back = back[:, max(span.top - first, 0) : back.shape[1] - max(last - span.bottom, 0)]
        begin = max(first - span.top, 0)
        return back.reshape(*leading_shape, *back.shape[1:]), slice(begin, begin + back.shape[1])


def windows_of(spec: SSIMSpec, images: Tensor, scale: float = 1) -> list[Window]:
    """The windows of a specification, for images of this size and type."""
    height, width = images.shape[-2:]
    return [
        Window(gaussian_window(sigma, side, images), spec.same, height, width, scale)
        for sigma, side in spec.windows
    ]


def covered_weight(length: int, taps: Tensor) -> Tensor:
    """The sum of the weights that lie inside a row of this length, for a window at each of its positions."""
    cumulative = F.pad(taps.to(widest_float(taps)).cumsum(0), (1, 0))
    first = len(taps) // 2 - torch.arange(length, device=taps.device)
    weight = cumulative[(first + length).clamp(max=len(taps))] - cumulative[first.clamp(min=0)]
    return weight.to(taps.dtype)


BLOCK = 32
"""Sums of a row that one matrix product computes: twice as many multiplications as needed, but no copies."""


def band(taps: Tensor) -> Tensor:
    """The banded matrix (BLOCK + len(taps) - 1, BLOCK) that maps pixels of a row to weighted sums."""
    columns = len(taps) + BLOCK - 1
    shifted = F.pad(taps.expand(BLOCK, -1), (0, BLOCK))  # rows are one element too long: each shifts by one
    return shifted.flatten()[: BLOCK * columns].view(BLOCK, columns).t()


def filter_columns(planes: Tensor, taps: Tensor, band: Tensor, padding: int) -> Tensor:
    """Weighted sums along the rows of (P, H, W): (P, H, W + 2 padding - len(taps) + 1)."""
    if torch.is_grad_enabled() or plainly(planes) or not (planes.is_cpu and products_are_exact()):
        return filter_rows(planes.transpose(1, 2), taps, padding).transpose(1, 2)
    rows = planes.flatten(0, 1)
    width, overlap = rows.shape[1], len(taps) - 1
    sums = rows.new_empty(len(rows), width + 2 * padding - overlap)
    first = -(-padding // BLOCK)  # the first block inside; those before and after reach over the border
    inner = rows[:, first * BLOCK - padding :]
    count = max((inner.shape[1] - overlap) // BLOCK, 0)
    if count:
        blocks = inner.unfold(1, BLOCK + overlap, BLOCK).transpose(0, 1)
        out = sums[:, first * BLOCK : (first + count) * BLOCK].view(len(rows), count, BLOCK).transpose(0, 1)
        torch.bmm(blocks, band.expand(count, -1, -1), out=out)
    for start in (*range(0, first * BLOCK, BLOCK), *range((first + count) * BLOCK, sums.shape[1], BLOCK)):
        stop, begin = min(start + BLOCK, sums.shape[1]), start - padding
        left, right = max(begin, 0), min(stop - padding + overlap, width)
        torch.mm(rows[:, left:right], band[left - begin : right - begin, : stop - start], out=sums[:, start:stop])
    return sums.view(*planes.shape[:2], -1)


def products_are_exact() -> bool:
    """Whether float32 matrices are multiplied in float32: the user may have allowed bfloat16."""
    settings = getattr(torch.backends.mkldnn, "matmul", None)  # since PyTorch 2.9
    if settings is None:
        return torch.get_float32_matmul_precision() == "highest"
    return str(settings.fp32_precision) in ("none", "ieee")


def filter_rows(planes: Tensor, taps: Tensor, padding: int) -> Tensor:
    """Weighted sums down the columns of (P, H, W): (P, H + 2 padding - len(taps) + 1, W)."""
    if planes.is_cuda or plainly(planes):
        return _shifted_sums(F.pad(planes, (0, 0, padding, padding)), taps)
    # with columns as channels, the loop of a depthwise convolution runs over contiguous memory
    width = planes.shape[-1]
    columns = planes.unsqueeze(2).permute(0, 3, 1, 2)
    kernel = taps.view(1, 1, -1, 1).expand(width, 1, -1, 1)
    return F.conv2d(columns, kernel, padding=(padding, 0), groups=width).permute(0, 2, 3, 1).squeeze(2)


def _shifted_sums(planes: Tensor, taps: Tensor) -> Tensor:
    """A filter of shifted sums: torch.compile fuses it, and unlike a convolution it never runs in TF32."""
    length = planes.shape[1] - len(taps) + 1
    total = planes[:, :length] * taps[0]
    for shift in range(1, len(taps)):
        total = torch.addcmul(total, planes[:, shift : shift + length], taps[shift])
    return total


def local_means(images: Tensor, gaussian: Gaussian) -> Tensor:
    """The mean at every pixel over the part of the window inside the image, (..., H, W)."""
    height, width = images.shape[-2:]
    window = Window(gaussian_window(gaussian.sigma, gaussian.side, images), True, height, width)
    return window.filter(images, Span(0, height, 0, height))


def mean_weights(gaussian: Gaussian, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, that pixels have in the mean of their `local_means`."""
    taps = gaussian_window(gaussian.sigma, gaussian.side, like)
    rows, columns = (_correlated(1 / covered_weight(side, taps), taps) / side for side in like.shape[-2:])
    return rows, columns


def _correlated(values: Tensor, taps: Tensor) -> Tensor:
    """Weighted sums around each of the values, (S,), with zeros beyond the ends."""
    reach = len(taps) // 2
    if recorded():  # overlapping views would make tracers record a condition on the size
        return filter_rows(values[None, :, None], taps, reach)[0, :, 0]
    return (pad(values, (reach, reach)).unfold(0, len(taps), 1) * taps).sum(-1)


def center_weights(sigma: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, of a Gaussian window as large as the image."""
    height, width = like.shape[-2:]
    return gaussian_window(sigma, height, like), gaussian_window(sigma, width, like)


def weighted_mean(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The mean over (..., H, W) with weights of rows (H,) and of columns (W,): (...)."""
    return (images @ columns) @ rows
