"""How sure a mean over images and seeds is: Student's t interval for two crossed random effects.

The question is what other images and other training runs would give, so both count as drawn at random: a mean of
(seeds, images) varies with the images, with the seeds, and with what is due to neither alone (Searle, Casella
and McCulloch, "Variance Components", 1992, section 4.4). Degrees of freedom are after Satterthwaite (Biometrics
Bulletin 2(6), 1946). With one seed it is the ordinary t interval over images.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class SeedVariance:
    """How much means over all images vary with the seed."""

    variance: float
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error; both NaN for the error of one number alone, which says nothing of others."""

    mean: float
    error: float
    freedom: float

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The interval that holds the true mean with this confidence; (nan, nan) without an error."""
        if math.isnan(self.error):
            return math.nan, math.nan
        half_width = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * self.error if self.error else 0.0
        return self.mean - half_width, self.mean + half_width


def estimate(values: Array, least: SeedVariance | None = None) -> Estimate:
    """The mean of values, (seeds, images), over other seeds and images.

    `least` is a variance between seeds that is taken where that of the values, of which there may be two or
    three, is smaller by chance.

    >>> estimate(np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])).freedom  # one seed: Student's t over images
    4.0
    """
    seeds, images = values.shape
    mean = float(values.mean())
    if values.size == 1:
        return Estimate(mean, math.nan, math.nan)
    image_means, seed_means = values.mean(0), values.mean(1)
    parts = []
    if images > 1:
        parts.append((float(image_means.var(ddof=1)) / images, images - 1.0))
    if seeds > 1:
        between = SeedVariance(float(seed_means.var(ddof=1)), seeds - 1.0)
        if least and least.variance > between.variance:
            between = least
        parts.append((between.variance / seeds, between.freedom))
    variance = sum(part for part, _ in parts)
    if variance <= 1e-20 * float(np.square(values).mean()):  # no variation but rounding
        return Estimate(mean, 0.0, math.inf)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    if len(parts) == 2:  # both parts hold what is due to neither alone, which belongs in once
        rest = values - image_means - seed_means[:, None] + mean
        shared = float(np.square(rest).sum()) / ((images - 1) * (seeds - 1)) / values.size
        variance = max(variance - shared, parts[0][0], parts[1][0])
    return Estimate(mean, math.sqrt(variance), freedom)


__all__ = ["CONFIDENCE", "Array", "Estimate", "SeedVariance", "estimate"]
