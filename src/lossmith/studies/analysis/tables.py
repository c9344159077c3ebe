"""The table of a benchmark: scores of all configurations with intervals, paired differences, ranks and ties.

Intervals are 95 % for one comparison at a time. What is claimed of the best of many configurations is not: chance
alone makes one of fifty look better than it is. There the intervals hold for all comparisons at once (Bonferroni).
With one seed they are a bootstrap over items, with several see `seed_noise`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy import stats

from lossmith.evaluation.results import Row
from lossmith.evaluation.statistics.bootstrap import interval, resampled_means
from lossmith.evaluation.statistics.intervals import CONFIDENCE, Array
from lossmith.evaluation.statistics.score_table import NothingToCompareError, ScoreTable, score_table
from lossmith.metrics.registry import Metric
from lossmith.studies.analysis.results import BenchmarkResult, ConfigurationScore, Estimate
from lossmith.studies.analysis.seed_noise import seeds_interval
from lossmith.studies.configuration import Configuration

BASELINE = Configuration().name
LOW, HIGH = "_low", "_high"
ROUNDING = 1e-12
MAX_RESAMPLES, MIN_RESAMPLES, MAX_DRAWS = 10_000, 1000, 20_000_000
"""As many resamples as fit into a hundred megabytes or two, for tens of thousands of items too."""


@dataclass(frozen=True)
class MetricTable:
    """The configurations that can be compared in one metric, and their resampled means."""

    metric: Metric
    table: ScoreTable
    means: Array
    """(configurations, resamples), paired."""
    given: Mapping[str, tuple[Array, Array]]
    """The ends of intervals that came with the scores, (seeds, items), by configuration."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.table.methods

    def ranks(self) -> dict[str, float]:
        """1 is best; equals share."""
        ranks = stats.rankdata(-self._sign * self.table.values.mean((1, 2)))
        return dict(zip(self.names, ranks.tolist(), strict=True))

    def ranked(self, names: Sequence[str]) -> list[str]:
        """Some configurations, the best first, equals as they came."""
        return sorted(names, key=self.ranks().__getitem__)

    def known_to_beat(self, other: str, names: Sequence[str], comparisons: int) -> list[str]:
        """Those of some that are distinguishable from a worse one, best first; none if it has no score.

        The best need not be one of them, if it varies more.
        """
        return [
            name for name in self.ranked(names) if other in self.names and self.is_worse(other, name, comparisons)
        ]

    def score(self, name: str) -> Estimate:
        """The mean over items and seeds, with the interval that came with it, or else our own."""
        index = self.names.index(name)
        values = self.table.values[index]
        given = self.given.get(name)
        ends = self._interval([index], [], CONFIDENCE) if given is None else _with_seeds(values, *given)
        return Estimate(float(values.mean()), *ends)

    def gain(self, names: Sequence[str], others: Sequence[str], comparisons: int = 1) -> Estimate:
        """How much better configurations are than others on average, paired over items and seeds.

        The interval holds for so many comparisons at once; it is nan for one item and one seed. The items of
        scores that came with intervals are not known, so that nothing is paired: it reaches from the low ends of
        one side to the high ends of the other, as if both erred in opposite directions, and excludes zero where
        the intervals do not overlap, which is the stricter rule.
        """
        ours, theirs = ([self.names.index(name) for name in side] for side in (names, others))
        value = float(self._sign * self._difference(ours, theirs).mean())
        if not self.given.keys().isdisjoint([*names, *others]):
            scores = [[self.score(name) for name in side] for side in (names, others)]
            (low, high), (other_low, other_high) = (
                (fmean(score.low for score in side), fmean(score.high for score in side)) for side in scores
            )
            ends = sorted([self._sign * (low - other_high), self._sign * (high - other_low)])
            return Estimate(value, *ends)
        ends = sorted(self._sign * end for end in self._interval(ours, theirs, 1 - (1 - CONFIDENCE) / comparisons))
        return Estimate(value, *ends)

    def is_worse(self, name: str, other: str, comparisons: int) -> bool:
        """Whether a configuration is distinguishable from a better one, as one of so many comparisons."""
        return self.gain([name], [other], comparisons).sign < 0

    def ties(self, names: Sequence[str], first: str = "") -> tuple[str, ...]:
        """The first, by default the best, and those that are not distinguishable from it, best first."""
        best, *others = self.ranked(names)
        if first in others:
            best, others = first, [name for name in (best, *others) if name != first]
        count = len(others)
        return (
            best,
            *(n for n in others if not (self.is_worse(n, best, count) or self.is_worse(best, n, count))),
        )

    def _difference(self, ours: Sequence[int], theirs: Sequence[int]) -> Array:
        """The mean of some configurations, less that of others, (seeds, items)."""
        difference: Array = np.tensordot(self._weights(ours, theirs), self.table.values, 1)
        equal = np.abs(difference).max() <= ROUNDING * np.abs(self.table.values).max()
        return 0 * difference if equal else difference  # but for their sums

    def _interval(self, ours: Sequence[int], theirs: Sequence[int], confidence: float) -> tuple[float, float]:
        """That of the mean difference; nan for one item that no seed changes: nothing was sampled."""
        difference = self._difference(ours, theirs)
        if difference.shape[1] == 1 and np.ptp(difference) == 0:
            return math.nan, math.nan
        if not difference.any():
            return 0.0, 0.0
        weights = self._weights(ours, theirs)
        if min(self.table.values.shape[:2]) > 1:
            return seeds_interval(self.table.values, weights, confidence)
        return interval(difference, weights @ self.means, confidence)

    def _weights(self, ours: Sequence[int], theirs: Sequence[int]) -> Array:
        weights = np.zeros(len(self.names))
        for side, sign in ((ours, 1), (theirs, -1)):
            weights[[*side]] = sign / max(1, len(side))
        return weights

    @property
    def _sign(self) -> int:
        return 1 if self.metric.higher_is_better else -1


