"""The table of results: a row per loss, a group of columns per goal, and how each loss stands beside the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lossmith.evaluation import badge
from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.results import DEGRADED, Ranking
from lossmith.evaluation.statistics.metric_overlap import optimizes_metric
from lossmith.metrics.registry import GOALS, Metric
from lossmith.report.data import ReportData
from lossmith.report.formatting import interval, number
from lossmith.report.methods import Method

ARTIFACTS = "artifacts"
"""The group of the metrics that speak for no goal."""

GLOSSES = {
    "fidelity": "pixels that are right",
    "structure": "edges and textures that are right",
    "perception": "an image that looks right",
    ARTIFACTS: "damage that the loss itself adds",
}


KINDS = {"best": "best", "as good": "tied", "unsure": "unsure", "worse": "worse", "": ""}
"""The CSS classes of badges."""


@dataclass(frozen=True)
class Badge:
    """How a method stands beside the best: a word, or none, and the reason for it where it needs one."""

    word: str
    reason: str = ""

    @property
    def kind(self) -> str:
        """Its CSS class."""
        return KINDS[self.word]


@dataclass(frozen=True)
class Cell:
    """One number; `value` is what a column is sorted by, empty when nothing was measured."""

    text: str
    value: str
    interval: str = ""
    badge: Badge | None = None
    optimizes_metric: bool = False
    """Whether the loss was trained on what is measured here."""


@dataclass(frozen=True)
class Column:
    """A metric, and the loss for whose sake it may not judge, if there is one."""

    metric: Metric
    barred: str = ""


@dataclass(frozen=True)
class Line:
    """What a group of columns says of one method."""

    method: Method
    verdict: Cell
    """The distance to the best loss, in margins; without text where the group has no verdict."""
    scores: list[Cell]


@dataclass(frozen=True)
class Group:
    """The columns of a goal: its verdict, its lead metric, and all others; or those of no goal."""

    name: str
    columns: list[Column]
    lines: list[Line]
    """The best method first."""
    is_judged: bool
    """Whether there is a verdict."""

    @property
    def title(self) -> str:
        return self.name.capitalize()

    @property
    def gloss(self) -> str:
        """What the goal is, in a few words."""
        return GLOSSES[self.name]

    @cached_property
    def by_method(self) -> dict[str, Line]:
        return {line.method.name: line for line in self.lines}


@dataclass(frozen=True)
class ResultsTable:
    """All groups, the methods in the order of the first, and the losses that failed."""

    groups: list[Group]
    methods: list[Method]
    failures: list[Method]
    seeds: Mapping[str, str]
    """For each loss that stopped before others, how many seeds it has: "2 of 4 seeds"."""

    @property
    def metrics(self) -> list[Metric]:
        return [column.metric for group in self.groups for column in group.columns]

    @property
    def optimizes_metric(self) -> bool:
        """Whether any cell is marked so."""
        return any(cell.optimizes_metric for group in self.groups for line in group.lines for cell in line.scores)


def results_table(contents: ReportData, methods: Sequence[Method]) -> ResultsTable:
    """Put all rankings and what the advice says of them into one table."""
    scored = {name for ranking in contents.rankings for name in ranking.means}
    shown = [m for m in methods if m.failure is None and (m.kind == "loss" or m.name in scored)]
    groups = [group for name in (*GOALS, ARTIFACTS) if (group := _group(name, contents, shown))]
    return ResultsTable(
        groups,
        methods=[line.method for line in groups[0].lines] if groups else shown,
        failures=[method for method in methods if method.failure is not None],
        seeds=seeds_run(contents),
    )


def seeds_run(contents: ReportData) -> dict[str, str]:
    """How many seeds the losses have that have fewer than others, in words."""
    counts = {
        name: len({row.seed for row in contents.rows if row.method == name})
        for name in dict.fromkeys(row.method for row in contents.rows if row.method != DEGRADED)
    }
    most = max(counts.values(), default=0)
    return {name: f"{count} of {most} seeds" for name, count in counts.items() if count < most}


def excluded_judges(advice: Advice) -> dict[str, str]:
    """The metrics that may not judge, and the contender that each shares its measure or its network with."""
    goals = (*(goal.metrics for goal in advice.goals), *advice.unjudged)
    return {name: loss for goal in goals for name, loss in goal.excluded.items()}


def _group(name: str, contents: ReportData, methods: Sequence[Method]) -> Group | None:
    rankings = [r for r in contents.rankings if (r.metric.goal or ARTIFACTS) == name]
    if not rankings:
        return None
    advice = contents.advice.of(name)
    lead = advice.metrics.lead.name if advice else ""
    excluded = excluded_judges(contents.advice)
    columns = {r.metric.name: Column(r.metric, excluded.get(r.metric.name, "")) for r in rankings}
    rankings.sort(key=lambda r: (r.metric.name != lead, columns[r.metric.name].barred != ""))  # stable otherwise
    order = (advice.ranking if advice else rankings[0]).order
    places = {method: place for place, method in enumerate(order)}
    lines = [
        Line(
            method,
            _verdict(contents.advice, advice, method) if advice else Cell("", ""),
            [_score(contents, ranking, method, columns[ranking.metric.name].barred != "") for ranking in rankings],
        )
        for method in sorted(methods, key=lambda method: places.get(method.name, math.inf))
    ]
    return Group(name, [columns[ranking.metric.name] for ranking in rankings], lines, is_judged=advice is not None)


def _verdict(advice: Advice, goal: GoalAdvice, method: Method) -> Cell:
    means = goal.ranking.means
    behind = means[goal.best] - means.get(method.name, math.nan)
    text = "" if method.name == goal.best or math.isnan(behind) else f"{number(-behind, 1, signed=True)}"
    return Cell(text, _sortable(-behind), badge=_goal_badge(advice, goal, method))


def _goal_badge(advice: Advice, goal: GoalAdvice, method: Method) -> Badge | None:
    word, reason = badge(goal.ranking, goal.differences, method.name, fixed_models=advice.fixed_models)
    if not word and method.name in goal.avoid:
        return Badge("worse")
    return Badge(word, reason) if word or reason else None


def _score(contents: ReportData, ranking: Ranking, method: Method, is_barred: bool) -> Cell:
    name, metric = method.name, ranking.metric
    mean = ranking.means.get(name, math.nan)
    low, high = ranking.intervals.get(name, (math.nan, math.nan))
    return Cell(
        number(mean, metric.digits),
        _sortable(mean),
        interval(low, high, metric.digits),
        badge=None if is_barred or math.isnan(mean) else _metric_badge(contents, ranking, name),
        optimizes_metric=method.kind == "loss" and optimizes_metric(name, metric.name),
    )


def _metric_badge(contents: ReportData, ranking: Ranking, name: str) -> Badge | None:
    word, reason = badge(ranking, contents.differences, name, fixed_models=contents.advice.fixed_models)
    return Badge(word, reason) if word else None


def _sortable(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


__all__ = [
    "GLOSSES",
    "Badge",
    "Cell",
    "Column",
    "Group",
    "Line",
    "ResultsTable",
    "excluded_judges",
    "results_table",
]
