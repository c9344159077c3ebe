"""The findings of a study as its page shows them: facts against scores, trained against random weights."""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lossmith.report.formatting import MISSING, interval, number, significant
from lossmith.report.methods import Method, look
from lossmith.report.scatter import LARGE, SMALL, Point, Scatter, brief_number, scatter
from lossmith.studies.analysis.results import BenchmarkAnalysis, Convention, Estimate, Facts, StudyAnalysis
from lossmith.studies.configuration import Configuration

RATIOS = ("parameters", "parameters_to_layer", "multiply_adds", "milliseconds", "milliseconds_per_step")
"""Facts that are shown on a logarithmic axis."""
CONVENTIONS = ("imagenet_accuracy", "relative_depth")
"""The facts that the two conventions of transfer learning go by."""
OF_NETWORKS = ("imagenet_accuracy", "parameters")
"""Facts of which a network has one for all its layers, so that networks are judged, each by its best layer."""
OF = {"configurations": "all layers", "networks": "best layer of each network"}
Looks = Mapping[str, Method]
"""The color and the mark of each network."""


@dataclass(frozen=True)
class Plot:
    """The scores in one benchmark, or the ranks over all, against a fact."""

    title: str
    metric: str
    """What goes up."""
    drawing: Scatter | None
    correlations: list[tuple[str, str]]
    """What they are over, and Spearman's rho with its interval."""


@dataclass(frozen=True)
class FactView:
    """One fact against all scores."""

    label: str
    axis: str
    plots: list[Plot]
    sentence: str
    columns: int
    """Plots in a row of a wide screen."""


@dataclass(frozen=True)
class GainLine:
    """What trained weights brought to one network; places are percent of the width of the drawing."""

    network: str
    layers: int
    text: str
    interval: str
    sign: int
    """As in `Estimate`."""
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class FactsLine:
    """What is known of one configuration, as text and as the numbers that columns are sorted by."""

    configuration: Configuration
    cells: list[tuple[str, str]]


def looks_of(analysis: StudyAnalysis) -> dict[str, Method]:
    """All networks of the study, in its order."""
    networks = dict.fromkeys(row.network for benchmark in analysis.benchmarks for row in benchmark.heat_map)
    return {name: Method(name, name, *look(index), "loss") for index, name in enumerate(networks)}


def configurations_of(benchmark: BenchmarkAnalysis) -> list[Configuration]:
    """All but the baseline, network by network, the shallowest layer first."""
    scores = (benchmark.score(name) for row in benchmark.heat_map for name in row.cells if name)
    return [score.configuration for score in scores if score is not None]


def estimate(value: Estimate, digits: int, *, signed: bool = False) -> str:
    """A number with its interval.

    >>> estimate(Estimate(0.25, -0.1, 0.6), 2), estimate(Estimate(0.25), 1, signed=True)
    ('0.25 (−0.10 to 0.60)', '+0.2')
    """
    ends = interval(value.low, value.high, digits)
    return number(value.value, digits, signed=signed) + (f" ({ends})" if ends else "")


def fact_views(analysis: StudyAnalysis, looks: Looks) -> list[FactView]:
    """One for each fact, those of the two conventions first; sentences are over all benchmarks."""
    random = {score.name for b in analysis.benchmarks for score in b.scores if score.configuration.random}
    over_all = ("All benchmarks", "mean rank", False, analysis.conventions)
    of_each = [
        (b.title, b.metric.label, b.metric.higher_is_better, b.conventions)
        for b in analysis.benchmarks
        if b.metric is not None
    ]
    sources = [over_all, *of_each] if len(of_each) > 1 else of_each
    labels = {convention.fact: convention.label for *_, conventions in sources for convention in conventions}
    columns = 4 if len(sources) == 4 else 3
    width = SMALL if columns == 4 else LARGE
    views = []
    for fact in sorted(labels, key=lambda fact: fact not in CONVENTIONS):
        plots = [
            _plot([c for c in conventions if c.fact == fact], title, metric, higher, looks, random, width)
            for title, metric, higher, conventions in sources
        ]
        of = "networks" if fact in OF_NETWORKS else "configurations"
        sentences = [c.sentence for c in sources[0][-1] if (c.fact, c.of) == (fact, of)]
        label = labels[fact]
        drawn = [plot for plot in plots if plot.drawing is not None]
        views.append(FactView(label[:1].upper() + label[1:], label, drawn, " ".join(sentences), columns))
    return views


