"""The grid that an upsampling network leaves in a picture, against what the original shows of it."""

import math

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.structural.filtering import widest_float
from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.luma import full_luma
from lossmith.metrics.matlab_filters import power

PERIODS = (2, 3, 4, 8)
"""Those of the networks that enlarge by as much."""
MAX_PERIOD = 16
MIN_CELLS = 8
"""Least periods along a side: with fewer, the details of a picture are not spread evenly over a cell."""
ROUNDING_DETAIL = math.sqrt(1.25 / 12) * math.sqrt(2 / math.pi)
"""The mean absolute detail of rounding to 8 bits, on 0 to 255: less is not seen."""


@in_full_precision
def grid_artifacts(
    prediction: Tensor, target: Tensor, *, period: int = 4, border: int = 0, round_to_8bit: bool = False
) -> Tensor:
    """How far a grid of `period` pixels stands out above the target's, in dB, (N,); 0 if equal, lower is better.

    A network that enlarges by `period` treats the places of a cell of period x period pixels by different weights,
    and may leave a pattern that repeats in every cell, or one that shows where there are details. So with the
    detail d, the full-range luma minus the mean of its four neighbors, the grid's strength g is the standard
    deviation, over the places of a cell, of the mean of d at a place, plus that of the mean of |d|. These are the
    roots of the energies of d and |d| at the frequencies (i, j) / period but (0, 0). The score is

        20 log10((m + g(prediction)) / (m + g(target)))

    where m is the mean of |d| in the target, whose details hide a grid. Pictures without a grid score about 0;
    noise and blur do not change that. Where the target shows a texture of this period that the prediction lacks,
    the score is below 0. JPEG's blocks are a grid of 8 pixels. Computed in float64.

    Parameters
    ----------
    prediction, target
        (N, C, H, W) floats in [0, 1], at least `min_side(period)` pixels a side. What is left of a cell at the
        lower and right edges is not looked at.
    period
        Of the grid in pixels, 2 to 16.
    border, round_to_8bit
        As for `psnr`.

    Raises
    ------
    LossmithError
        For smaller images and other periods.

    References
    ----------
    Such grids: Odena, Dumoulin, Olah, Deconvolution and checkerboard artifacts, Distill 2016. That the strength of
    details repeats with the period: Gallagher, Detection of linear and cubic interpolation in JPEG compressed
    images, CRV 2005. The measure is our own.

    >>> import torch
    >>> image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> grid = torch.zeros(64, 64)
    >>> grid[::4, ::4] = 0.2
    >>> grid_artifacts(image, image).item(), grid_artifacts(image + grid, image).item() > 1
    (0.0, True)
    """
    if period not in range(2, MAX_PERIOD + 1):
        raise LossmithError(f"grid: `period` must be 2 to {MAX_PERIOD} pixels, not {period!r}")
    pair = prepare(f"grid{period}", prediction, target, "own", border, round_to_8bit, min_side(period))
    x, y = (detail(full_luma(image.to(widest_float(image)))) for image in pair)
    masking = y.abs().mean((1, 2, 3)) + ROUNDING_DETAIL
    ratio = (masking + grid_strength(x, period)) / (masking + grid_strength(y, period))
    return (20 * ratio.log10()).to(pair[0].dtype)


def min_side(period: int) -> int:
    """The least side of an image in pixels.

    >>> min_side(4)
    34
    """
    return MIN_CELLS * period + 2


def detail(luma: Tensor) -> Tensor:
    """Each pixel minus the mean of its four neighbors: (N, 1, H, W) to (N, 1, H - 2, W - 2)."""
    above, below = luma[..., :-2, 1:-1], luma[..., 2:, 1:-1]
    left, right = luma[..., 1:-1, :-2], luma[..., 1:-1, 2:]
    return luma[..., 1:-1, 1:-1] - (above + below + left + right) / 4


def grid_strength(details: Tensor, period: int) -> Tensor:
    """How much details (N, 1, H, W) differ between the places of a cell, in their unit: (N,)."""
    return sum(
        (power(_by_place(values, period).var(1, correction=0), 0.5) for values in (details, details.abs())),
        start=details.new_zeros(len(details)),
    )


def _by_place(values: Tensor, period: int) -> Tensor:
    """The mean over all cells at each place of a cell, (N, period^2)."""
    rows, columns = (side // period for side in values.shape[-2:])
    whole = values[:, 0, : rows * period, : columns * period]
    return whole.reshape(-1, rows, period, columns, period).mean((1, 3)).flatten(1)


__all__ = ["PERIODS", "detail", "grid_artifacts", "grid_strength", "min_side"]
