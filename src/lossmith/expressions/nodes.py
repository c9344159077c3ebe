"""The syntax tree of an expression."""

import math
from dataclasses import dataclass

from lossmith.core.errors import LossmithError


@dataclass(frozen=True)
class Range:
    """`low..high`: a range from which a number is drawn uniformly whenever one is needed, both ends included.

    Raises LossmithError unless the ends are two finite numbers and `low < high`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        try:
            ends = [float(self.low), float(self.high)]
        except (TypeError, ValueError) as error:
            raise LossmithError(f"the ends of a range must be numbers, not {self.low} and {self.high}") from error
        low, high = ends
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise LossmithError(f"a range goes from a lower number to a higher one, not from {low:g} to {high:g}")
        for name, end in zip(("low", "high"), ends, strict=True):
            object.__setattr__(self, name, int(end) if end.is_integer() and abs(end) < 1e15 else end)

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"

    def at(self, share: float, *, whole: bool = False) -> float:
        """The number at a fraction, 0 to 1, of the way from the low end to the high one; `whole` gives integers.

        >>> Range(0, 50).at(0.5), Range(30, 95).at(0.5, whole=True), Range(0.1, 0.3).at(1)
        (25.0, 63, 0.3)
        """
        if whole:
            return min(self.low + int(share * (self.high - self.low + 1)), self.high)
        return (1 - share) * self.low + share * self.high


Value = int | float | bool | str | Range | None


@dataclass(frozen=True)
class Call:
    """`name(arguments, key=options)`."""

    name: str
    arguments: tuple[Value, ...] = ()
    options: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Product:
    """`weight * node`."""

    weight: float
    node: "Node"


@dataclass(frozen=True)
class Sum:
    """`terms[0] + terms[1] + ...`."""

    terms: tuple["Node", ...]


@dataclass(frozen=True)
class Shares:
    """`shares[0]*terms[0] + ...` with percentages of the gradient; `always` holds them for the whole run.

    `shares` are fractions, and add up to 1.
    """

    terms: tuple["Node", ...]
    shares: tuple[float, ...]
    always: bool = False


@dataclass(frozen=True)
class Timeline:
    """`stages[0] until ends[0]% then stages[1] ...`; `ends` are fractions of the run."""

    stages: tuple["Node", ...]
    ends: tuple[float, ...]


Node = Call | Product | Sum | Shares | Timeline
