"""Intervals over items and a few seeds, whose noise is estimated from all configurations together.

Two seeds say next to nothing of how far one configuration varies with the seed. Those of twenty configurations say
much, if all vary alike, which is taken for granted here: a two-way analysis of variance of means over items, by
configuration and seed, where the seed is a random factor that interacts with the configuration.
"""

import numpy as np
from scipy import stats

from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array


def seeds_interval(table: Array, weights: Array, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a weighted sum of the means of configurations over items and seeds.

    Student's t, with degrees of freedom after Satterthwaite (1946). What all configurations owe to a seed cancels
    in a difference.

    Parameters
    ----------
    table
        (configurations, seeds, items), of 2 configurations and seeds at least.
    weights
        (configurations,): 1 and -1, with zeros, for a difference.
    """
    configurations, seeds, items = table.shape
    values: Array = np.tensordot(weights, table, 1)
    by_item = values.mean(0)
    of_seed, of_both = _mean_squares(table.mean(2))
    total, squares = weights.sum(), np.square(weights).sum()
    parts = [
        (total**2 / configurations * of_seed / seeds, seeds - 1),
        ((squares - total**2 / configurations) * of_both / seeds, (configurations - 1) * (seeds - 1)),
    ]
    shared = 0.0
    if items > 1:
        rest = values - by_item - values.mean(1, keepdims=True) + values.mean()
        shared = np.square(rest).sum() / ((items - 1) * (seeds - 1)) / values.size  # is in both, and counts once
        parts.append((by_item.var(ddof=1) / items, items - 1))
    over_seeds = parts[0][0] + parts[1][0]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return float(values.mean()), float(values.mean())
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    variance = max(variance - shared, over_seeds, variance - over_seeds)
    half_width = stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance)
    return float(values.mean() - half_width), float(values.mean() + half_width)


def _mean_squares(means: Array) -> tuple[float, float]:
    """Of seeds, and of the interaction of configurations and seeds, in means (configurations, seeds)."""
    configurations, seeds = means.shape
    by_seed = means.mean(0)
    rest = means - by_seed - means.mean(1, keepdims=True) + means.mean()
    of_both = np.square(rest).sum() / ((configurations - 1) * (seeds - 1))
    return float(configurations * by_seed.var(ddof=1)), float(of_both)


__all__ = ["seeds_interval"]
