"""What the report of a tournament shows; plain values, filled in by `lossmith.commands`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lossmith.evaluation.advice.advice import Advice
from lossmith.evaluation.advice.race import RaceRound
from lossmith.evaluation.pulls import Pulls
from lossmith.evaluation.results import Difference, Ranking, Row
from lossmith.report.display import Display, Pixels

__all__ = [
    "Curve",
    "ErrorMap",
    "ImageComparison",
    "LossResult",
    "Pixels",
    "PullMaps",
    "RateTrial",
    "ReportData",
]

ErrorMap = NDArray[np.float32]
"""A number for every pixel, (height, width)."""


@dataclass(frozen=True)
class Curve:
    """One training run over its steps: `values[name][i]` belongs to `steps[i]`."""

    seed: int
    steps: list[int]
    values: dict[str, list[float]]
    """`loss`, one entry per named term, and `psnr` on crops of the test images (nan where not measured)."""


@dataclass(frozen=True)
class LossResult:
    """One loss of the tournament."""

    loss: str
    curves: list[Curve]
    steps: int
    milliseconds_per_step: float
    """Of the fastest run, which other programs disturbed least."""
    activation_mb: float | None
    """Megabytes that one training step keeps for its backward pass."""
    failure: str | None = None
    """Why the run stopped early, in one sentence; None when it finished."""
    pulls: list[Pulls] = field(default_factory=list)
    """Which of its terms pulled how much in each run; empty of looks where it has one term."""
    in_numbers: list[str] = field(default_factory=list)
    """By seed, the loss with the numbers that a run found for its percentages; empty where it has none."""


@dataclass(frozen=True)
class PullMaps:
    """Where the terms of a loss pull at a restored image, in a window of it."""

    x: int
    y: int
    """The top left corner of the window, in pixels."""
    maps: dict[str, ErrorMap]
    """By term: how strongly it pulls around each pixel, over the mean of all terms together; NaN where pixels do
    not count."""
    shares: dict[str, float]
    """Of the terms in the window, 0 to 1."""


@dataclass(frozen=True)
class ImageComparison:
    """One test image as it is shown: all arrays have the size of the target."""

    image: str
    target: Pixels
    degraded: Pixels | None
    """None where it is not known."""
    restored: dict[str, Pixels]
    """One result per loss, of the first seed."""
    display: Display = field(default_factory=Display)
    """How it is shown."""
    errors: Mapping[str, ErrorMap] = field(default_factory=dict)
    """Absolute errors in the unit of the files, averaged over all channels, NaN where pixels do not count.

    By loss, and of the degraded image as `DEGRADED`. Empty where the pixels shown are all there is."""
    pulls: Mapping[str, PullMaps] = field(default_factory=dict)
    """Where the terms of each loss of several terms pull."""

    @property
    def has_invalid_pixels(self) -> bool:
        return any(np.isnan(error).any() for error in self.errors.values())


@dataclass(frozen=True)
class RateTrial:
    """A short run of a loss at one learning rate, scored on validation crops."""

    loss: str
    learning_rate: float
    objective: float
    """The loss itself on the crops, by which the rate is chosen; NaN where the run diverged."""
    psnr: float
    """In dB, on the crops."""
    chosen: bool


@dataclass(frozen=True)
class ReportData:
    """The content of the page; without `network` and `results` it is that of results which others made."""

    verdict: str
    advice: Advice
    degradation: str
    network: str
    budget: str
    protocol: str
    command: str
    seeds: list[int]
    results: list[LossResult]
    rankings: list[Ranking]
    differences: list[Difference]
    rows: list[Row]
    comparisons: list[ImageComparison]
    environment: dict[str, str]
    """Versions, hardware, data: label and value, shown at the foot."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the results, such as metrics that were not measured."""
    curve_notes: list[str] = field(default_factory=list)
    """Remarks on the training, such as curves that still rise."""
    race: list[RaceRound] = field(default_factory=list)
    """How the race went, look by look; empty where nothing was raced."""
    rates: list[RateTrial] = field(default_factory=list)
    """How the learning rates were chosen; empty where all losses have the same."""