def metric_tables(result: BenchmarkResult) -> list[MetricTable]:
    """A table for every metric that any configuration has; the first decides.

    Seeds that fewer than half of the configurations have are left out, so that a study to which seeds are being
    added says what it said before. A configuration that lacks a seed or an item that others have is left out.

    Raises LossmithError when a row occurs twice.
    """
    names = [configuration.name for configuration in result.configurations]
    tables = []
    for metric in result.metrics:
        rows = [row for row in result.rows if row.method in names and _is_number(row.scores.get(metric.name))]
        seeds = _common_seeds(rows)
        rows = [row for row in rows if row.seed in seeds]
        try:
            table = score_table(rows, metric, names).of_whole_methods()
        except NothingToCompareError:
            continue
        items = len(table.images)
        resamples = max(MIN_RESAMPLES, min(MAX_RESAMPLES, MAX_DRAWS // items))
        means = resampled_means(table.values, resamples, seed=0)
        tables.append(MetricTable(metric, table, means, _given_intervals(rows, table, metric)))
    return tables


def configuration_scores(result: BenchmarkResult, tables: Sequence[MetricTable]) -> list[ConfigurationScore]:
    """A line for every configuration: the best first, those without a score in the deciding metric last."""
    ranks = tables[0].ranks() if tables else {}
    ties = tables[0].ties(tables[0].names) if tables else ()
    lines = [
        ConfigurationScore(
            configuration=configuration,
            scores={table.metric.name: table.score(name) for table in tables if name in table.names},
            gains={
                table.metric.name: table.gain([name], [BASELINE])
                for table in tables
                if name != BASELINE and {name, BASELINE} <= set(table.names)
            },
            rank=ranks.get(name, math.nan),
            ties_with_best=name in ties,
            milliseconds_per_step=result.milliseconds_per_step.get(name, math.nan),
            problem="" if name in ranks else _problem(result, name, tables),
        )
        for configuration in result.configurations
        for name in [configuration.name]
    ]
    return sorted(lines, key=lambda line: (math.isnan(line.rank), line.rank))


def _problem(result: BenchmarkResult, name: str, tables: Sequence[MetricTable]) -> str:
    if name in result.failures:
        return result.failures[name]
    rows = [row for row in result.rows if row.method == name]
    if not rows:
        return "It has not been run."
    if not tables:
        return "It has no score for any item."
    table = tables[0].table
    if missing := set(table.seeds) - {row.seed for row in rows}:
        return f"It lacks seed {min(missing)}, which others have."
    return f"It has no {tables[0].metric.label} for an item that others have, so its mean cannot be compared."


def _common_seeds(rows: Sequence[Row]) -> set[int]:
    runs = {(row.method, row.seed) for row in rows}
    methods = {method for method, _ in runs}
    return {seed for seed in {seed for _, seed in runs} if 2 * sum(run[1] == seed for run in runs) >= len(methods)}


def _given_intervals(rows: Sequence[Row], table: ScoreTable, metric: Metric) -> dict[str, tuple[Array, Array]]:
    """The ends of intervals, (seeds, items), of the configurations whose rows all have them."""
    by_place = {(row.method, row.seed, row.image): row.scores for row in rows}
    places = [(seed, item) for seed in table.seeds for item in table.images]
    given = {}
    for name in table.methods:
        scores = [by_place.get((name, *place), {}) for place in places]
        low, high = (np.array([score.get(metric.name + end, np.nan) for score in scores]) for end in (LOW, HIGH))
        if np.isfinite([low, high]).all():
            shape = len(table.seeds), len(table.images)
            given[name] = low.reshape(shape), high.reshape(shape)
    return given


def _with_seeds(values: Array, low: Array, high: Array) -> tuple[float, float]:
    """The mean interval of (seeds, items), widened by what varies with the seed."""
    mean, over_items = values.mean(), values.mean(1, keepdims=True)
    varies = len(values) > 1 and np.ptp(over_items) > 0
    seeds = interval(over_items, resampled_means(over_items[None], MIN_RESAMPLES, seed=0)[0]) if varies else ()
    seed_low, seed_high = (end - mean for end in seeds or (mean, mean))
    return float(mean - math.hypot(low.mean() - mean, seed_low)), float(
        mean + math.hypot(high.mean() - mean, seed_high)
    )


def _is_number(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


__all__ = ["BASELINE", "MetricTable", "configuration_scores", "metric_tables"]
