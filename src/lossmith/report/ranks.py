"""Ranks and wins, picture by picture."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from lossmith.evaluation.results import Metric, Row

Scores = dict[str, dict[str, float]]
"""Score by picture and method."""


def picture_scores(rows: Sequence[Row], metric: str) -> Scores:
    """One score per picture and method: the mean over seeds; what holds no such score is left out."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if metric in row.scores:
            found[row.picture, row.method].append(row.scores[metric])
    scores: Scores = defaultdict(dict)
    for (picture, method), values in found.items():
        scores[picture][method] = fmean(values)
    return scores


def mean_ranks(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, float]:
    """The rank of each method, 1 for the best, averaged over every picture and every metric.

    Equal scores share their ranks, and a score that was not measured comes last. A picture on which a metric
    was measured for no method does not count.

    >>> psnr = Metric("psnr", "PSNR", higher_is_better=True, digits=2)
    >>> rows = [Row("a", "l1", 0, {"psnr": 30.0}), Row("a", "l2", 0, {"psnr": 29.0})]
    >>> mean_ranks(rows, [psnr])
    {'l1': 1.0, 'l2': 2.0}
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    ranks: dict[str, list[float]] = {method: [] for method in methods}
    for metric in metrics:
        sign = -1 if metric.higher_is_better else 1
        for scores in picture_scores(rows, metric.name).values():
            costs = [sign * scores.get(method, math.nan) for method in methods]
            if not all(map(math.isnan, costs)):
                for method, rank in zip(methods, _ranks(costs), strict=True):
                    ranks[method].append(rank)
    return {method: fmean(values) for method, values in ranks.items() if values}


def _ranks(costs: Sequence[float]) -> list[float]:
    keys = [(math.isnan(cost), 0.0 if math.isnan(cost) else cost) for cost in costs]
    return [1 + sum(other < key for other in keys) + (keys.count(key) - 1) / 2 for key in keys]


def won(scores: Scores, first: str, second: str, higher_is_better: bool) -> float:
    """Fraction of pictures on which `first` scores better than `second`; nan where they share no picture."""
    pairs = [(each[first], each[second]) for each in scores.values() if first in each and second in each]
    if not pairs:
        return math.nan
    return fmean(a > b if higher_is_better else a < b for a, b in pairs)
