"""What it would take to decide between two methods: variance components, and the seeds or images still needed."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lossmith.evaluation.statistics.intervals import Array, Quantile, SeedRatio, students_t

POWER = 0.8
"""The probability with which a planned comparison shall be decided."""
MAX_SEEDS, MAX_IMAGES = 64, 1000
"""Up to how many are planned; what needs more is out of reach."""

_KNOTS = np.unique(np.r_[np.arange(0.5, 12, 0.5), np.geomspace(12, 2 * MAX_IMAGES, 16)])
"""Degrees of freedom between which quantiles are interpolated."""
_STEPS = np.unique(np.geomspace(1, MAX_IMAGES, 60).round())
"""Numbers of images that are tried together with more seeds."""


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
    """What would decide a comparison."""

    seeds: int | None
    """How many more, with the images as they are; None if no number would."""
    images: int | None
    """How many more test images, with the seeds as they are; None if no number would."""
    both: tuple[int, int] | None = None
    """How many more seeds and images where neither alone would: those that make the fewest scores."""
    chances: tuple[float, ...] = field(default=(), repr=False, compare=False)
    """The probability of a decision with 1, 2, ... more seeds; empty where it is not known."""


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
    differences: Array,
    margin: float,
    quantile: Quantile = students_t,
    power: float = POWER,
    least: SeedRatio | None = None,
) -> Plan:
    """How many more seeds or images decide between two methods with a probability of `power`.

    Decided means that the interval of the mean is clear of zero or lies within the margin; `quantile` is half
    its width in standard errors, and `least` the least ratio of seeds, both as `intervals.estimate` has
    them. The components are taken to be those of `differences`, (seeds, images). What has been measured stays, and
    new seeds and images move the mean from where it is: the predictive probability of Spiegelhalter, Freedman and
    Blackburn (Controlled Clinical Trials 7, 1986), without prior knowledge of the mean. After one seed it is not
    known how seeds differ: then `seeds` and `both` are None.
    """
    seeds, images = differences.shape
    if images == 1 or seeds == 0:
        return Plan(None, None)
    forecast = _Forecast(float(differences.mean()), differences.shape, variance_components(differences), least)
    more_images = np.arange(1.0, MAX_IMAGES + 1)
    by_images = forecast.chances(np.zeros(1), more_images, margin, quantile)[0]
    needed_images = _first(np.asarray(by_images >= power))
    if seeds == 1:
        return Plan(None, needed_images)
    more_seeds = np.arange(1.0, MAX_SEEDS + 1)
    by_seeds = forecast.chances(more_seeds, np.zeros(1), margin, quantile)[:, 0]
    needed_seeds = _first(np.asarray(by_seeds >= power))
    both = None
    if needed_seeds is None and needed_images is None:
        suffices = forecast.chances(more_seeds, _STEPS, margin, quantile) >= power
        scores = (seeds + more_seeds[:, None]) * (images + _STEPS)
        if suffices.any():
            row, column = np.unravel_index(np.where(suffices, scores, scores.max() + 1).argmin(), scores.shape)
            both = int(more_seeds[row]), int(_STEPS[column])
    return Plan(needed_seeds, needed_images, both, tuple(by_seeds.tolist()))


@dataclass(frozen=True)
class _Forecast:
    """What is known of differences of (seeds, images), and what more of them would give."""

    mean: float
    shape: tuple[int, ...]
    components: VarianceComponents
    least: SeedRatio | None

    def chances(self, more_seeds: Array, more_images: Array, margin: float, quantile: Quantile) -> Array:
        """The probability of a decision, (more_seeds, more_images)."""
        half = self._half_width(more_seeds, more_images, quantile)
        spread = np.maximum(self._spread(more_seeds, more_images), 1e-12 * (1 + abs(self.mean)))
        within = np.maximum(0.0, margin - half)
        below, above, low, high = (
            special.ndtr((end - self.mean) / spread) for end in (-half, half, -within, within)
        )
        decided = below + (1 - above) + (high - low)
        return np.asarray(np.where(within >= half, 1.0, decided))  # wherever the mean comes to lie

    def _counts(self, more_seeds: Array, more_images: Array) -> tuple[Array, Array]:
        seeds, images = self.shape
        return seeds + more_seeds[:, None], images + more_images[None]

    def _spread(self, more_seeds: Array, more_images: Array) -> Array:
        """The standard deviation of the mean with more of them about that of now."""
        seeds, images = self.shape
        all_seeds, all_images = self._counts(more_seeds, more_images)
        parts = self.components
        variance = (
            parts.image * (1 / images - 1 / all_images)
            + (0.0 if seeds == 1 else parts.seed * (1 / seeds - 1 / all_seeds))
            + parts.rest * (1 / (seeds * images) - 1 / (all_seeds * all_images))
        )
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def _half_width(self, more_seeds: Array, more_images: Array, quantile: Quantile) -> Array:
        """As `intervals.Estimate.half_width`, of what is expected."""
        seeds, images = self._counts(more_seeds, more_images)
        parts = self.components
        of_images = np.square(_interpolated(quantile, images - 1)) * (parts.image + parts.rest / seeds) / images
        if self.shape[0] == 1:
            return np.asarray(np.sqrt(of_images))
        between, freedom = parts.seed + parts.rest / images, seeds - 1
        if self.least:
            usual = self.least.ratio * parts.rest
            freedom = freedom * np.where(between < usual, self.least.freedom / (self.shape[0] - 1), 1.0)
            between = np.maximum(between, usual)
        quantiles = _interpolated(quantile, images - 1), _interpolated(quantile, freedom)
        of_seeds = np.square(quantiles[1]) * between / seeds
        shared = np.square(np.minimum(*quantiles)) * parts.rest / (seeds * images)
        both = of_images + of_seeds - shared
        return np.asarray(np.sqrt(np.maximum(both, np.maximum(of_images, of_seeds))))


def _interpolated(quantile: Quantile, freedom: Array) -> Array:
    """Quantiles of many degrees of freedom, within a percent."""
    values = np.log([quantile(float(knot)) for knot in _KNOTS])
    return np.asarray(np.exp(np.interp(-1 / np.maximum(freedom, _KNOTS[0]), -1 / _KNOTS, values)))


def _first(suffices: NDArray[np.bool_]) -> int | None:
    """The first number, from 1 on, that does."""
    return next((number for number, enough in enumerate(suffices, start=1) if enough), None)


__all__ = ["Plan", "VarianceComponents", "plan", "variance_components"]
