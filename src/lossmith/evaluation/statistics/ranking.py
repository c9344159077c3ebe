"""Rankings and pairwise differences of methods, with confidence intervals, from rows of scores.

A score of one image under one seed is a row; see `score_table` for which rows count, `intervals` for the
intervals and `Criteria` for how sure a difference is. Everything is deterministic.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from lossmith.evaluation.results import DEGRADED, Difference, Outcome, RankedMethod, Ranking, Row
from lossmith.evaluation.statistics.criteria import Criteria, outcome
from lossmith.evaluation.statistics.intervals import estimate
from lossmith.evaluation.statistics.score_table import NothingToCompareError, ScoreTable, score_table
from lossmith.evaluation.statistics.variation import variation
from lossmith.metrics.registry import Metric


def differences(
    rows: Sequence[Row],
    metric: Metric,
    methods: Sequence[str] | None = None,
    criteria: Criteria = Criteria(),
) -> list[Difference]:
    """Every pair of methods that can be compared, once, in the order of `methods` (all in the rows by default).

    `mean` is first minus second, over images and the seeds that both have; `win_rate` the fraction of images on
    which the first is better on average over seeds, ties counting half.

    Raises LossmithError when there is nothing to compare.

    >>> rows = [Row(p, m, 0, {"psnr": v}) for m, vs in {"l1": (30, 32), "l2": (29, 30)}.items()
    ...         for p, v in zip("ab", vs)]
    >>> [d] = differences(rows, Metric("psnr", "PSNR", True, 2))
    >>> d.first, d.second, d.mean, d.win_rate, d.outcome
    ('l1', 'l2', 1.5, 1.0, 'undecided')
    """
    table = score_table(rows, metric, methods)
    contenders = _contenders(methods or table.methods)
    return [
        difference(table, metric, first, second, criteria, contenders)
        for first, second in itertools.combinations(table.methods, 2)
        if len(table.difference(first, second))
    ]


def difference(
    table: ScoreTable, metric: Metric, first: str, second: str, criteria: Criteria, contenders: int
) -> Difference:
    """The difference of two among so many contenders, under the seeds that both have."""
    values, margin = table.difference(first, second), criteria.margin(metric)
    difference = estimate(values, table.seed_ratio)
    low, high = criteria.interval(difference, contenders)
    per_image = values.mean(0) if metric.higher_is_better else -values.mean(0)
    return Difference(
        metric.name,
        first,
        second,
        mean=float(values.mean()),
        low=low,
        high=high,
        win_rate=float((np.sign(per_image) + 1).mean() / 2),
        outcome=outcome(low, high, margin, metric.higher_is_better),
        margin=margin,
        confidence=criteria.confidence(contenders, difference.freedom),
        variation=variation(values, table.seed_ratio),
    )


def ranking(
    rows: Sequence[Row],
    metric: Metric,
    methods: Sequence[str] | None = None,
    criteria: Criteria = Criteria(),
) -> Ranking:
    """The methods that can be compared, best first, with means, intervals, and who may claim to be the best.

    Leaders are the best method and all that are not known to be worse: those that are equivalent to it, and
    those of which that is undecided. The degraded input has its place in the order, but leads only if its mean
    is the best, in which case nothing restored it: a method that is slightly better than its input does not
    share the lead with it, though the advice says when the two cannot be told apart.

    The intervals are 95 % each, and end where the metric's range does.

    Raises LossmithError when there is nothing to compare.

    >>> rows = [Row("a", m, 0, {"gmsd": v}) for m, v in {"l1": 0.2, "l2": 0.1}.items()]
    >>> ranking(rows, Metric("gmsd", "GMSD", False, 4)).order
    ('l2', 'l1')
    """
    table = score_table(rows, metric, methods)
    contenders = _contenders(methods or table.methods)
    places = np.argsort(-table.means if metric.higher_is_better else table.means, kind="stable")
    order = tuple(table.methods[place] for place in places)
    best, *others = order
    leaders = [
        other
        for other in others
        if other != DEGRADED
        and (
            not len(table.difference(best, other))
            or difference(table, metric, best, other, criteria, contenders).outcome != "better"
        )
    ]
    return Ranking(
        metric=metric,
        order=order,
        means={table.methods[place]: float(table.means[place]) for place in places},
        intervals={name: _within(estimate(table.of(name)).interval(), metric.range) for name in order},
        leaders=(best, *leaders),
        seeds=len(table.seeds),
        images=len(table.images),
    )


def _contenders(methods: Sequence[str]) -> int:
    """The degraded input is none, and makes no difference less sure."""
    return len({*methods} - {DEGRADED})


def _within(interval: tuple[float, float], bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    return (low, high) if math.isnan(low) else (max(low, bounds[0]), min(high, bounds[1]))


def rankings(
    rows: Sequence[Row],
    metrics: Sequence[Metric],
    methods: Sequence[str] | None = None,
    criteria: Criteria = Criteria(),
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
            results.append(ranking(rows, metric, methods, criteria))
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
    >>> [(line.rank, line.name, round(line.mean, 2), round(line.behind, 2), line.outcome) for line in lines]
    [(1, 'l1', 30.55, 0.0, None), (2, 'l2', 29.5, 1.05, 'worse')]
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
            outcome=None if name == best else _outcome(pairs.get(frozenset((best, name))), name),
        )
        for rank, name in enumerate(ranking.order, start=1)
    ]


def _outcome(pair: Difference | None, method: str) -> Outcome:
    """Of methods without a common seed nothing is known."""
    return pair.seen_from(method).outcome if pair else "undecided"


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
