"""Whether what a network makes is an image, in the numbers that images are made of here: 0 to 1."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lossmith.core.errors import LossmithError

FAR = 0.1
"""How far outside of 0 to 1 a value is before it counts; networks overshoot a little at edges."""
ALMOST_ALL, MANY = 0.9, 0.25
"""Shares of values that are outside from which on a result is refused, and from which on it is told."""
DARK, BRIGHT = 2 / 255, 20 / 255
"""The brightest value of a result that is black to the eye, and of an image that is not."""


@dataclass
class Outcome:
    """The values that a network has made of an image, part by part."""

    model: str
    values: int = 0
    outside: int = 0
    brightest: float = 0.0
    given: float = 0.0
    """The brightest value that it was given."""

    def add(self, given: float, made: NDArray[Any]) -> None:
        """Count a part: the brightest value of what was given, in [0, 1], and what the network has made of it.

        Raises LossmithError when almost all of that lies outside of 0 to 1.
        """
        outside = int(((made < -FAR) | (made > 1 + FAR)).sum())
        if outside > ALMOST_ALL * made.size:
            low, high = float(made.min()), float(made.max())
            made_for = (
                "; was it made for 0..255?" if high > 2 else "; was it made for -1..1?" if low >= -1.1 else ""
            )
            raise LossmithError(f"model '{self.model}' makes {low:.3g} to {high:.3g}, not 0 to 1{made_for}")
        self.values, self.outside = self.values + made.size, self.outside + outside
        self.brightest, self.given = max(self.brightest, float(made.max())), max(self.given, given)

    @property
    def remark(self) -> str:
        """What the user should know about the whole; the same words for all images."""
        if self.outside > MANY * self.values:
            return (
                f"much of what model '{self.model}' makes lies outside of 0 to 1 and was cut off there "
                "(was it made for other numbers?):"
            )
        if self.given > BRIGHT and self.values and self.brightest < DARK:
            return f"what model '{self.model}' makes is almost black (was it made for other numbers?):"
        return ""
