"""What it would take to decide between two methods: variance components, and the seeds or images still needed."""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array

POWER = 0.8
"""The probability with which a planned comparison shall be decided."""
MAX_SEEDS, MAX_IMAGES = 64, 1000
"""Up to how many are planned; what needs more is out of reach."""


@dataclass(frozen=True)
class VarianceComponents:
    """Where differences between two methods come from: difference = mean + image + seed + rest."""

    image: float
    seed: float
    """NaN for one seed, which says nothing about others."""
    rest: float
    """What is due to neither alone; with one seed it is within `image`."""


@dataclass(frozen=True)
class Plan:
    """What would decide a comparison, each with the other as it is."""

    seeds: int | None
    """How many more; None if no number would."""
    images: int | None
    """How many more test images; None if no number would."""


def students_t(freedom: float) -> float:
    """Half the width of a 95 % interval, in standard errors."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def variance_components(differences: Array) -> VarianceComponents:
    """The components of differences (seeds, images) of which there are two images at least, unbiased up to 0.

    A two-way analysis of variance with random effects, and one observation for each seed and image (Searle,
    Casella, McCulloch, "Variance Components", 1992, section 4.4).

    >>> image, seed = np.array([0.0, 2.0, 4.0]), np.array([[0.0], [1.0]])
    >>> variance_components(image + seed)
    VarianceComponents(image=4.0, seed=0.5, rest=0.0)
    """
    seeds, images = differences.shape
    by_image, by_seed = differences.mean(0), differences.mean(1)
    if seeds == 1:
        return VarianceComponents(float(by_image.var(ddof=1)), math.nan, 0.0)
    left = differences - by_image - by_seed[:, None] + differences.mean()
    rest = float(np.square(left).sum() / ((seeds - 1) * (images - 1)))
    return VarianceComponents(
        max(0.0, float(by_image.var(ddof=1)) - rest / seeds),
        max(0.0, float(by_seed.var(ddof=1)) - rest / images),
        rest,
    )


def plan(
    differences: Array, margin: float, quantile: Callable[[float], float] = students_t, power: float = POWER
) -> Plan:
    """How many more seeds or images decide between two methods with a probability of `power`.

    Decided means that the interval of the mean is clear of zero or lies within the margin; `quantile` is half
    its width in standard errors, by their degrees of freedom. The mean and the components are taken to be those
    of `differences`, (seeds, images), so this is a forecast. After one seed it is not known how seeds differ:
    then `seeds` is None.
    """
    seeds, images = differences.shape
    if images == 1:
        return Plan(None, None)
    mean, parts = float(differences.mean()), variance_components(differences)

    def decides(more_seeds: int, more_images: int) -> bool:
        error, freedom = _standard_error(parts, seeds + more_seeds, images + more_images)
        return _probability_of_decision(mean, error, freedom, margin, quantile) >= power

    extra_seeds = None if seeds == 1 else _first(MAX_SEEDS, lambda more: decides(more, 0))
    return Plan(extra_seeds, _first(MAX_IMAGES, lambda more: decides(0, more)))


def _standard_error(parts: VarianceComponents, seeds: int, images: int) -> tuple[float, float]:
    """Of the mean of (seeds, images), with its degrees of freedom after Satterthwaite; see `bootstrap.stretch`."""
    of_images = ((parts.image + parts.rest / seeds) / images, images - 1)
    if math.isnan(parts.seed) or seeds == 1:
        return math.sqrt(of_images[0]), of_images[1]
    of_seeds = ((parts.seed + parts.rest / images) / seeds, seeds - 1)
    both = [part for part in (of_images, of_seeds) if part[0] > 0]
    if not both:
        return 0.0, math.inf
    freedom = sum(part for part, _ in both) ** 2 / sum(part**2 / degrees for part, degrees in both)
    return math.sqrt(parts.image / images + parts.seed / seeds + parts.rest / (seeds * images)), freedom


def _probability_of_decision(
    mean: float, error: float, freedom: float, margin: float, quantile: Callable[[float], float]
) -> float:
    """That the interval of an estimate around `mean` is clear of zero or within the margin."""
    if error == 0:
        return 1.0
    half_width = quantile(freedom) * error
    within = max(0.0, margin - half_width)
    if within >= half_width:  # wherever the estimate is, it is decided
        return 1.0
    below, above, low, high = stats.norm.cdf(np.array([-half_width, half_width, -within, within]), mean, error)
    return float(below + (1 - above) + (high - low))


def _first(limit: int, suffices: Callable[[int], bool]) -> int | None:
    """The least number up to a limit that suffices, where every greater one does; found by halving."""
    place = bisect_left(range(1, limit + 1), True, key=suffices)
    return place + 1 if place < limit else None


__all__ = ["Plan", "VarianceComponents", "plan", "variance_components"]
