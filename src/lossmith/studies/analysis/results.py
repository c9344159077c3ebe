"""What a study found, as plain values that a page draws and a JSON file holds.

A number that could not be had is nan, and so are the ends of an interval; `to_json` writes None for them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from lossmith.evaluation.results import Row
from lossmith.metrics.registry import Metric
from lossmith.studies.configuration import Configuration
from lossmith.studies.facts import Facts

NAN = math.nan


@dataclass(frozen=True)
class BenchmarkResult:
    """What one benchmark of a study gave: the input of the analysis."""

    name: str
    title: str
    baseline: str
    """What the configuration without a network is, such as "mean squared error of pixels"."""
    metrics: tuple[Metric, ...]
    """The first that rows have decides."""
    rows: tuple[Row, ...]
    """Methods are names of configurations; "NAME_low" and "NAME_high" are the ends of a metric's interval."""
    configurations: tuple[Configuration, ...]
    milliseconds_per_step: Mapping[str, float] = field(default_factory=dict)
    """By name of configuration, where measured."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why there are no scores, in a sentence, by name of configuration."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float = NAN
    low: float = NAN
    high: float = NAN

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on that side of zero; 0 where it holds zero or is not known."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class ConfigurationScore:
    """A line of a benchmark's table."""

    configuration: Configuration
    scores: Mapping[str, Estimate]
    """By metric, over items and seeds; metrics that it lacks are left out."""
    gains: Mapping[str, Estimate]
    """How much better than the baseline, by metric: positive is better in any metric; none for the baseline.

    The intervals are for one configuration at a time.
    """
    rank: float = NAN
    """In the metric that decides, 1 is best and equals share; nan without a score."""
    ties_with_best: bool = False
    """Whether it is the best, or not distinguishable from it, by intervals that hold for all at once."""
    milliseconds_per_step: float = NAN
    problem: str = ""
    """Why it has no rank, in a sentence."""

    @property
    def name(self) -> str:
        return self.configuration.name


@dataclass(frozen=True)
class HeatMapRow:
    """One network, trained or random; its layers by depth."""

    network: str
    random: bool
    layers: tuple[str, ...]
    """The columns: all layers of the network in the study, trained or random, the shallowest first."""
    cells: tuple[str, ...]
    """For each layer the configuration in `BenchmarkAnalysis.scores`, by name; empty if it is not in the study."""


@dataclass(frozen=True)
class RandomComparison:
    """What training on ImageNet brought to a network as a loss."""

    network: str
    layers: tuple[str, ...]
    """Those that were run with trained and with random weights."""
    gain: Estimate
    """How much better trained weights are than random ones, on average over the layers; positive is better.

    The intervals of all networks hold at once.
    """


@dataclass(frozen=True)
class Point:
    """A mark of a scatter plot."""

    name: str
    """Of the configuration."""
    network: str
    x: float
    """The fact."""
    y: float
    """The score in the metric that decides; for all benchmarks together, the mean rank."""


@dataclass(frozen=True)
class Convention:
    """Whether a fact of trained networks or layers foretells how good a loss is."""

    fact: str
    """A field of `Facts`."""
    label: str
    """As an axis has it, such as "ImageNet top-1 accuracy (%)"."""
    of: str
    """"configurations", or "networks", each by its best layer."""
    rho: Estimate
    """Spearman's rank correlation with quality: positive where more of the fact is better, in any metric."""
    networks: int
    points: tuple[Point, ...]
    sentence: str


@dataclass(frozen=True)
class DepthTrend:
    """Whether later layers of a network are better than its earlier ones."""

    rho: float
    """Spearman's rank correlation of depth with quality within trained networks, averaged over networks."""
    p_value: float
    """Of a permutation test: how often an order of layers that does not matter would look so, or more so."""
    networks: int
    """Those with several layers."""
    sentence: str


