"""With what a difference varies most: with the images, or with the seeds."""

from typing import Literal

from scipy import stats

from lossmith.evaluation.results import Variation
from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array


def variation(differences: Array) -> Variation | None:
    """What widens the interval of the mean of differences, (seeds, images), most.

    Images and seeds each make an interval of their own, Student's t of the means over the other. The wider one
    tells what the difference varies with; so few seeds count for more than many images that differ as much.

    >>> import numpy as np
    >>> variation(np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]]))
    Variation(over='seeds', number=2, extent=4.0)
    """
    widths: list[tuple[float, Variation]] = []
    axes: tuple[tuple[Literal["images", "seeds"], int], ...] = (("images", 0), ("seeds", 1))
    for over, axis in axes:
        means = differences.mean(axis)
        if (number := len(means)) > 1:
            quantile = stats.t.ppf((1 + CONFIDENCE) / 2, number - 1)
            width = float(quantile * means.std(ddof=1) / number**0.5)
            widths.append((width, Variation(over, number, float(means.max() - means.min()))))
    width, widest = max(widths, key=lambda entry: entry[0], default=(0.0, None))
    return widest if width > 0 else None


__all__ = ["variation"]
