"""Mean ranks over benchmarks, Friedman's test and the critical difference.

Source: J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, Journal of Machine Learning
Research 7, 2006, section 3.2.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lossmith.studies.analysis.results import Friedman, MeanRank, RankAnalysis
from lossmith.studies.analysis.words import counted
from lossmith.studies.configuration import Configuration

FEWEST_BENCHMARKS = FEWEST_CONFIGURATIONS = 3
"""Below, Friedman's test says nothing."""
SIGNIFICANCE = 0.05

Ranks = Mapping[str, Mapping[str, float]]
"""By benchmark, the rank of every configuration that has a score."""


def rank_analysis(
    ranks: Ranks, configurations: Sequence[Configuration], layers: Mapping[str, Sequence[str]]
) -> RankAnalysis:
    """Mean ranks of the configurations that all benchmarks have, and whether they differ.

    Parameters
    ----------
    ranks
        See `Ranks`; benchmarks without any score are left out before.
    configurations
        All of the study.
    layers
        The layers of every network by depth.
    """
    common = common_configurations(ranks, configurations)
    means = mean_ranks(
        {benchmark: {c.name: scores[c.name] for c in common} for benchmark, scores in ranks.items()}
    )
    trained = [c for c in common if c.network is not None and not c.random]
    test, difference = None, math.nan
    cliques: tuple[tuple[str, ...], ...] = ()
    if len(ranks) >= FEWEST_BENCHMARKS and len(common) >= FEWEST_CONFIGURATIONS:
        test = friedman(np.array([[mean.ranks[benchmark] for mean in means] for benchmark in ranks]))
        difference = critical_difference(len(means), len(ranks))
        # without a significant difference there is nothing to look for between pairs
        differs = test.p_value < SIGNIFICANCE
        cliques = find_cliques(means, difference if differs else math.inf)
    return RankAnalysis(
        benchmarks=tuple(ranks),
        configurations=means,
        networks=mean_ranks({benchmark: _best_by_network(of, trained) for benchmark, of in ranks.items()}),
        layers=_by_position(ranks, trained, layers),
        friedman=test,
        critical_difference=difference,
        cliques=cliques,
        note=_note(len(ranks), len(common), test, difference),
    )


def common_configurations(ranks: Ranks, configurations: Sequence[Configuration]) -> list[Configuration]:
    """Those that all benchmarks have a rank for."""
    return [c for c in configurations if ranks and all(c.name in scores for scores in ranks.values())]


def mean_ranks(values: Mapping[str, Mapping[str, float]]) -> tuple[MeanRank, ...]:
    """Mean ranks over benchmarks, best first, from values by benchmark and name, the smallest best.

    >>> [(mean.name, mean.mean) for mean in mean_ranks({"sr": {"a": 7, "b": 2}, "iqa": {"a": 1, "b": 1}})]
    [('b', 1.25), ('a', 1.75)]
    """
    ranks = {
        benchmark: dict(zip(of, stats.rankdata([*of.values()]).tolist(), strict=True))
        for benchmark, of in values.items()
    }
    names = dict.fromkeys(name for of in ranks.values() for name in of)
    by_name = {name: {benchmark: of[name] for benchmark, of in ranks.items()} for name in names}
    means = (MeanRank(name, float(np.mean([*of.values()])), of) for name, of in by_name.items())
    return tuple(sorted(means, key=lambda mean: mean.mean))


def friedman(ranks: NDArray[np.float64]) -> Friedman:
    """Friedman's test of (benchmarks, configurations), at least 3 of each; without a difference where all tie."""
    freedom = ranks.shape[1] - 1
    if np.ptp(ranks, axis=1).max() == 0:
        return Friedman(0.0, freedom, 1.0)
    statistic, p_value = stats.friedmanchisquare(*ranks.T)
    return Friedman(float(statistic), freedom, float(p_value))


def critical_difference(configurations: int, benchmarks: int, significance: float = SIGNIFICANCE) -> float:
    """Nemenyi's: mean ranks that differ by less are not distinguishable.

    The studentized range with infinitely many degrees of freedom, over the square root of 2, times the standard
    error of a difference of mean ranks.

    >>> round(critical_difference(4, 14), 2)  # the example of Demšar, section 3.2.4
    1.25
    """
    quantile = stats.studentized_range.ppf(1 - significance, configurations, math.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(configurations * (configurations + 1) / (6 * benchmarks)))


def find_cliques(means: Sequence[MeanRank], difference: float) -> tuple[tuple[str, ...], ...]:
    """The longest runs of two or more, in the order of mean ranks, whose ends are closer than `difference`.

    >>> some = [MeanRank(name, mean, {}) for name, mean in zip("abcd", (1.0, 1.8, 2.4, 4.8))]
    >>> find_cliques(some, 1.0)
    (('a', 'b'), ('b', 'c'))
    """
    cliques: list[tuple[str, ...]] = []
    reached = 0
    for start, first in enumerate(means):
        end = start + sum(mean.mean - first.mean < difference for mean in means[start:])
        if end > reached and end - start > 1:
            cliques.append(tuple(mean.name for mean in means[start:end]))
            reached = end
    return tuple(cliques)


def _best_by_network(ranks: Mapping[str, float], trained: Sequence[Configuration]) -> dict[str, float]:
    best: dict[str, float] = {}
    for configuration in trained:
        network = str(configuration.network)
        best[network] = min(best.get(network, math.inf), ranks[configuration.name])
    return best


def _by_position(
    ranks: Ranks, trained: Sequence[Configuration], layers: Mapping[str, Sequence[str]]
) -> tuple[MeanRank, ...]:
    """Mean ranks of the first, second, ... layer within networks, of those networks that have the most layers.

    Networks with fewer layers have other positions, and their ranks within end at a smaller number.
    """
    names = {configuration.name for configuration in trained}
    of_network = {
        network: [name for layer in columns if (name := Configuration(network, layer).name) in names]
        for network, columns in layers.items()
    }
    most = max(map(len, of_network.values()), default=0)
    networks = [columns for columns in of_network.values() if len(columns) == most]
    if most < 2:
        return ()
    by_benchmark = {
        benchmark: np.mean([stats.rankdata([of[name] for name in columns]) for columns in networks], axis=0)
        for benchmark, of in ranks.items()
    }
    means = (
        MeanRank(
            f"layer {position + 1}",
            float(np.mean([within[position] for within in by_benchmark.values()])),
            {benchmark: float(within[position]) for benchmark, within in by_benchmark.items()},
        )
        for position in range(most)
    )
    return tuple(means)


def _note(benchmarks: int, configurations: int, test: Friedman | None, difference: float) -> str:
    if test is None:
        have = f"{counted(benchmarks, 'benchmark')} {'has' if benchmarks == 1 else 'have'} scores"
        have += f" and {counted(configurations, 'configuration')} {'is' if configurations == 1 else 'are'} in all"
        return f"Ranks are not tested: {have}, and Friedman's test takes three of each."
    found = f"Friedman's chi-squared {test.statistic:.1f}, p = {test.p_value:.2g}"
    if test.p_value >= SIGNIFICANCE:
        return (
            f"Over {benchmarks} benchmarks the {configurations} configurations are not known to differ ({found})."
        )
    return (
        f"Over {benchmarks} benchmarks the {configurations} configurations differ ({found}); mean ranks that are "
        f"less than {difference:.2f} apart are not distinguishable (Nemenyi, 5 %)."
    )


__all__ = [
    "common_configurations",
    "critical_difference",
    "find_cliques",
    "friedman",
    "mean_ranks",
    "rank_analysis",
]
