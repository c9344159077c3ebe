"""With what a difference varies most: with the images, or with the seeds."""

from math import sqrt
from typing import Literal

import numpy as np
from scipy import stats

from lossmith.evaluation.results import Variation
from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array, SeedRatio, rest_variance


def variation(differences: Array, least: SeedRatio | None = None) -> Variation | None:
    """What widens the interval of the mean of differences, (seeds, images), most; None if nothing does.

    Images and seeds each make an interval of their own, Student's t of the means over the other. The wider one
    tells what the difference varies with; so few seeds count for more than many images that differ as much.
    `least` is as for `estimate`.

    >>> import numpy as np
    >>> variation(np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]]))
    Variation(over='seeds', number=2, extent=4.0)
    """
    seeds, images = differences.shape
    widths: list[tuple[float, Variation]] = []
    if images > 1:
        variance = float(differences.mean(0).var(ddof=1))
        widths.append((_width(variance, images, images - 1), Variation("images", images, sqrt(2 * variance))))
    if seeds > 1:
        variance, freedom = float(differences.mean(1).var(ddof=1)), seeds - 1.0
        over: Literal["seeds", "other seeds"] = "seeds"
        if least and least.ratio * rest_variance(differences) > variance:
            variance, freedom, over = least.ratio * rest_variance(differences), least.freedom, "other seeds"
        widths.append((_width(variance, seeds, freedom), Variation(over, seeds, sqrt(2 * variance))))
    width, widest = max(widths, key=lambda entry: entry[0], default=(0.0, None))
    return widest if width > 1e-10 * sqrt(float(np.square(differences).mean())) else None  # else it is rounding


def _width(variance: float, number: int, freedom: float) -> float:
    """Half that of an interval of a mean of so many."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * sqrt(variance / number)


__all__ = ["variation"]
