"""The table of results: a row per method, a column per metric, and what is best or tied with the best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lossmith.evaluation import mean_ranks
from lossmith.evaluation.results import Metric, Standing
from lossmith.evaluation.trained_on import trained_on
from lossmith.report.contents import Contents
from lossmith.report.methods import Method
from lossmith.report.numbers import interval, number


@dataclass(frozen=True)
class Cell:
    """One number; `value` is what a column is sorted by, empty when nothing was measured."""

    text: str
    value: str
    interval: str = ""
    mark: str = ""
    """"best", "tied" or nothing."""
    trained_on: bool = False
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
    def trained_on(self) -> bool:
        """Whether any cell is marked so."""
        return any(cell.trained_on for line in self.lines for cell in line.scores)


def results_table(contents: Contents, methods: Sequence[Method]) -> ResultsTable:
    """Put the standings and the ranks of all methods into one table."""
    ranks = mean_ranks(contents.standings)
    lines = [
        Line(
            method=method,
            scores=[_score(standing, method) for standing in contents.standings],
            rank=_cell(ranks.get(method.name, math.nan), number(ranks.get(method.name, math.nan), 1)),
        )
        for method in methods
        if method.failure is None
    ]
    lines.sort(key=lambda line: ranks.get(line.method.name, math.inf))
    return ResultsTable(
        metrics=[standing.metric for standing in contents.standings],
        lines=lines,
        failures=[method for method in methods if method.failure is not None],
    )


def _score(standing: Standing, method: Method) -> Cell:
    name, metric = method.name, standing.metric
    mean = standing.means.get(name, math.nan)
    low, high = standing.intervals.get(name, (math.nan, math.nan))
    best = standing.order[0] if standing.order else None
    mark = "best" if name == best else "tied" if name in standing.leaders else ""
    cell = _cell(
        mean, number(mean, metric.digits), interval(low, high, metric.digits), "" if math.isnan(mean) else mark
    )
    return replace(cell, trained_on=method.kind == "loss" and trained_on(name, metric.name))


def _cell(value: float, text: str, interval: str = "", mark: str = "") -> Cell:
    return Cell(text, "" if math.isnan(value) else repr(float(value)), interval, mark)
