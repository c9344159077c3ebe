"""What to compare two pictures under: plain numbers, from which every engine makes what it needs."""

from typing import NamedTuple

from torch import Tensor

from lossmith.losses.similarity.formulas import Constants


class Gaussian(NamedTuple):
    """A window's standard deviation and its side, in pixels."""

    sigma: float
    side: int


class Plan(NamedTuple):
    """Which windows, the widest last, and what is made of the means under them."""

    windows: tuple[Gaussian, ...]
    constants: Constants = Constants()
    luminance: bool = True
    """Whether the luminance under the last window is a factor, beside the contrast-structure under each."""
    same: bool = False
    """Compare at every pixel, by the part of a window inside the picture; else only where the windows fit."""

    @property
    def lost(self) -> int:
        """How many fewer rows, and columns, of positions there are than of pixels."""
        return 0 if self.same else self.windows[-1].side - 1

    def positions(self, planes: Tensor) -> int:
        """How many there are in each of (P, H, W) planes."""
        height, width = planes.shape[-2:]
        return (height - self.lost) * (width - self.lost)
