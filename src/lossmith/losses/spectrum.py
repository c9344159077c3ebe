"""What a loss asks for: how much it makes of small errors, by their frequency and their colour."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

EDGES = (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.71)
"""Of the bands of frequencies, in cycles per pixel; the last is that of a chessboard."""
COLOURS = {"grey": (1.0, 1.0, 1.0), "blue to yellow": (-1.0, -1.0, 2.0), "red to green": (1.0, -1.0, 0.0)}
FAINT = 0.01
"""Root mean square of the errors: so small that a loss answers with its square."""


def bands() -> list[str]:
    """The names of the bands."""
    return [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]


@torch.no_grad()
def spectrum(distance: Callable[[Tensor, Tensor], Tensor], pictures: Sequence[Tensor]) -> dict[str, list[float]]:
    """By colour, for every band: the distance that noise of that colour and band makes, over the mean of all.

    `distance` is a loss or another function of a prediction and a target, (1, 3, H, W) in [0, 1], and `pictures`
    are (3, H, W). L2 has 1 everywhere. A restorer trained under the loss mends first what has a large number.

    >>> from lossmith.losses import L2
    >>> found = spectrum(L2(), [torch.full((3, 128, 128), 0.5)])
    >>> {round(value, 3) for row in found.values() for value in row}
    {1.0}
    """
    rng = torch.Generator().manual_seed(0)
    found = {
        name: [
            sum(float(distance((x + noise(x, band, colour, rng))[None], x[None])) for x in pictures)
            for band in pairwise(EDGES)
        ]
        for name, colour in COLOURS.items()
    }
    values = [value for row in found.values() for value in row]
    mean = sum(values) / len(values) or 1.0
    return {name: [value / mean for value in row] for name, row in found.items()}


def noise(
    like: Tensor, band: tuple[float, float], colour: tuple[float, float, float], rng: torch.Generator
) -> Tensor:
    """(3, H, W), as faint in every band, without frequency 0; 0 for a picture too small for the band."""
    height, width = like.shape[-2:]
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)[None]
    frequency = (rows.square() + columns.square()).sqrt()
    inside = (frequency >= band[0]) & (frequency < band[1]) & (frequency > 0)
    made: Tensor = torch.fft.ifft2(torch.fft.fft2(torch.randn(height, width, generator=rng)) * inside).real
    made /= made.square().mean().sqrt().clamp(min=1e-12)
    direction = torch.nn.functional.normalize(torch.tensor(colour), dim=0)
    return FAINT * direction[:, None, None] * made


__all__ = ["COLOURS", "bands", "spectrum"]
