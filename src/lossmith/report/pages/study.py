"""The page of a study: which network and which layer make the best loss, on each benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lossmith.report.formatting import number, significant, typeset
from lossmith.report.heat_map import BASELINE, heat_maps, share
from lossmith.report.methods import Method
from lossmith.report.rank_diagram import RankDiagram, rank_diagram
from lossmith.report.study_findings import (
    FACT_COLUMNS,
    Looks,
    configurations_of,
    estimate,
    fact_views,
    facts_lines,
    gain_lines,
    looks_of,
)
from lossmith.report.study_pictures import Images, picture_sets
from lossmith.report.templates import write_page
from lossmith.report.verdict_markup import TextSpan, verdict_lines
from lossmith.studies.analysis.results import BenchmarkAnalysis, Correlation, RankAnalysis, StudyAnalysis
from lossmith.studies.configuration import Configuration

STYLES = ("theme", "base", "tables", "study", "print")
SCRIPTS = ("tables", "copy", "study")


@dataclass(frozen=True)
class StudyContents:
    """The content of the page."""

    analysis: StudyAnalysis
    scale: str
    """How much work each configuration was, such as "small"."""
    seeds: Sequence[int]
    data: Mapping[str, str]
    """By name of benchmark, what its data is, such as "Set5, 5 pictures"."""
    command: str
    environment: Mapping[str, str]
    """Versions, hardware: label and value."""
    pictures: Mapping[str, Mapping[str, Images]] = field(default_factory=dict)
    """By benchmark and item, what each configuration made of it, by its name, (H, W) or (H, W, 3) of 8 bits.

    Other names, such as "original", "input" and "baseline", are shown beside.
    """
    picture_notes: Mapping[str, str] = field(default_factory=dict)
    """By benchmark, what its pictures show, in a sentence."""
    missing_weights: Mapping[str, str] = field(default_factory=dict)
    """By network, where its weights are to be put, in a sentence."""
    notes: Sequence[str] = ()
    """Remarks, a sentence each."""
    files: Mapping[str, str] = field(
        default_factory=lambda: {"results.csv": "all scores", "results.json": "all findings"}
    )
    """Files beside the page by their relative path, and what they hold."""


@dataclass(frozen=True)
class Card:
    """What a practitioner should take for one benchmark."""

    benchmark: BenchmarkAnalysis
    headline: list[TextSpan]
    elsewhere: list[TextSpan]
    facts: dict[str, str]
    """What the recommended configuration costs."""


def write_study(path: Path, contents: StudyContents) -> None:
    """Write the page as a self-contained HTML file that needs no network; all values are escaped.

    Raises LossmithError when the file cannot be written.
    """
    analysis = contents.analysis
    looks = looks_of(analysis)
    order = {benchmark.name: configurations_of(benchmark) for benchmark in analysis.benchmarks}
    configurations = list(dict.fromkeys(c for names in order.values() for c in names))
    write_page(
        path,
        "study.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        analysis=analysis,
        looks=looks,
        configurations={c.name: c for c in configurations},
        layers=len({(c.network, c.layer) for c in configurations}),
        with_random=any(c.random for c in configurations),
        cards=[card(benchmark, analysis, looks) for benchmark in analysis.benchmarks],
        maps={benchmark.name: heat_maps(benchmark) for benchmark in analysis.benchmarks},
        pictures=picture_sets(contents.pictures, order),
        scores={benchmark.name: _score_texts(benchmark) for benchmark in analysis.benchmarks},
        diagram=diagram(analysis.ranks),
        correlations=correlation_matrix(analysis),
        views=fact_views(analysis, looks),
        gains={benchmark.name: gain_lines(benchmark) for benchmark in analysis.benchmarks},
        fact_columns=FACT_COLUMNS,
        facts=facts_lines(analysis),
        number=number,
        estimate=estimate,
        share=share,
        typeset=typeset,
    )


def card(benchmark: BenchmarkAnalysis, analysis: StudyAnalysis, looks: Looks) -> Card:
    """The recommendation, and the cost of the configuration that it names first."""
    methods = [_method(score.configuration, looks) for score in benchmark.scores if score.configuration.network]
    headline, elsewhere = verdict_lines(typeset(benchmark.recommendation), methods)
    named = [span.method.name for span in headline if span.method is not None]
    score = benchmark.score(named[0]) if named else None
    if score is None:
        return Card(benchmark, headline, elsewhere, {})
    facts = {}
    if (metric := benchmark.metric) is not None and metric.name in score.scores:
        facts[metric.label] = f"{estimate(score.scores[metric.name], metric.digits)} {metric.unit}".strip()
    if (time := score.milliseconds_per_step) > 0:
        facts["Time per step"] = f"{significant(time)} ms{_times(time, benchmark)}"
    return Card(benchmark, headline, elsewhere, facts)


def diagram(ranks: RankAnalysis) -> RankDiagram | None:
    """The critical-difference diagram; None where there are not two benchmarks and two configurations."""
    means = {rank.name: rank.mean for rank in ranks.configurations}
    if len(means) < 2 or len(ranks.benchmarks) < 2:
        return None
    return rank_diagram(means, ranks.cliques, ranks.critical_difference)


def correlation_matrix(analysis: StudyAnalysis) -> dict[tuple[str, str], Correlation]:
    """Both orders of every pair."""
    pairs = {(c.first, c.second): c for c in analysis.correlations}
    return pairs | {(second, first): c for (first, second), c in pairs.items()}


def _times(milliseconds: float, benchmark: BenchmarkAnalysis) -> str:
    """How many times the baseline's step this is, where that was measured."""
    baseline = benchmark.score(BASELINE)
    if baseline is None or not baseline.milliseconds_per_step > 0:
        return ""
    return f", {number(milliseconds / baseline.milliseconds_per_step, 1)} times that of the baseline"


def _method(configuration: Configuration, looks: Looks) -> Method:
    look = looks[configuration.network or ""]
    return Method(configuration.name, configuration.name, look.style, look.shape, "loss")


def _score_texts(benchmark: BenchmarkAnalysis) -> dict[str, str]:
    """The score of each configuration in the metric that decides, with its unit."""
    if (metric := benchmark.metric) is None:
        return {}
    return {
        score.name: f"{number(score.scores[metric.name].value, metric.digits)} {metric.unit}".strip()
        for score in benchmark.scores
        if metric.name in score.scores
    }


__all__ = ["StudyContents", "write_study"]
