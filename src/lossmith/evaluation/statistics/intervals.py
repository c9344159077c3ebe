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
class SeedRatio:
    """How much means over all images vary with the seed, in variances of what is due to neither image nor seed."""

    ratio: float
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


def estimate(values: Array, least: SeedRatio | None = None) -> Estimate:
    """The mean of values, (seeds, images), over other seeds and images.

    With two or three seeds a mean may hardly vary with the seed by chance. `least` is the ratio that is taken
    where that of the values is smaller.

    >>> estimate(np.array([[0.1, 0.2, 0.3, 0.2, 0.2]])).freedom  # one seed: Student's t over images
    4.0
    """
    seeds, images = values.shape
    mean = float(values.mean())
    if values.size == 1:
        return Estimate(mean, math.nan, math.nan)
    image_means, seed_means = values.mean(0), values.mean(1)
    rest = rest_variance(values)
    parts = []
    if images > 1:
        parts.append((float(image_means.var(ddof=1)) / images, images - 1.0))
    if seeds > 1:
        variance, freedom = float(seed_means.var(ddof=1)), seeds - 1.0
        if least and least.ratio * rest > variance:
            variance, freedom = least.ratio * rest, least.freedom
        parts.append((variance / seeds, freedom))
    total = sum(part for part, _ in parts)
    if total <= 1e-20 * float(np.square(values).mean()):  # no variation but rounding
        return Estimate(mean, 0.0, math.inf)
    freedom = total**2 / sum(part**2 / degrees for part, degrees in parts)
    if len(parts) == 2:  # both parts hold what is due to neither alone, which belongs in once
        total = max(total - rest / values.size, parts[0][0], parts[1][0])
    return Estimate(mean, math.sqrt(total), freedom)


def rest_variance(values: Array) -> float:
    """The variance of what is due to neither image nor seed alone, of (seeds, images); 0 for one of either."""
    seeds, images = values.shape
    if seeds == 1 or images == 1:
        return 0.0
    rest = values - values.mean(0) - values.mean(1)[:, None] + values.mean()
    return float(np.square(rest).sum() / ((seeds - 1) * (images - 1)))


__all__ = ["CONFIDENCE", "Array", "Estimate", "SeedRatio", "estimate", "rest_variance"]
