"""The plain values that evaluation produces and the report shows."""

from dataclasses import dataclass, field

DEGRADED = "degraded"
"""The name under which the degraded input itself is scored, as a row like any other."""


@dataclass(frozen=True)
class Metric:
    """One column of a results table."""

    name: str
    label: str
    higher_is_better: bool
    digits: int
    unit: str = ""
    min_side: int = 1
    """Pixels below which there is nothing to measure, and the score is NaN."""


@dataclass(frozen=True)
class Row:
    """The scores of one image as one method restored it."""

    image: str
    method: str
    seed: int
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """`first` minus `second` in one metric, with a paired bootstrap interval over images and seeds."""

    metric: str
    first: str
    second: str
    mean: float
    low: float
    high: float
    win_rate: float
    """Fraction of images on which `first` is better."""

    @property
    def significant(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Ranking:
    """How all methods stand in one metric, best first."""

    metric: Metric
    order: tuple[str, ...]
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    leaders: tuple[str, ...]
    """The best method, and every method that cannot be told apart from it; one name is a winner."""
