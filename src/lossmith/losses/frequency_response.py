"""What a loss asks for: how much it makes of small errors, by their frequency and their color."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isnan, nan
from statistics import fmean

import torch
from torch import Tensor

EDGES = (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.71)
"""Of the bands of frequencies, in cycles per pixel; the last is that of a chessboard."""
COLORS = {"gray": (1.0, 1.0, 1.0), "blue to yellow": (-1.0, -1.0, 2.0), "red to green": (1.0, -1.0, 0.0)}
NOISE_RMS = 0.01
"""Root mean square of the errors' length over pixels: so small that a loss answers with its square."""


def band_names() -> list[str]:
    """The names of the bands."""
    return [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]


@torch.no_grad()
def frequency_response(
    distance: Callable[[Tensor, Tensor], Tensor], images: Sequence[Tensor]
) -> dict[str, list[float]]:
    """By color, for every band: the distance that noise of that color and band makes, over the mean of all.

    NaN for a band of which the images, being small, hold no frequency.

    `distance` is a loss or another function of a prediction and a target, (1, 3, H, W) in [0, 1], and `images`
    are (3, H, W). L2 has 1 everywhere. A restorer trained under the loss mends first what has a large number.

    >>> from lossmith.losses import MSELoss
    >>> found = frequency_response(MSELoss(), [torch.full((3, 128, 128), 0.5)])
    >>> {round(value, 3) for row in found.values() for value in row}
    {1.0}
    """
    rng = torch.Generator().manual_seed(0)
    found = {
        name: [
            sum(float(distance((x + noise(x, band, color, rng))[None], x[None])) for x in images)
            if all(band_mask(x, band).any() for x in images)
            else nan
            for band in pairwise(EDGES)
        ]
        for name, color in COLORS.items()
    }
    values = [value for row in found.values() for value in row]
    mean = fmean(value for value in values if not isnan(value)) or 1.0
    return {name: [value / mean for value in row] for name, row in found.items()}


def noise(
    like: Tensor, band: tuple[float, float], color: tuple[float, float, float], rng: torch.Generator
) -> Tensor:
    """(3, H, W), as faint in every band of which the image holds a frequency."""
    white = torch.randn(like.shape[-2:], generator=rng)
    made: Tensor = torch.fft.ifft2(torch.fft.fft2(white) * band_mask(like, band)).real
    made /= made.square().mean().sqrt()
    direction = torch.nn.functional.normalize(torch.tensor(color), dim=0)
    return (NOISE_RMS * direction[:, None, None] * made).to(like)


def band_mask(image: Tensor, band: tuple[float, float]) -> Tensor:
    """(H, W), true for those of the discrete Fourier transform that lie in a band, but for 0."""
    rows, columns = (torch.fft.fftfreq(side) for side in image.shape[-2:])
    frequency: Tensor = (rows[:, None].square() + columns.square()).sqrt()
    return (frequency >= band[0]) & (frequency < band[1]) & (frequency > 0)


__all__ = ["COLORS", "band_names", "frequency_response"]
