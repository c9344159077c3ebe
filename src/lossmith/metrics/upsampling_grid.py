"""The energy of a picture at the grid of an upsampling network, against the original's."""

from functools import lru_cache
from math import lcm

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.structural.filtering import widest_float
from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.luma import full_luma

BLOCK = 64
"""About the side of a block in pixels; the blocks are whole periods, so that a grid falls on their frequencies."""
PERIODS = (2, 3, 4, 8)
"""Those of the networks that enlarge by as much."""
LINE = 1
"""Frequencies around that of a grid, to each side, into which the Hann window spreads it."""
NEIGHBORS = 3
"""Frequencies to each side, beyond the line, that tell how much energy would be there without a grid."""
ROUNDING_NOISE = 1 / 12
"""The variance of rounding to 8 bits, on 0 to 255: less energy than that of such noise is not seen."""


@in_full_precision
def grid_artifacts(
    prediction: Tensor, target: Tensor, *, period: int = 4, border: int = 0, round_to_8bit: bool = False
) -> Tensor:
    """The energy at an upsampling grid in dB, above the target's, (N,); 0 if equal, lower is better.

    A network that enlarges by `period` may leave a grid of so many pixels. It has energy at the frequencies
    (i, j) / period, i and j from 0 to period - 1 but not both 0, where a picture without it has about as much as
    at the frequencies beside them. So the ratio of both, summed over these frequencies, is compared with the
    target's, which may show a texture of this period itself. A prediction that lacks this texture is below 0.

    The spectrum is that of the full-range luma in blocks of about 64 pixels under Hann windows that overlap by
    half, averaged over blocks; a remainder at the lower and right edges is not looked at. Energy below that of
    rounding to 8 bits does not count. Computed in float64.

    Parameters
    ----------
    prediction, target
        (N, C, H, W) floats in [0, 1], at least `min_side(period)` pixels a side.
    period
        The period of the grid in pixels, 2 to 8.
    border, round_to_8bit
        As for `psnr`.

    Raises
    ------
    LossmithError
        For smaller images and other periods.

    References
    ----------
    That upsampling shows as energy at k / period: Odena, Dumoulin, Olah, Deconvolution and checkerboard artifacts,
    Distill 2016; Frank et al., Leveraging frequency analysis for deep fake image recognition, ICML 2020. Averaging
    over blocks: Welch, IEEE Trans. Audio and Electroacoustics 15(2), 1967. The measure is our own.

    >>> image = torch.rand(1, 3, 128, 128)
    >>> grid = torch.zeros(128, 128)
    >>> grid[::4, ::4] = 0.2
    >>> bool(grid_artifacts(image, image) == 0), bool(grid_artifacts(image + grid, image) > 1)
    (True, True)
    """
    if period not in range(2, 9):
        raise LossmithError(f"grid: `period` must be 2 to 8 pixels, not {period!r}")
    pair = prepare(f"grid{period}", prediction, target, "own", border, round_to_8bit, min_side(period))
    x, y = (grid_prominence(full_luma(image.to(widest_float(image))), period) for image in pair)
    return (10 * (x / y).log10()).to(pair[0].dtype)


def min_side(period: int) -> int:
    """The side of a block: the largest number of whole periods within 64 pixels.

    >>> min_side(4), min_side(3)
    (64, 63)
    """
    return BLOCK // period * period


def grid_prominence(luma: Tensor, period: int) -> Tensor:
    """The energy at the frequencies of a grid, by that at the frequencies beside them, of (N, 1, H, W): (N,).

    Luma is on 0 to 255. Noise and flat pictures have about 1.
    """
    side = min_side(period)
    spectrum = mean_spectrum(luma, side)
    lines, neighbors = _places(side, period)
    at_lines = spectrum[:, lines.to(luma.device)].mean(-1)
    # the mean of logarithms is exact where the spectrum falls off evenly
    beside = spectrum[:, neighbors.to(luma.device)].log().mean(-1).exp()
    return at_lines.sum(1) / beside.sum(1)


def mean_spectrum(luma: Tensor, side: int) -> Tensor:
    """The power spectrum of (N, 1, H, W), averaged over blocks, (N, side * side); that of rounding is added."""
    window = torch.hann_window(side, dtype=luma.dtype, device=luma.device)
    window = torch.outer(window, window)
    blocks = luma[:, 0].unfold(1, side, side // 2).unfold(2, side, side // 2)
    blocks = (blocks - blocks.mean((-2, -1), keepdim=True)) * window
    power: Tensor = torch.fft.fft2(blocks).abs().square().mean((1, 2))
    spectrum: Tensor = power.flatten(1) + ROUNDING_NOISE * window.square().sum()
    return spectrum


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _places(side: int, period: int) -> tuple[Tensor, Tensor]:
    """Where in a spectrum (side * side) each frequency of the grid is, and where its neighbors are.

    Each row is a frequency: (period^2 - 1, places). Of a frequency on an axis, where pictures have most energy,
    the neighbors are along this axis only.
    """
    step = side // period
    near, far = range(-LINE, LINE + 1), range(-NEIGHBORS, NEIGHBORS + 1)
    line = [(u, v) for u in near for v in near]
    around = [(u, v) for u in far for v in far if max(abs(u), abs(v)) > LINE]
    along_rows = [(u, v) for u in near for v in far if abs(v) > LINE]
    along_columns = [(u, v) for v, u in along_rows]

    def places(row: int, column: int, offsets: list[tuple[int, int]]) -> list[int]:
        return [(row + u) % side * side + (column + v) % side for u, v in offsets]

    lines, neighbors = [], []
    for row in range(0, side, step):
        for column in range(0, side, step):
            if not row and not column:
                continue
            offsets = along_rows if row == 0 else along_columns if column == 0 else around
            lines.append(places(row, column, line))
            # repeated, so that all rows are of one length
            neighbors.append(places(row, column, offsets * (lcm(len(around), len(along_rows)) // len(offsets))))
    return torch.tensor(lines), torch.tensor(neighbors)


__all__ = ["PERIODS", "grid_artifacts", "grid_prominence", "mean_spectrum", "min_side"]
