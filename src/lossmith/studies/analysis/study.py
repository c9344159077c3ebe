"""The whole analysis of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from lossmith.core.errors import LossmithError
from lossmith.studies.analysis.conventions import conventions
from lossmith.studies.analysis.correlations import spearman
from lossmith.studies.analysis.depth import depth_trend
from lossmith.studies.analysis.layers import heat_map, layers_by_depth, random_comparisons
from lossmith.studies.analysis.ranks import Ranks, common_configurations, rank_analysis
from lossmith.studies.analysis.recommendation import recommend
from lossmith.studies.analysis.results import (
    BenchmarkAnalysis,
    BenchmarkResult,
    Correlation,
    Facts,
    StudyAnalysis,
)
from lossmith.studies.analysis.summary import summarize
from lossmith.studies.analysis.tables import configuration_scores, metric_tables
from lossmith.studies.configuration import Configuration
from lossmith.studies.facts import facts_of


def analyze(
    results: Sequence[BenchmarkResult],
    costs: Mapping[str, float] | None = None,
    facts: Mapping[str, Facts] | None = None,
) -> StudyAnalysis:
    """What the results of benchmarks say of loss networks and their layers; the same every time.

    Parameters
    ----------
    results
        One for each benchmark; not all need to have the same configurations, or any scores.
    costs
        Milliseconds of the loss by name of configuration, see `loss_cost`, where measured; trained and random
        weights cost the same.
    facts
        By name of configuration; by default those of `facts_of`, which takes half a second for each.

    Raises
    ------
    LossmithError
        When a row occurs twice.
    """
    configurations = tuple(dict.fromkeys(c for result in results for c in result.configurations))
    facts = _with_costs(_all_facts(configurations) if facts is None else facts, configurations, costs or {})
    layers = layers_by_depth(configurations, facts)
    benchmarks = tuple(_analyze_benchmark(result, layers, facts) for result in results)
    ranks = {
        benchmark.name: {score.name: score.rank for score in benchmark.scores if not score.problem}
        for benchmark in benchmarks
        if benchmark.metric
    }
    over_all = rank_analysis(ranks, configurations, layers)
    means = {mean.name: mean.mean for mean in over_all.configurations}
    study = StudyAnalysis(
        benchmarks=benchmarks,
        ranks=over_all,
        correlations=_correlations(ranks, configurations),
        facts=facts,
        conventions=conventions(means, means, configurations, facts),
        only_random=_only_random(configurations, {name for of in ranks.values() for name in of}),
        summary=(),
        depth_trend=depth_trend(means, layers),
    )
    return replace(study, summary=summarize(study))


def _analyze_benchmark(
    result: BenchmarkResult, layers: Mapping[str, Sequence[str]], facts: Mapping[str, Facts]
) -> BenchmarkAnalysis:
    tables = metric_tables(result)
    scores = configuration_scores(result, tables)
    main = tables[0] if tables else None
    ranks = {score.name: score.rank for score in scores if not score.problem}
    values = {name: main.score(name).value for name in main.names} if main else {}
    return BenchmarkAnalysis(
        name=result.name,
        title=result.title,
        baseline=result.baseline,
        metrics=tuple(table.metric for table in tables),
        items=len(main.table.images) if main else 0,
        seeds=len(main.table.seeds) if main else 0,
        scores=tuple(scores),
        heat_map=tuple(heat_map(result.configurations, layers)),
        random_comparisons=tuple(random_comparisons(main, layers)) if main else (),
        conventions=conventions(ranks, values, result.configurations, facts) if main else (),
        only_random=_only_random(result.configurations, ranks),
        recommendation=recommend(result, main, facts, tables[1:]),
        depth_trend=depth_trend(ranks, layers),
    )


def _correlations(ranks: Ranks, configurations: Sequence[Configuration]) -> tuple[Correlation, ...]:
    """Of every pair of benchmarks, over the trained configurations that both have."""
    correlations = []
    for first, second in combinations(ranks, 2):
        both = common_configurations({name: ranks[name] for name in (first, second)}, configurations)
        trained = [c for c in both if c.network is not None and not c.random]
        networks = [c.network for c in trained]
        of_first, of_second = ([ranks[name][c.name] for c in trained] for name in (first, second))
        rho = spearman(of_first, of_second, networks)
        correlations.append(Correlation(first, second, rho, len(trained), len({*networks})))
    return tuple(correlations)


def _only_random(configurations: Sequence[Configuration], scored: Mapping[str, float] | set[str]) -> bool:
    networks = [c for c in configurations if c.network is not None and c.name in scored]
    return bool(networks) and all(c.random for c in networks)


def _all_facts(configurations: Sequence[Configuration]) -> dict[str, Facts]:
    facts = {}
    for configuration in configurations:
        try:
            facts[configuration.name] = facts_of(configuration)
        except (LossmithError, ImportError):  # a configuration that failed for the same reason is told elsewhere
            facts[configuration.name] = Facts()
    return facts


def _with_costs(
    facts: Mapping[str, Facts], configurations: Sequence[Configuration], costs: Mapping[str, float]
) -> dict[str, Facts]:
    """Facts of all networks with the costs that were measured, of trained or of random weights."""
    complete = {}
    for configuration in configurations:
        if configuration.network is None:
            continue
        known = facts.get(configuration.name, Facts())
        twins = (configuration.name, replace(configuration, random=not configuration.random).name)
        cost = next((costs[name] for name in twins if name in costs), known.milliseconds)
        complete[configuration.name] = replace(known, milliseconds=cost)
    return complete


__all__ = ["analyze"]
