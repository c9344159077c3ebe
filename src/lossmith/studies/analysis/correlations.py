"""Rank correlations with bootstrap intervals: between benchmarks, and of quality with facts of networks."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lossmith.studies.analysis.results import NAN, Estimate

RESAMPLES = 2000
FEWEST = 6
"""Points or clusters below which there is no interval: with five, one in eight excludes a true correlation 0."""

Array = NDArray[np.float64]


def spearman(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> Estimate:
    """Spearman's rank correlation, with a bootstrap interval that resamples clusters as wholes.

    nan for fewer than two points or values that are all equal; without an interval for fewer than `FEWEST`
    clusters. Where no clusters are given, every point is one.

    The interval is of percentiles, which keeps its promise from six points on, if a little too wide.

    >>> spearman([1, 2, 3], [2, 4, 9])
    Estimate(value=1.0, low=nan, high=nan)
    """
    values = np.array([first, second], dtype=np.float64)
    rho = float(_rank_correlations(values[:, None])[0]) if values.shape[1] > 1 else NAN
    labels = range(values.shape[1]) if clusters is None else clusters
    members = [np.flatnonzero([label == other for other in labels]) for label in dict.fromkeys(labels)]
    if np.isnan(rho) or len(members) < FEWEST:
        return Estimate(rho)
    low, high = np.quantile(_resampled(values, members), [0.025, 0.975])
    return Estimate(rho, float(low), float(high))


def _resampled(values: Array, members: Sequence[NDArray[np.intp]]) -> Array:
    """Rank correlations of resamples of clusters, without those in which all values are equal."""
    rng = np.random.default_rng(0)
    draws = rng.integers(len(members), size=(RESAMPLES, len(members)))
    samples = [np.concatenate([members[index] for index in draw]) for draw in draws]
    lengths = {len(sample) for sample in samples}  # they differ where clusters do
    blocks = [np.array([sample for sample in samples if len(sample) == length]) for length in sorted(lengths)]
    rhos = np.concatenate([_rank_correlations(values[:, block]) for block in blocks])
    finite: Array = rhos[np.isfinite(rhos)]
    return finite


def _rank_correlations(values: Array) -> Array:
    """Of (2, samples, points): (samples,); nan where all values of a sample are equal."""
    ranks = stats.rankdata(values, axis=-1)
    ranks -= ranks.mean(-1, keepdims=True)
    first, second = ranks
    scale = np.sqrt((first**2).sum(-1) * (second**2).sum(-1))
    correlations: Array = np.divide(
        (first * second).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0
    )
    return correlations.clip(-1, 1)


__all__ = ["FEWEST", "spearman"]