def gain_lines(benchmark: BenchmarkAnalysis) -> list[GainLine]:
    """The networks that were run with trained and with random weights, zero in the middle."""
    comparisons, metric = benchmark.random_comparisons, benchmark.metric
    ends = [end for c in comparisons for end in (c.gain.value, c.gain.low, c.gain.high) if math.isfinite(end)]
    span = max(map(abs, ends), default=0.0) or 1.0

    def place(value: float, otherwise: float) -> float:
        return round(50 + 46 * (value if math.isfinite(value) else otherwise) / span, 2)

    return [
        GainLine(
            network=c.network,
            layers=len(c.layers),
            text=number(c.gain.value, metric.digits, signed=True),
            interval=interval(c.gain.low, c.gain.high, metric.digits),
            sign=c.gain.sign,
            low=place(c.gain.low, c.gain.value),
            value=place(c.gain.value, 0.0),
            high=place(c.gain.high, c.gain.value),
        )
        for c in comparisons
        if metric is not None and math.isfinite(c.gain.value)
    ]


FACT_COLUMNS = (
    ("Top-1", "% on ImageNet"),
    ("Parameters", "of the network"),
    ("Parameters", "to the layer"),
    ("Multiply-adds", "to the layer, 224 × 224"),
    ("Depth", "convolutions"),
    ("Loss", "ms, 8 × 96 × 96"),
    ("Least side", "pixels"),
)
"""Titles and what they are of."""


def facts_lines(analysis: StudyAnalysis) -> list[FactsLine]:
    """Every configuration of any benchmark, with its facts and its scores."""
    configurations = dict.fromkeys(c for benchmark in analysis.benchmarks for c in configurations_of(benchmark))
    return [
        FactsLine(c, [*_facts(analysis.facts.get(c.name, Facts())), *_scores(analysis.benchmarks, c.name)])
        for c in configurations
    ]


def _facts(facts: Facts) -> list[tuple[str, str]]:
    brief = (facts.parameters, facts.parameters_to_layer, facts.multiply_adds, facts.depth, facts.milliseconds)
    accuracy = (number(facts.imagenet_accuracy, 1), _key(facts.imagenet_accuracy))
    side = (number(facts.min_side, 0), _key(facts.min_side))
    return [accuracy, *((brief_number(value), _key(value)) for value in brief), side]


def _scores(benchmarks: Iterable[BenchmarkAnalysis], name: str) -> list[tuple[str, str]]:
    cells = []
    for benchmark in benchmarks:
        score, metric = benchmark.score(name), benchmark.metric
        value = math.nan
        if score is not None and metric is not None and metric.name in score.scores:
            value = score.scores[metric.name].value
        cells.append((MISSING if metric is None else number(value, metric.digits), _key(value)))
    return cells


def _key(value: float) -> str:
    """What a column is sorted by; empty where nothing is known."""
    return repr(float(value)) if math.isfinite(value) else ""


def _plot(
    conventions: Sequence[Convention],
    title: str,
    metric: str,
    higher: bool,
    looks: Looks,
    random: Container[str],
    width: int,
) -> Plot:
    most = max(conventions, key=lambda convention: len(convention.points))
    points = [
        Point(
            x=point.x,
            y=point.y,
            title=f"{point.name}: {most.label} {brief_number(point.x)}, {metric} {significant(point.y, 4)}",
            network=point.network,
            look=looks[point.network].style,
            shape=looks[point.network].shape,
            random=point.name in random,
        )
        for point in most.points
    ]
    correlations = [
        (OF.get(convention.of, convention.of), estimate(convention.rho, 2))
        for convention in conventions
        if not math.isnan(convention.rho.value)
    ]
    return Plot(title, metric, scatter(points, higher, most.fact in RATIOS, width), correlations)


__all__ = [
    "FACT_COLUMNS",
    "FactView",
    "FactsLine",
    "GainLine",
    "Looks",
    "Plot",
    "configurations_of",
    "estimate",
    "fact_views",
    "facts_lines",
    "gain_lines",
    "looks_of",
]
