"""Rankings and pairwise differences of methods, with confidence intervals, from rows of scores.

A score of one image under one seed is a row; see `score_table` for which rows count and `bootstrap` for the
intervals. Intervals are 95 % for one comparison at a time: among 45 pairs of methods that do not differ at all,
two will look different. Everything is deterministic.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy import stats

from lossmith.evaluation.results import DEGRADED, Difference, RankedMethod, Ranking, Row
from lossmith.evaluation.statistics.bootstrap import Array, interval, resampled_means
from lossmith.evaluation.statistics.score_table import NothingToCompareError, ScoreTable, score_table
from lossmith.metrics.registry import Metric

RESAMPLES = 10_000


def differences(
    rows: Sequence[Row],
    metric: Metric,
    methods: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """Every pair of methods that can be compared, once, in the order of `methods` (all in the rows by default).

    `mean` is first minus second, over images and seeds; `win_rate` the fraction of images on which the first is
    better on average over seeds, ties counting half.

    Raises LossmithError when there is nothing to compare.

    >>> rows = [Row(p, m, 0, {"psnr": v}) for m, vs in {"l1": (30, 32), "l2": (29, 30)}.items()
    ...         for p, v in zip("ab", vs)]
    >>> [d] = differences(rows, Metric("psnr", "PSNR", True, 2))
    >>> d.first, d.second, d.mean, d.win_rate, d.significant
    ('l1', 'l2', 1.5, 1.0, False)
    """
    table = score_table(rows, metric, methods)
    means = resampled_means(table.values, resamples, seed)
    pairs = itertools.combinations(range(len(table.methods)), 2)
    return [_difference(table, means, metric, first, second) for first, second in pairs]


def ranking(
    rows: Sequence[Row],
    metric: Metric,
    methods: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ranking:
    """The methods that can be compared, best first, with means, intervals, and who may claim to be the best.

    Leaders are the best method and all that are not distinguishable from it. The degraded input has its place
    in the order, but leads only if its mean is the best, in which case nothing restored it: a method that is
    slightly better than its input does not share the lead with it, though `verdict` says when the two cannot be
    told apart.

    Raises LossmithError when there is nothing to compare.

    >>> rows = [Row("a", m, 0, {"gmsd": v}) for m, v in {"l1": 0.2, "l2": 0.1}.items()]
    >>> ranking(rows, Metric("gmsd", "GMSD", False, 4)).order
    ('l2', 'l1')
    """
    table = score_table(rows, metric, methods)
    means = resampled_means(table.values, resamples, seed)
    averages = table.values.mean((1, 2))
    order = np.argsort(-averages if metric.higher_is_better else averages, kind="stable").tolist()
    leaders = [order[0]]
    for other in order[1:]:
        rival = table.methods[other] != DEGRADED
        if rival and not _difference(table, means, metric, order[0], other).significant:
            leaders.append(other)
    names = table.methods
    return Ranking(
        metric=metric,
        order=tuple(names[i] for i in order),
        means={names[i]: float(averages[i]) for i in order},
        intervals={names[i]: interval(table.values[i], means[i]) for i in order},
        leaders=tuple(names[i] for i in leaders),
    )


def rankings(
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    methods: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Ranking]:
    """One ranking per metric; a metric that no method has for every image and seed is left out.

    Raises LossmithError when a row occurs twice.

    >>> rows = [Row("a", "l1", 0, {"psnr": 30.0, "ms_ssim": float("nan")})]
    >>> results = rankings(rows, [Metric("psnr", "PSNR", True, 2), Metric("ms_ssim", "MS-SSIM", True, 4)])
    >>> [s.metric.name for s in results]
    ['psnr']
    """
    results = []
    for metric in metrics:
        try:
            results.append(ranking(rows, metric, methods, resamples, seed))
        except NothingToCompareError:
            continue
    return results


def main_ranking(rankings: Sequence[Ranking]) -> Ranking | None:
    """The ranking that decides who wins: that in PSNR, or else the first; None if there is none.

    >>> gmsd, psnr = Metric("gmsd", "GMSD", False, 4), Metric("psnr", "PSNR", True, 2)
    >>> main_ranking([Ranking(gmsd, ("a",), {}, {}, ("a",)), Ranking(psnr, ("b",), {}, {}, ("b",))]).order
    ('b',)
    """
    return next((ranking for ranking in rankings if ranking.metric.name == "psnr"), next(iter(rankings), None))


def ranked_methods(ranking: Ranking, differences: Sequence[Difference]) -> list[RankedMethod]:
    """The lines of a ranking, best first; `differences` hold its pairs, and may hold those of other metrics.

    >>> rows = [Row(image, method, 0, {"psnr": value}) for method, values in
    ...         {"l2": (29.0, 30.0), "l1": (30.0, 31.1)}.items() for image, value in zip("ab", values)]
    >>> psnr = Metric("psnr", "PSNR", True, 2)
    >>> lines = ranked_methods(ranking(rows, psnr), differences(rows, psnr))
    >>> [(line.rank, line.name, round(line.mean, 2), round(line.behind, 2), line.significant) for line in lines]
    [(1, 'l1', 30.55, 0.0, False), (2, 'l2', 29.5, 1.05, True)]
    """
    best = ranking.order[0]
    pairs = {frozenset((d.first, d.second)): d for d in differences if d.metric == ranking.metric.name}
    return [
        RankedMethod(
            rank=rank,
            name=name,
            mean=ranking.means[name],
            interval=ranking.intervals[name],
            behind=abs(ranking.means[best] - ranking.means[name]),
            significant=name != best and pairs[frozenset((best, name))].significant,
        )
        for rank, name in enumerate(ranking.order, start=1)
    ]


def excluded_methods(rows: Sequence[Row], metric: Metric, methods: Sequence[str]) -> list[str]:
    """The methods that cannot be compared, because an image or a seed of theirs is missing.

    >>> excluded_methods([Row("a", "l1", 0, {"psnr": 30.0})], Metric("psnr", "PSNR", True, 2), ["l1", "l2"])
    ['l2']
    """
    comparable = score_table(rows, metric, methods).methods
    return [method for method in methods if method not in comparable]


def mean_ranks(rankings: Sequence[Ranking]) -> dict[str, float]:
    """The mean over metrics of each method's rank (1 is best, equal means share), best first.

    The degraded input is ranked like any method. Methods that are missing from a ranking are left out.

    >>> psnr = Ranking(Metric("psnr", "PSNR", True, 2), ("a", "b"), {"a": 31.0, "b": 30.0}, {}, ("a",))
    >>> gmsd = Ranking(Metric("gmsd", "GMSD", False, 4), ("a", "b"), {"a": 0.1, "b": 0.1}, {}, ("a", "b"))
    >>> mean_ranks([psnr, gmsd])
    {'a': 1.25, 'b': 1.75}
    """
    if not rankings:
        return {}
    common = [name for name in rankings[0].order if all(name in ranking.means for ranking in rankings)]
    ranks = [
        stats.rankdata([ranking.means[name] * (-1 if ranking.metric.higher_is_better else 1) for name in common])
        for ranking in rankings
    ]
    averages = dict(zip(common, np.mean(ranks, axis=0).tolist(), strict=True))
    return dict(sorted(averages.items(), key=lambda item: item[1]))


def _difference(table: ScoreTable, means: Array, metric: Metric, first: int, second: int) -> Difference:
    values = table.values[first] - table.values[second]
    low, high = interval(values, means[first] - means[second])
    per_image = values.mean(0) if metric.higher_is_better else -values.mean(0)
    won = (np.sign(per_image) + 1).mean() / 2
    names = table.methods[first], table.methods[second]
    return Difference(metric.name, *names, mean=float(values.mean()), low=low, high=high, win_rate=float(won))
