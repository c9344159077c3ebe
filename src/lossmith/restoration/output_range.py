"""Checks that the output of a network is an image with values in [0, 1]."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lossmith.core.errors import LossmithError

MAX_OVERSHOOT = 0.1
"""How far outside of [0, 1] a value may lie; networks overshoot a little at edges."""
REFUSED_FRACTION, REPORTED_FRACTION = 0.9, 0.25
"""Fractions of values out of range beyond which a result is refused, and beyond which it is reported."""
BLACK_LEVEL, VISIBLE_LEVEL = 2 / 255, 20 / 255
"""Maxima below which a result looks black, and above which an input does not."""


@dataclass
class RangeCheck:
    """Counts the output values of a network that lie out of range, tile by tile."""

    model: str
    count: int = 0
    out_of_range: int = 0
    input_max: float = 0.0
    output_max: float = 0.0

    def add(self, input_max: float, output: NDArray[Any]) -> None:
        """Count a tile: the largest value of its input, in [0, 1], and its output.

        Raises LossmithError where almost all of the output is out of range.
        """
        out_of_range = int(((output < -MAX_OVERSHOOT) | (output > 1 + MAX_OVERSHOOT)).sum())
        if out_of_range > REFUSED_FRACTION * output.size:
            low, high = float(output.min()), float(output.max())
            hint = (
                "; was it trained on 0 to 255?"
                if high > 2
                else "; was it trained on -1 to 1?"
                if low >= -1.1
                else ""
            )
            raise LossmithError(f"model '{self.model}' gives {low:.3g} to {high:.3g}, not 0 to 1{hint}")
        self.count, self.out_of_range = self.count + output.size, self.out_of_range + out_of_range
        self.input_max = max(self.input_max, input_max)
        self.output_max = max(self.output_max, float(output.max()))

    @property
    def note(self) -> str:
        """What the user should know about the image, in the same words for all images; empty where nothing."""
        if self.out_of_range > REPORTED_FRACTION * self.count:
            return (
                f"much of the output of model '{self.model}' lies outside of 0 to 1 and was clipped "
                "(was it trained on another range?):"
            )
        if self.input_max > VISIBLE_LEVEL and self.count and self.output_max < BLACK_LEVEL:
            return f"the output of model '{self.model}' is almost black (was it trained on another range?):"
        return ""
