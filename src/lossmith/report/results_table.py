"""The table of results: a row per method, a column per metric, and what is best or tied with the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lossmith.evaluation import mean_ranks
from lossmith.evaluation.results import Ranking
from lossmith.evaluation.statistics.metric_overlap import optimizes_metric
from lossmith.metrics.registry import Metric
from lossmith.report.data import ReportData
from lossmith.report.formatting import interval, number
from lossmith.report.methods import Method


@dataclass(frozen=True)
class Cell:
    """One number; `value` is what a column is sorted by, empty when nothing was measured."""

    text: str
    value: str
    interval: str = ""
    mark: str = ""
    """"best", "tied" or nothing."""
    optimizes_metric: bool = False
    """Whether the loss was trained on what is measured here."""


@dataclass(frozen=True)
class Line:
    """The row of one method that ran to its end."""

    method: Method
    scores: list[Cell]
    rank: Cell


@dataclass(frozen=True)
class ResultsTable:
    """Lines in the order of their mean rank, and the losses that failed."""

    metrics: list[Metric]
    lines: list[Line]
    failures: list[Method]

    @property
    def optimizes_metric(self) -> bool:
        """Whether any cell is marked so."""
        return any(cell.optimizes_metric for line in self.lines for cell in line.scores)


def results_table(contents: ReportData, methods: Sequence[Method]) -> ResultsTable:
    """Put the standings and the ranks of all methods into one table."""
    ranks = mean_ranks(contents.rankings)
    lines = [
        Line(
            method=method,
            scores=[_score(ranking, method) for ranking in contents.rankings],
            rank=_cell(ranks.get(method.name, math.nan), number(ranks.get(method.name, math.nan), 1)),
        )
        for method in methods
        if method.failure is None
    ]
    lines.sort(key=lambda line: ranks.get(line.method.name, math.inf))
    return ResultsTable(
        metrics=[ranking.metric for ranking in contents.rankings],
        lines=lines,
        failures=[method for method in methods if method.failure is not None],
    )


def _score(ranking: Ranking, method: Method) -> Cell:
    name, metric = method.name, ranking.metric
    mean = ranking.means.get(name, math.nan)
    low, high = ranking.intervals.get(name, (math.nan, math.nan))
    best = ranking.order[0] if ranking.order else None
    mark = "best" if name == best else "tied" if name in ranking.leaders else ""
    cell = _cell(
        mean, number(mean, metric.digits), interval(low, high, metric.digits), "" if math.isnan(mean) else mark
    )
    return replace(cell, optimizes_metric=method.kind == "loss" and optimizes_metric(name, metric.name))


def _cell(value: float, text: str, interval: str = "", mark: str = "") -> Cell:
    return Cell(text, "" if math.isnan(value) else repr(float(value)), interval, mark)
