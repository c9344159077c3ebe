"""What the page of a search for weights shows; plain values, filled in by `lossmith.commands`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lossmith.metrics.registry import Metric
from lossmith.report.data import ImageComparison

Value = float | str
"""Of a placeholder; numbers are numbers, choices are their texts."""
TrialState = Literal["complete", "pruned", "failed"]
"""A trial ran to its end, was stopped early because another was better in every goal, or diverged."""


@dataclass(frozen=True)
class ScoreMean:
    """A mean score and its 95 % interval, whose ends are NaN where one result alone gives none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class SearchRange:
    """What was tried for one placeholder."""

    name: str
    """As it stands in the expression, or `learning_rate`."""
    text: str
    """The range as it is typed: `0.001..1 log` or `relu|elu`."""
    logarithmic: bool = False
    choices: tuple[str, ...] = ()
    """In the order given; empty for numbers."""


@dataclass(frozen=True)
class TuningTrial:
    """One run of the search."""

    number: int
    """From 0."""
    values: Mapping[str, Value]
    """By placeholder."""
    loss: str
    """The expression with these values."""
    state: TrialState
    scores: Mapping[str, float]
    """The goals on validation crops; empty where nothing was measured.

    Of a trial that was stopped, those of the one that stopped it, less what it was behind then.
    """
    seconds: float = math.nan
    """Of training."""
    note: str = ""
    """Why it was stopped or failed: a sentence without its full stop."""


@dataclass(frozen=True)
class FrontMember:
    """A trial that was trained again with fresh seeds."""

    trial: int
    """Its number."""
    values: Mapping[str, Value]
    loss: str
    """The expression to paste."""
    validation: Mapping[str, ScoreMean]
    """The goals on validation crops, over the fresh seeds: what decides."""
    test: Mapping[str, ScoreMean]
    """All metrics on test images, over seeds and images: what is only reported."""
    seeds: Sequence[int]
    """That finished."""
    on_front: bool
    """Whether it stays on the front; with one goal, whether it is the best."""
    reason: str = ""
    """Why it does not: a sentence without its full stop."""
    milliseconds_per_step: float = math.nan
    seconds: float = math.nan
    """Of training, of one run."""

    @property
    def name(self) -> str:
        """By which the pictures know it: two trials may have one loss and different learning rates."""
        return f"trial {self.trial}"


@dataclass(frozen=True)
class TuningContents:
    """The content of the page."""

    loss: str
    """The expression with its placeholders."""
    ranges: Sequence[SearchRange]
    goals: Sequence[Metric]
    """At least one; with several there is a front."""
    trials: Sequence[TuningTrial]
    members: Sequence[FrontMember]
    """Those trained again; without any, the page says that there are none."""
    metrics: Sequence[Metric]
    """Those of the test images, the goals among them."""
    comparisons: Sequence[ImageComparison]
    """Test images; `restored` has the first seed of every member, by its `name`."""
    degradation: str
    network: str
    budget: str
    """Of one run, in words."""
    protocol: str
    command: str
    environment: Mapping[str, str]
    """Versions, hardware, data, sampler: label and value."""
    images: int = 0
    """Test images."""
    degraded: Mapping[str, float] = field(default_factory=dict)
    """The means of the metrics over degraded test images; empty where they are not known."""
    notes: Sequence[str] = ()
    """Remarks, such as goals that are not independent of the loss."""

    @property
    def axes(self) -> tuple[Metric, ...]:
        """The goals from fidelity over structure to perception: along these the front is shown."""
        order = ("fidelity", "structure", "perception", None)
        return tuple(sorted(self.goals, key=lambda metric: order.index(metric.goal)))


__all__ = [
    "FrontMember",
    "ScoreMean",
    "SearchRange",
    "TrialState",
    "TuningContents",
    "TuningTrial",
    "Value",
]
