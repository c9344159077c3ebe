"""How sure a mean over images and seeds is: Student's t interval for two crossed random effects.

The question is what other images and other training runs would give, so both count as drawn at random: a mean of
(seeds, images) varies with the images, with the seeds, and with what is due to neither alone (Searle, Casella
and McCulloch, "Variance Components", 1992, section 4.4). With one seed it is the ordinary t interval over images.

Each part of the variance has a quantile of its own degrees of freedom (Banerjee, Sankhya 22, 1960), so that the
interval holds what it promises with two seeds, too. One quantile for their sum, with degrees of freedom after
Satterthwaite (Biometrics Bulletin 2(6), 1946), does not where seeds are few and the confidence is high: two seeds
that happen to agree would count for seeds that agree, and at 99.5 % the interval misses the truth up to twelve
times too often.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
CONFIDENCE = 0.95

Quantile = Callable[[float], float]
"""Half the width of an interval in standard errors, by their degrees of freedom."""


def students_t(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Student's, for one interval.

    >>> round(students_t(8.0), 3)
    2.306
    """
    return float(stats.t.ppf((1 + confidence) / 2, freedom))


@dataclass(frozen=True)
class SeedRatio:
    """How much means over all images vary with the seed, in variances of what is due to neither image nor seed."""

    ratio: float
    freedom: float


@dataclass(frozen=True)
class Part:
    """A part of the variance of a mean."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """A mean over images and seeds; one number alone has no parts of variance, and says nothing of others."""

    mean: float
    parts: tuple[Part, ...]
    """What the means of images show, and what those of seeds show; of one image or one seed only the other."""
    shared: float = 0.0
    """The variance due to neither images nor seeds alone, which is in both parts."""

    @property
    def error(self) -> float:
        """The standard error; NaN for one number alone."""
        return self.half_width(lambda freedom: 1.0)

    @property
    def freedom(self) -> float:
        """The degrees of freedom of the error, roughly: after Satterthwaite."""
        variance = sum(part.variance for part in self.parts)
        if not variance:
            return math.inf if self.parts else math.nan
        return variance**2 / sum(part.variance**2 / part.freedom for part in self.parts)

    def half_width(self, quantile: Quantile = students_t) -> float:
        """Half the width of the interval; NaN for one number alone."""
        if not self.parts:
            return math.nan
        squares = [quantile(part.freedom) ** 2 if part.variance else 0.0 for part in self.parts]
        terms = [square * part.variance for square, part in zip(squares, self.parts, strict=True)]
        return math.sqrt(max(sum(terms) - min(squares) * self.shared, *terms, 0.0))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The interval that holds the true mean with this confidence; (nan, nan) for one number alone."""
        half = self.half_width(partial(students_t, confidence=confidence))
        return self.mean - half, self.mean + half


def estimate(values: Array, least: SeedRatio | None = None) -> Estimate:
    """The mean of values, (seeds, images), over other seeds and images.

    With two or three seeds a mean may hardly vary with the seed by chance. `least` is the ratio that is taken
    where that of the values is smaller.

    >>> low, high = estimate(np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])).interval()  # one seed: Student's t
    >>> round(low, 3), round(high, 3)
    (0.112, 0.288)
    """
    seeds, images = values.shape
    mean = float(values.mean())
    image_means, seed_means = values.mean(0), values.mean(1)
    negligible = 1e-20 * float(np.square(values).mean())  # no variation but rounding

    def part(variance: float, freedom: float) -> Part:
        return Part(variance if variance > negligible else 0.0, freedom)

    parts, rest = [], rest_variance(values)
    if images > 1:
        parts.append(part(float(image_means.var(ddof=1)) / images, images - 1.0))
    if seeds > 1:
        variance, freedom = float(seed_means.var(ddof=1)), seeds - 1.0
        if least and least.ratio * rest > variance:
            variance, freedom = least.ratio * rest, least.freedom
        parts.append(part(variance / seeds, freedom))
    return Estimate(mean, tuple(parts), rest / values.size if len(parts) == 2 else 0.0)


def rest_variance(values: Array) -> float:
    """The variance of what is due to neither image nor seed alone, of (seeds, images); 0 for one of either."""
    seeds, images = values.shape
    if seeds == 1 or images == 1:
        return 0.0
    rest = values - values.mean(0) - values.mean(1)[:, None] + values.mean()
    return float(np.square(rest).sum() / ((seeds - 1) * (images - 1)))


__all__ = [
    "CONFIDENCE",
    "Array",
    "Estimate",
    "Part",
    "Quantile",
    "SeedRatio",
    "estimate",
    "rest_variance",
    "students_t",
]
