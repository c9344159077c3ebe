"""The findings over all benchmarks, a sentence each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from lossmith.studies.analysis.conventions import NETWORKS
from lossmith.studies.analysis.results import BenchmarkAnalysis, Correlation, StudyAnalysis
from lossmith.studies.analysis.tables import BASELINE
from lossmith.studies.analysis.words import amount, counted, listed


def summarize(study: StudyAnalysis) -> tuple[str, ...]:
    """What a study says over its benchmarks, and of both conventions."""
    if not study.ranks.benchmarks:
        return ("No benchmark has a score.",)
    titles = {benchmark.name: benchmark.title for benchmark in study.benchmarks}
    return (
        *_warnings(study),
        *_best(study),
        *([study.ranks.note] if len(study.ranks.benchmarks) > 1 else []),
        *filter(None, map(_spread, study.benchmarks)),
        *_depth(study),
        *filter(None, map(_trained_and_random, study.benchmarks)),
        *_agreements(study.correlations, titles),
        *(convention.sentence for convention in study.conventions if convention.fact in _told(convention.of)),
    )


def _told(of: str) -> tuple[str, ...]:
    """The two conventions, and what they are told of: accuracy is a network's, depth a layer's."""
    return ("imagenet_accuracy",) if of == NETWORKS else ("depth", "relative_depth")


def _warnings(study: StudyAnalysis) -> Iterator[str]:
    if study.only_random:
        yield "All networks have random weights: this study says nothing of loss networks as they are used."
    scored = [benchmark for benchmark in study.benchmarks if benchmark.seeds]
    if once := [benchmark.title for benchmark in scored if benchmark.seeds == 1]:
        of, there = ("", "") if len(once) == len(scored) else (f" of {listed(once, most=len(once))}", " there")
        yield (
            f"With one seed{of}, intervals{there} say what other pictures would give, but not what another "
            "training would."
        )


def _best(study: StudyAnalysis) -> Iterator[str]:
    """The configuration with the best mean rank, if there is more than one benchmark."""
    means = study.ranks.configurations
    if len(study.ranks.benchmarks) < 2 or len(means) < 2:
        return
    first = [mean.name for mean in means if math.isclose(mean.mean, means[0].mean)]
    clique = next((clique for clique in study.ranks.cliques if {*first} <= {*clique}), ())
    ties = [name for name in clique if name not in first]
    them = "it" if len(first) == 1 else "them"
    behind = f"; not distinguishable from {them}: {listed(ties)}" if ties else ""
    baseline = "The baseline" if first[0] == BASELINE else "the baseline"
    names = listed([baseline if name == BASELINE else name for name in first])
    have = "has" if len(first) == 1 else "share"
    yield f"{names} {have} the best mean rank, {means[0].mean:.2f} of {len(means)}{behind}."


def _spread(benchmark: BenchmarkAnalysis) -> str:
    """Whether the layer matters as much as the network."""
    metric = benchmark.metric
    scores: dict[str, list[float]] = {}
    for line in benchmark.scores:
        if metric and line.configuration.network and not line.configuration.random and not line.problem:
            scores.setdefault(line.configuration.network, []).append(line.scores[metric.name].value)
    if metric is None or len(scores) < 2 or max(map(len, scores.values())) < 2:
        return ""
    best = [max(of) if metric.higher_is_better else min(of) for of in scores.values()]
    within = amount(metric, median(max(of) - min(of) for of in scores.values() if len(of) > 1))
    return (
        f"{benchmark.title}: the best and the worst layer of a network are {within} apart (median), "
        f"the best layers of the best and the worst network {amount(metric, max(best) - min(best))}."
    )


def _depth(study: StudyAnalysis) -> Iterator[str]:
    if study.depth_trend:
        yield study.depth_trend.sentence


def _trained_and_random(benchmark: BenchmarkAnalysis) -> str:
    comparisons = benchmark.random_comparisons
    better = [each.network for each in comparisons if each.gain.sign > 0]
    worse = [each.network for each in comparisons if each.gain.sign < 0]
    if not comparisons:
        return ""
    lost = f", and worse for {listed(worse)}" if worse else ""
    won = f"for {listed(better)}" if better else "for none"
    of = counted(len(comparisons), "network")
    return f"{benchmark.title}: of {of}, trained weights are known to be better than random ones {won}{lost}."


def _agreements(correlations: Sequence[Correlation], titles: Mapping[str, str]) -> Iterator[str]:
    """Whether benchmarks rank the layers alike: a sentence a pair, and one for all that cannot be judged."""
    for each in correlations:
        if each.rho.has_interval:
            yield _agreement(each, f"{titles[each.first]} and {titles[each.second]}")
    unknown = [each for each in correlations if not each.rho.has_interval]
    if unknown:
        pairs = [f"{titles[each.first]} and {titles[each.second]}" for each in unknown]
        of = "" if len(unknown) == len(correlations) > 1 else f" for {listed(pairs, most=len(pairs))}"
        values = [f"{each.rho.value:.2f}" for each in unknown if not math.isnan(each.rho.value)]
        number = f" (rho = {', '.join(values)})" if values else ""
        networks = counted(max(each.networks for each in unknown), "network")
        yield f"Whether benchmarks rank the layers alike cannot be judged with {networks}{of}{number}."


def _agreement(correlation: Correlation, both: str) -> str:
    rho = correlation.rho
    verdict = {
        1: "rank the layers alike",
        0: "are not known to rank the layers alike",
        -1: "rank the layers in opposite orders",
    }[rho.sign]
    over = f"over {correlation.configurations} layers of {counted(correlation.networks, 'network')}"
    return f"{both} {verdict} (rho = {rho.value:.2f} [{rho.low:.2f}, {rho.high:.2f}] {over})."


__all__ = ["summarize"]
