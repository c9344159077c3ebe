"""The heat map of a benchmark: networks by layers, in the color of how they compare with the baseline."""

import math
from dataclasses import dataclass

from lossmith.metrics.registry import Metric
from lossmith.report.formatting import interval, number, significant
from lossmith.studies.analysis.results import BenchmarkAnalysis, ConfigurationScore, Estimate
from lossmith.studies.configuration import Configuration

BASELINE = Configuration().name
STRONGEST = 50
"""Percent of the color in a cell, low enough that its text stays legible."""
SIGNS = {1: "better", 0: "", -1: "worse"}


@dataclass(frozen=True)
class Cell:
    """The score of one configuration in one metric."""

    name: str
    layer: str
    text: str = ""
    """The score; empty where there is none."""
    interval: str = ""
    side: str = ""
    """"better" or "worse" than the baseline; empty if it is neither, or not known."""
    share: int = 0
    """Percent of the color of that side."""
    sure: bool = False
    """Whether it is distinguishable from the baseline."""
    gain: str = ""
    """How much better than the baseline, with its sign."""
    mark: str = ""
    """"best", "tied" or nothing."""
    milliseconds: str = ""
    """Of a step, where measured."""
    cost: float = 0.0
    """The same as a part of that of the dearest, 0 to 1."""
    problem: str = ""


@dataclass(frozen=True)
class Line:
    """One network; None in the place of a layer that is not in the study."""

    network: str
    random: bool
    cells: list[Cell | None]


@dataclass(frozen=True)
class HeatMap:
    """All configurations in one metric."""

    metric: Metric
    baseline: Cell | None
    lines: list[Line]
    columns: int
    dearest: str
    """Milliseconds of the longest bar; empty where no time was measured."""

    @property
    def groups(self) -> list[tuple[str, list[Line]]]:
        """The lines of trained and those of random weights, each with its title."""
        titles = ((False, "Trained weights"), (True, "Random weights"))
        groups = [(title, [line for line in self.lines if line.random is random]) for random, title in titles]
        return [(title, lines) for title, lines in groups if lines]


def heat_maps(benchmark: BenchmarkAnalysis) -> list[HeatMap]:
    """One for each metric, the deciding one first."""
    return [heat_map(benchmark, metric) for metric in benchmark.metrics]


def heat_map(benchmark: BenchmarkAnalysis, metric: Metric) -> HeatMap:
    """The heat map in one metric; its deepest color is that of the largest difference from the baseline."""
    times = [score.milliseconds_per_step for score in benchmark.scores]
    dearest = max((time for time in times if math.isfinite(time)), default=math.nan)
    gains = [abs(score.gains[metric.name].value) for score in benchmark.scores if metric.name in score.gains]
    largest = max((gain for gain in gains if math.isfinite(gain)), default=0.0)
    best = _best(benchmark, metric)
    cells = {
        score.name: _cell(score, metric, largest, dearest, _mark(score, metric, best, metric == benchmark.metric))
        for score in benchmark.scores
    }
    return HeatMap(
        metric=metric,
        baseline=cells.get(BASELINE),
        lines=[
            Line(row.network, row.random, [cells.get(name) for name in row.cells]) for row in benchmark.heat_map
        ],
        columns=max((len(row.layers) for row in benchmark.heat_map), default=0),
        dearest=significant(dearest) if math.isfinite(dearest) else "",
    )


def share(value: float, largest: float) -> int:
    """Percent of color; its root, so that one very bad layer does not leave all others pale.

    >>> [share(value, 4.0) for value in (0.0, 1.0, -4.0)]
    [0, 25, 50]
    """
    return round(STRONGEST * math.sqrt(min(1.0, abs(value) / largest))) if largest > 0 and value else 0


def _cell(score: ConfigurationScore, metric: Metric, largest: float, dearest: float, mark: str) -> Cell:
    estimate = score.scores.get(metric.name, Estimate())
    gain = score.gains.get(metric.name, Estimate())
    time = score.milliseconds_per_step
    if math.isnan(estimate.value):
        return Cell(score.name, score.configuration.layer, problem=score.problem or "not measured")
    known = math.isfinite(gain.value)
    return Cell(
        name=score.name,
        layer=score.configuration.layer,
        text=number(estimate.value, metric.digits),
        interval=interval(estimate.low, estimate.high, metric.digits),
        side=SIGNS[int(gain.value > 0) - int(gain.value < 0)] if known else "",
        share=share(gain.value, largest) if known else 0,
        sure=gain.sign != 0,
        gain=number(gain.value, metric.digits, signed=True) if known else "",
        mark=mark,
        milliseconds=significant(time) if math.isfinite(time) else "",
        cost=time / dearest if math.isfinite(time) and dearest > 0 else 0.0,
    )


def _best(benchmark: BenchmarkAnalysis, metric: Metric) -> float:
    values = [score.scores[metric.name].value for score in benchmark.scores if metric.name in score.scores]
    measured = [value for value in values if not math.isnan(value)]
    return (max if metric.higher_is_better else min)(measured, default=math.nan)


def _mark(score: ConfigurationScore, metric: Metric, best: float, deciding: bool) -> str:
    """What ties with the best is known in the metric that decides alone."""
    if score.scores.get(metric.name, Estimate()).value == best:
        return "best"
    return "tied" if deciding and score.ties_with_best else ""


__all__ = ["BASELINE", "Cell", "HeatMap", "Line", "heat_map", "heat_maps", "share"]
