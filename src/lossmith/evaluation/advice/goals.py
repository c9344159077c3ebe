"""Scores for goals: fidelity, structure and perception, each from several metrics."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossmith.evaluation.results import DEGRADED, Row
from lossmith.evaluation.statistics.criteria import Criteria
from lossmith.evaluation.statistics.metric_overlap import is_independent
from lossmith.metrics.registry import GOALS, Goal, Metric, known_metric

LEADS = ("psnr", "ms_ssim", "ssim", "efficientnet_lite0", "lpips_alex", "niqe")
"""The metrics in whose unit a goal's differences are told, the first that it has."""

LEAST_RATIO = 1e-3
"""Errors below this part of the usual one count as that: an image that is restored without an error has no
ratio."""


@dataclass(frozen=True)
class GoalMetrics:
    """What the advice for a goal rests on."""

    goal: Goal
    metrics: tuple[Metric, ...]
    excluded: Mapping[str, str]
    """The metrics that may not judge, by name, and the contender that each shares its measure or network with."""

    @property
    def lead(self) -> Metric:
        """The metric in whose unit differences are told."""
        return min(self.metrics, key=lambda m: LEADS.index(m.name) if m.name in LEADS else len(LEADS))

    @property
    def score(self) -> Metric:
        """The goal's own score, in margins: see `with_goal_scores`."""
        return Metric(self.goal, self.goal.capitalize(), True, 1, "margins", goal=self.goal, margin=1.0)


def goals_of(
    metrics: Sequence[str], losses: Sequence[str], trained_on: Mapping[str, str] | None = None
) -> list[GoalMetrics]:
    """The goals that can be judged by these metrics, with the metrics of each.

    A judge of perception must be independent of all losses; fidelity and structure are what their metrics measure,
    whether a loss contains these or not. What a contender was trained on is its name, or as `trained_on` says.

    >>> [(goal.goal, goal.lead.name) for goal in goals_of(["psnr", "l1", "ssim", "niqe"], ["l1", "mix"])]
    [('fidelity', 'psnr'), ('structure', 'ssim'), ('perception', 'niqe')]
    >>> goals_of(["dists"], ["l1 + 0.1*features(vgg19, conv5_4)"])[0].excluded
    {'dists': 'l1 + 0.1*features(vgg19, conv5_4)'}
    >>> goals_of(["dists"], ["new"], {"new": "features(vgg19, conv5_4)"})[0].excluded
    {'dists': 'new'}
    """
    expressions = {loss: (trained_on or {}).get(loss, loss) for loss in losses}
    goals = []
    for goal in GOALS:
        members = [metric for metric in map(known_metric, metrics) if metric.goal == goal]
        excluded = {}
        if goal == "perception":
            for metric in members:
                if relatives := [loss for loss in losses if not is_independent(metric.name, expressions[loss])]:
                    excluded[metric.name] = relatives[0]
        if members:
            goals.append(GoalMetrics(goal, tuple(m for m in members if m.name not in excluded), excluded))
    return goals


def with_goal_scores(rows: Sequence[Row], goals: Sequence[GoalMetrics], criteria: Criteria) -> list[Row]:
    """Rows with a score per goal beside their metrics: the mean of the goal's metrics, each in its margins.

    More is better. A difference of 1 is the largest that matters to nobody, on average over the metrics. Errors
    count as ratios, as PSNR has them: what is easy and what is hard to restore then speak with equal voices.
    Metrics that an image is too small for are left out of its mean, and a row that lacks one which others of its
    image have gets no score; a goal whose margins are all 0 cannot be scored.
    """
    usual = {
        metric.name: float(np.mean(errors))
        for goal in goals
        for metric in goal.metrics
        if (errors := [e for row in rows if row.method != DEGRADED and (e := _error(metric, row)) < math.inf])
    }

    def in_margins(metric: Metric, row: Row) -> float:
        margin, value = criteria.margin(metric), row.scores.get(metric.name, math.nan)
        if margin == 0 or math.isnan(value):
            return math.nan
        error, mean = _error(metric, row), usual.get(metric.name, 0.0)
        if math.isnan(error) or mean == 0:  # without a best score there are no ratios
            return (value if metric.higher_is_better else -value) / margin
        # a change of the usual error counts what it is
        return -mean * math.log(max(error / mean, LEAST_RATIO)) / margin

    measured = {(row.image, name) for row in rows for name, value in row.scores.items() if not math.isnan(value)}

    def score(row: Row, goal: GoalMetrics) -> float:
        parts = [
            in_margins(metric, row)
            for metric in goal.metrics
            if (row.image, metric.name) in measured and criteria.margin(metric) > 0
        ]
        return sum(parts) / len(parts) if parts else math.nan

    return [replace(row, scores={**row.scores, **{goal.goal: score(row, goal) for goal in goals}}) for row in rows]


def _error(metric: Metric, row: Row) -> float:
    """How far a score is from the best possible one; NaN where there is no such, or no score."""
    best = metric.range[1] if metric.higher_is_better else metric.range[0]
    return abs(best - row.scores.get(metric.name, math.nan)) if math.isfinite(best) else math.nan


__all__ = ["GoalMetrics", "goals_of", "with_goal_scores"]
