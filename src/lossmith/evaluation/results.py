"""The plain values that evaluation produces and the report shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lossmith.metrics.registry import Metric

DEGRADED = "degraded"
"""The name under which the degraded input itself is scored, as a row like any other."""


@dataclass(frozen=True)
class Row:
    """The scores of one image as one method restored it."""

    image: str
    method: str
    seed: int
    scores: dict[str, float] = field(default_factory=dict)


Outcome = Literal["better", "worse", "equivalent", "undecided"]
"""What is known of the first of two methods: how it differs from the second, that they do not, or neither."""


@dataclass(frozen=True)
class Variation:
    """With what a difference varies most, which is why it is not known better."""

    over: Literal["images", "seeds", "other seeds"]
    """The last are those of other pairs, by which a pair is judged whose own few agree by chance."""
    number: int
    """How many images or seeds there were."""
    extent: float
    """How far two of them usually differ: the root mean square."""


@dataclass(frozen=True)
class Difference:
    """`first` minus `second` in one metric, paired by image and seed."""

    metric: str
    first: str
    second: str
    mean: float
    low: float
    """The lower end of the interval, at `confidence`; NaN where one image and one seed give none."""
    high: float
    win_rate: float
    """Fraction of images on which `first` is better."""
    outcome: Outcome
    margin: float = 0.0
    """The largest difference that matters to nobody, in the metric's unit."""
    confidence: float = 0.95
    """Of this interval alone; all of a metric hold together with 95 %, see `Criteria`."""
    variation: Variation | None = None
    """None where it does not vary, or where one image and one seed cannot tell."""

    @property
    def significant(self) -> bool:
        """Whether the interval is clear of zero."""
        return self.low > 0 or self.high < 0

    def seen_from(self, method: str) -> "Difference":
        """The same with this method as `first`.

        >>> Difference("psnr", "a", "b", 0.5, 0.2, 0.8, 0.9, "better").seen_from("b").outcome
        'worse'
        """
        if method == self.first:
            return self
        turned: dict[Outcome, Outcome] = {"better": "worse", "worse": "better"}
        return replace(
            self,
            first=self.second,
            second=self.first,
            mean=-self.mean,
            low=-self.high,
            high=-self.low,
            win_rate=1 - self.win_rate,
            outcome=turned.get(self.outcome, self.outcome),
        )


@dataclass(frozen=True)
class Ranking:
    """All methods in one metric, best first."""

    metric: Metric
    order: tuple[str, ...]
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    leaders: tuple[str, ...]
    """The best method, and every method that is not known to be worse."""
    seeds: int = 0
    """How many seeds the means are over; 0 where that is not known."""
    images: int = 0
    """How many images, likewise."""

    @property
    def winner(self) -> str | None:
        """The method that is significantly better than all others, or None.

        The degraded input wins nothing, and neither does a method that was compared with nothing else.

        >>> psnr = Metric("psnr", "PSNR", True, 2)
        >>> Ranking(psnr, ("mix", "l1"), {"mix": 31.4, "l1": 31.2}, {}, leaders=("mix",)).winner
        'mix'
        >>> Ranking(psnr, ("mix", "l1"), {"mix": 31.4, "l1": 31.2}, {}, leaders=("mix", "l1")).winner is None
        True
        """
        best, rivals = self.order[0], set(self.order[1:]) - {DEGRADED}
        return best if self.leaders == (best,) and best != DEGRADED and rivals else None


@dataclass(frozen=True)
class RankedMethod:
    """One line of a ranking."""

    rank: int
    """1 is the best."""
    name: str
    mean: float
    """Over images and seeds."""
    interval: tuple[float, float]
    """The 95 % interval of the mean; NaN for one image and one seed."""
    behind: float
    """How much worse the mean is than that of the best method: 0 and up, in the unit of the metric."""
    outcome: Outcome | None
    """What is known of it beside the best method; None for the best itself."""


def as_columns(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows as columns of one length: image, method, seed, then one per metric, NaN where a row has no score.

    >>> as_columns([Row("a", "l1", 0, {"psnr": 30.0}), Row("a", "l2", 0)])
    {'image': ['a', 'a'], 'method': ['l1', 'l2'], 'seed': [0, 0], 'psnr': [30.0, nan]}
    """
    metrics = dict.fromkeys(name for row in rows for name in row.scores)
    return {
        "image": [row.image for row in rows],
        "method": [row.method for row in rows],
        "seed": [row.seed for row in rows],
        **{name: [row.scores.get(name, math.nan) for row in rows] for name in metrics},
    }