@dataclass(frozen=True)
class BenchmarkAnalysis:
    """All that one benchmark says."""

    name: str
    title: str
    baseline: str
    metrics: tuple[Metric, ...]
    """Those that any configuration has; the first decides."""
    items: int
    """Pictures, say, that the scores are means over, in the metric that decides; 1 for a row "all"."""
    seeds: int
    scores: tuple[ConfigurationScore, ...]
    """Every configuration, the best first, those without a score last."""
    heat_map: tuple[HeatMapRow, ...]
    """In the order of networks in the study, trained before random."""
    random_comparisons: tuple[RandomComparison, ...]
    conventions: tuple[Convention, ...]
    only_random: bool
    """Whether all networks that have a score have random weights."""
    recommendation: str
    """A sentence or two for those who train."""
    depth_trend: DepthTrend | None = None
    """None without a trained network that has several layers."""

    @property
    def metric(self) -> Metric | None:
        """The one that decides; None if there are no scores."""
        return self.metrics[0] if self.metrics else None

    def score(self, name: str) -> ConfigurationScore | None:
        """The line of a configuration by its name, such as one of a heat map's cells."""
        return next((score for score in self.scores if score.name == name), None)


@dataclass(frozen=True)
class MeanRank:
    """The ranks of a configuration, a network or a position of layers, and their mean."""

    name: str
    mean: float
    """Over benchmarks; 1 is best."""
    ranks: Mapping[str, float]
    """By benchmark."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of whether ranks differ at all."""

    statistic: float
    degrees_of_freedom: int
    p_value: float


@dataclass(frozen=True)
class RankAnalysis:
    """Ranks over benchmarks (Demšar, Journal of Machine Learning Research 7, 2006)."""

    benchmarks: tuple[str, ...]
    configurations: tuple[MeanRank, ...]
    """Those that all benchmarks have, the best first, the baseline among them."""
    networks: tuple[MeanRank, ...]
    """Trained networks, each by its best layer in each benchmark."""
    layers: tuple[MeanRank, ...]
    """Positions of layers in trained networks ("layer 1" is the shallowest), by mean ranks within networks."""
    friedman: Friedman | None
    """Of configurations; None where there is nothing to test."""
    critical_difference: float
    """Nemenyi's at 5 %: mean ranks that differ by less are not distinguishable; nan without a test."""
    cliques: tuple[tuple[str, ...], ...]
    """Configurations that are not distinguishable from each other, as bars of the diagram; the longest only."""
    note: str
    """What was tested and found, or why nothing was, in a sentence."""


@dataclass(frozen=True)
class Correlation:
    """How far two benchmarks agree about trained configurations."""

    first: str
    second: str
    rho: Estimate
    """Spearman's rank correlation of quality; its interval resamples networks, since their layers are alike."""
    configurations: int
    """That both have."""
    networks: int
    """Of these."""


@dataclass(frozen=True)
class StudyAnalysis:
    """All that a study says."""

    benchmarks: tuple[BenchmarkAnalysis, ...]
    ranks: RankAnalysis
    correlations: tuple[Correlation, ...]
    """Every pair of benchmarks once."""
    facts: Mapping[str, Facts]
    """By name of configuration; the baseline has none."""
    conventions: tuple[Convention, ...]
    """Over benchmarks: facts against mean ranks of the configurations that all benchmarks have."""
    only_random: bool
    """Whether no network had trained weights: then nothing here is said of loss networks as they are used."""
    summary: tuple[str, ...]
    """The findings over benchmarks, a sentence each."""
    depth_trend: DepthTrend | None = None
    """By mean ranks of the configurations that all benchmarks have."""


def to_json(value: Any) -> Any:
    """Any of the values above as what JSON has: objects, lists, text and numbers, None for nan and infinity.

    A configuration is its name.

    >>> to_json(Estimate(1.5)), to_json((Configuration("vgg11", "relu1_1"),))
    ({'value': 1.5, 'low': None, 'high': None}, ['vgg11:relu1_1'])
    """
    if isinstance(value, Configuration):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


__all__ = [
    "BenchmarkAnalysis",
    "BenchmarkResult",
    "ConfigurationScore",
    "Convention",
    "Correlation",
    "DepthTrend",
    "Estimate",
    "Facts",
    "Friedman",
    "HeatMapRow",
    "MeanRank",
    "Point",
    "RandomComparison",
    "RankAnalysis",
    "StudyAnalysis",
    "to_json",
]
