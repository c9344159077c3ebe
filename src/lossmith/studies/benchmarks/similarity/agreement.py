"""How far distances agree with people's judgements, and how sure that is. 1 is perfect agreement."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lossmith.evaluation.statistics.intervals import CONFIDENCE
from lossmith.metrics import Metric

SPEARMAN = Metric("spearman", "Spearman's ρ", higher_is_better=True, digits=3)
KENDALL = Metric("kendall", "Kendall's τ", higher_is_better=True, digits=3)
TWO_AFC = Metric("2afc", "2AFC", higher_is_better=True, digits=4)
TWO_AFC_LIN = Metric("2afc_lin", "2AFC, learned weights", higher_is_better=True, digits=4)
JND = Metric("jnd", "JND mAP", higher_is_better=True, digits=4)

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
RESAMPLES = 1000


def spearman(distances: Array, quality: Array) -> float:
    """Spearman's rank correlation of small distances with high quality, both (N,).

    Equal values get their mean rank. Where all distances are equal the correlation is not defined, and is taken to
    be 0: a distance that tells nothing apart agrees with nobody.

    >>> spearman(np.array([0.1, 0.2, 0.3]), np.array([90.0, 80.0, 10.0]))
    1.0
    """
    if _constant(distances) or _constant(quality):
        return 0.0
    return float(stats.spearmanr(-distances, quality).statistic)


def kendall(distances: Array, quality: Array) -> float:
    """Kendall's rank correlation tau-b of small distances with high quality, both (N,); see `spearman`."""
    if _constant(distances) or _constant(quality):
        return 0.0
    return float(stats.kendalltau(-distances, quality).statistic)


def _constant(values: Array) -> bool:
    return bool(np.ptp(values) == 0)


def two_afc(first: Array, second: Array, judgements: Array) -> Array:
    """The fraction of people with whom two distances to a reference agree about which is nearer, (N,).

    Parameters
    ----------
    first, second
        The distances of both pictures to the reference, (N,).
    judgements
        The fraction of people for whom the second is nearer, (N,) in [0, 1].

    Equal distances agree with half of the people.

    Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018.

    >>> two_afc(np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 3.0]), np.array([0.25, 1.0, 0.8]))
    array([0.75, 1.  , 0.5 ])
    """
    return np.select([first < second, second < first], [1 - judgements, judgements], 0.5)


def average_precision(distances: Array, same: Array) -> float:
    """The area under the curve of precision over recall of "looks the same", for pairs in order of distance.

    At each recall the precision is the highest at that recall or a greater one, as in Pascal VOC since 2010. A
    pair is the same to the fraction of people who said so: that much of it is right to find, the rest is wrong.

    Parameters
    ----------
    distances
        Of the two pictures of each pair, (N,). Pairs at equal distances are found together.
    same
        The fraction of people to whom both look the same, (N,) in [0, 1]; nan is returned if there are none.

    Source: "JND" in Zhang et al. 2018. Their scripts find pairs at equal distances one by one, in any order.

    >>> average_precision(np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.0, 1.0]))
    0.8333333333333333
    """
    if not same.sum():
        return float("nan")
    ordered, counts = np.unique(distances, return_counts=True)
    right = np.bincount(np.searchsorted(ordered, distances), weights=same).cumsum()
    recall, precision = right / right[-1], right / counts.cumsum()
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.diff(recall, prepend=0.0) @ envelope)


def replicates(statistic: Callable[[Indices], float], groups: Sequence[Indices], seed: int) -> Array:
    """A statistic of items whose groups, such as all pictures of a reference, are drawn with replacement, (R,).

    The same groups and seed give the same draws, so replicates of several configurations are paired.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(groups), size=(RESAMPLES, len(groups)))
    return np.array([statistic(np.concatenate([groups[index] for index in draw])) for draw in draws])


def with_interval(metric: Metric, value: float, replicates: Array, groups: int) -> dict[str, float]:
    """The scores NAME, NAME_low and NAME_high of a metric; see `interval`.

    >>> with_interval(JND, 0.5, np.array([0.5, 0.5]), groups=2)
    {'jnd': 0.5, 'jnd_low': 0.5, 'jnd_high': 0.5}
    """
    low, high = interval(value, replicates, groups)
    return {metric.name: value, f"{metric.name}_low": low, f"{metric.name}_high": high}


def interval(value: float, replicates: Array, groups: int) -> tuple[float, float]:
    """The 95 % interval around a value between -1 and 1, by the standard error of its replicates.

    With the quantile of Student's t for this number of groups, and corrected for their number as a variance is:
    with n - 1. The quantiles of the replicates would not do. A draw has fewer different references than the data,
    so that differences between them lower its correlations less. (nan, nan) for one group or no value.
    """
    if groups < 2 or math.isnan(value):
        return float("nan"), float("nan")
    standard_error = math.sqrt(groups / (groups - 1)) * float(np.nanstd(replicates))
    margin = float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)) * standard_error
    return max(value - margin, -1.0), min(value + margin, 1.0)


__all__ = [
    "JND",
    "KENDALL",
    "SPEARMAN",
    "TWO_AFC",
    "TWO_AFC_LIN",
    "average_precision",
    "interval",
    "kendall",
    "replicates",
    "spearman",
    "two_afc",
    "with_interval",
]
