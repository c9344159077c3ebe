"""The table of results: a row per method, a column per metric, and what is best or tied with the best."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import rankdata

from lossmith.evaluation.results import Metric, Row, Standing
from lossmith.report.contents import Contender, Contents
from lossmith.report.methods import Method
from lossmith.report.numbers import interval, number, significant


@dataclass(frozen=True)
class Cell:
    """One number; `value` is what a column is sorted by, empty when nothing was measured."""

    text: str
    value: str
    interval: str = ""
    mark: str = ""
    """"best", "tied" or nothing."""


@dataclass(frozen=True)
class Line:
    """One row; a loss that failed has no cells but a failure."""

    method: Method
    scores: list[Cell]
    rank: Cell
    milliseconds: Cell
    memory: Cell


@dataclass(frozen=True)
class ResultsTable:
    """Lines in the order of their mean rank, failures last."""

    metrics: list[Metric]
    lines: list[Line]
    failures: list[Method]


def results_table(contents: Contents, methods: Sequence[Method]) -> ResultsTable:
    """Put the standings, the ranks and the costs of all methods into one table."""
    ranks = mean_ranks(contents.rows, [s.metric for s in contents.standings])
    costs = {contender.loss: contender for contender in contents.contenders}
    running = [method for method in methods if method.failure is None]
    lines = [
        Line(
            method=method,
            scores=[_score(standing, method.name) for standing in contents.standings],
            rank=_cell(ranks.get(method.name, math.nan), 1),
            milliseconds=_milliseconds(costs.get(method.name)),
            memory=_memory(costs.get(method.name)),
        )
        for method in running
    ]
    lines.sort(key=lambda line: ranks.get(line.method.name, math.inf))
    return ResultsTable(
        metrics=[standing.metric for standing in contents.standings],
        lines=lines,
        failures=[method for method in methods if method.failure is not None],
    )


def mean_ranks(rows: Sequence[Row], metrics: Sequence[Metric]) -> dict[str, float]:
    """The rank of each method, 1 for the best, averaged over every picture and every metric.

    Seeds are averaged first; equal scores share their ranks; what was not measured comes last.

    >>> psnr = Metric("psnr", "PSNR", higher_is_better=True, digits=2)
    >>> rows = [Row("a", "l1", 0, {"psnr": 30.0}), Row("a", "l2", 0, {"psnr": 29.0})]
    >>> mean_ranks(rows, [psnr])
    {'l1': 1.0, 'l2': 2.0}
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    collected: dict[str, list[float]] = defaultdict(list)
    for metric in metrics:
        for scores in picture_scores(rows, metric.name).values():
            sign = -1 if metric.higher_is_better else 1
            keys = [sign * scores.get(method, math.nan) for method in methods]
            if all(map(math.isnan, keys)):
                continue
            # after +inf, so that an infinitely bad score still beats an absent one
            order = rankdata([(math.isnan(key), 0.0 if math.isnan(key) else key) for key in keys], axis=None)
            del order
            for method, rank in zip(methods, _ranks(keys), strict=True):
                collected[method].append(rank)
    return {method: fmean(ranks) for method, ranks in collected.items()}
