"""The frequency response of a loss: its sensitivity to small errors, by frequency band and color axis."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isnan, nan
from statistics import fmean

import torch
from torch import Tensor

EDGES = (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.71)
"""The edges of the frequency bands in cycles per pixel; the last is the frequency of a chessboard."""
COLORS = {"gray": (1.0, 1.0, 1.0), "blue to yellow": (-1.0, -1.0, 2.0), "red to green": (1.0, -1.0, 0.0)}
"""The color axes of RGB."""
NOISE_RMS = 0.01
"""The root mean square of the errors over pixels, small enough that a smooth loss is quadratic in it."""


def band_names() -> list[str]:
    """The names of the frequency bands, such as "0.01 to 0.03"."""
    return [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]


@torch.no_grad()
def frequency_response(
    distance: Callable[[Tensor, Tensor], Tensor], images: Sequence[Tensor]
) -> dict[str, list[float]]:
    """The distance that noise of each color and band makes, over the mean of all: by color, a value per band.

    L2 gives 1 everywhere. A restorer that is trained under the loss first corrects errors with a large value.

    Parameters
    ----------
    distance
        A loss, or another function of a prediction and a target, (1, C, H, W) in [0, 1].
    images
        The images that noise is added to, (C, H, W); other channels than those of RGB all get the same. A band of
        which none of them holds a frequency, since they are small, is NaN.

    >>> from lossmith.losses import MSELoss
    >>> response = frequency_response(MSELoss(), [torch.full((3, 128, 128), 0.5)])
    >>> {round(value, 3) for row in response.values() for value in row}
    {1.0}
    """
    rng = torch.Generator().manual_seed(0)
    distances = {
        name: [
            sum(float(distance((x + noise(x, band, color, rng))[None], x[None])) for x in images)
            if all(band_mask(x, band).any() for x in images)
            else nan
            for band in pairwise(EDGES)
        ]
        for name, color in color_axes(len(images[0])).items()
    }
    values = [value for row in distances.values() for value in row]
    mean = fmean(value for value in values if not isnan(value)) or 1.0
    return {name: [value / mean for value in row] for name, row in distances.items()}


def color_axes(channels: int) -> dict[str, tuple[float, ...]]:
    """The directions of errors: those of `COLORS`, or along all channels alike.

    >>> color_axes(1), color_axes(2)
    ({'gray': (1.0,)}, {'all channels': (1.0, 1.0)})
    """
    if channels == 3:
        return {**COLORS}
    return {"gray" if channels == 1 else "all channels": (1.0,) * channels}


def noise(like: Tensor, band: tuple[float, float], color: tuple[float, ...], rng: torch.Generator) -> Tensor:
    """Noise (C, H, W) in a frequency band and along a color axis, with the root mean square `NOISE_RMS`."""
    white = torch.randn(like.shape[-2:], generator=rng)
    filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(white) * band_mask(like, band)).real
    filtered /= filtered.square().mean().sqrt()
    direction = torch.nn.functional.normalize(torch.tensor(color), dim=0)
    return (NOISE_RMS * direction[:, None, None] * filtered).to(like)


def band_mask(image: Tensor, band: tuple[float, float]) -> Tensor:
    """(H, W), true for the frequencies of the discrete Fourier transform within a band, except 0."""
    rows, columns = (torch.fft.fftfreq(side) for side in image.shape[-2:])
    frequency: Tensor = (rows[:, None].square() + columns.square()).sqrt()
    return (frequency >= band[0]) & (frequency < band[1]) & (frequency > 0)


__all__ = ["COLORS", "band_names", "color_axes", "frequency_response"]
