"""A study that was never run: scores as they could be, and all that its page shows."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np

from lossmith.metrics.registry import Metric
from lossmith.report.pages.study import StudyContents
from lossmith.studies.analysis.results import (
    BenchmarkAnalysis,
    ConfigurationScore,
    Convention,
    Correlation,
    Estimate,
    Facts,
    HeatMapRow,
    MeanRank,
    Point,
    RandomComparison,
    RankAnalysis,
    StudyAnalysis,
)
from lossmith.studies.configuration import Configuration
from lossmith.studies.pihlgren import PIHLGREN

PSNR = Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB")
JUDGE = Metric("judge", "EfficientNet distance", higher_is_better=False, digits=4)
SPEARMAN = Metric("spearman", "Spearman's ρ", higher_is_better=True, digits=3)
QUALITY = Metric("quality", "Quality", higher_is_better=True, digits=3)
BENCHMARKS = (
    ("sr", "Super-resolution ×4", "mean squared error of pixels", (PSNR, JUDGE), 24.0),
    ("similarity", "Perceptual similarity", "mean squared error of pixels", (SPEARMAN,), 0.6),
    ("delineation", "Delineation", "binary cross-entropy alone", (QUALITY,), 0.55),
)
BASELINE = Configuration()
NETWORKS = ("squeezenet1_1", "vgg19", "efficientnet_b0", "resnet18")


def configurations(
    networks: tuple[str, ...] = NETWORKS, kinds: tuple[bool, ...] = (False, True)
) -> list[Configuration]:
    layers = [(network, tap.layer) for network in networks for tap in PIHLGREN[network]]
    return [Configuration(network, layer, random) for random in kinds for network, layer in layers]


def analysis_of_benchmark(
    index: int, known: list[Configuration], failed: Configuration | None = None
) -> BenchmarkAnalysis:
    """Scores around the baseline's: some better, some worse, those of random weights worse."""
    name, title, baseline, metrics, level = BENCHMARKS[index]
    rng = np.random.default_rng(index)
    metric = metrics[0]
    spread = 0.03 * level
    gains = {c: float(rng.normal(-0.5 if c.random else 0.3, 1)) * spread for c in known}
    scores = [
        ConfigurationScore(
            configuration=c,
            scores={
                m.name: Estimate(
                    v := (level + gain if m is metric else 0.2 - gain / 30), v - spread / 2, v + spread / 2
                )
                for m in metrics
            },
            gains={
                m.name: Estimate(g := gain / (1 if m is metric else 30), g - spread / 3, g + spread / 3)
                for m in metrics
            },
            milliseconds_per_step=60 + 25 * (position % 4) + 40 * (position // 4 % 4),
        )
        for position, (c, gain) in enumerate(gains.items())
    ]
    own = {m.name: Estimate(level if m is metric else 0.2) for m in metrics}
    scores.append(ConfigurationScore(BASELINE, own, {}, milliseconds_per_step=41.2))
    scores.sort(key=lambda score: -score.scores[metric.name].value)
    scores = [replace(s, rank=float(i + 1), ties_with_best=i < 3) for i, s in enumerate(scores)]
    if failed is not None:
        scores = [s for s in scores if s.configuration != failed]
        scores.append(ConfigurationScore(failed, {}, {}, problem="The loss is nan at step 3 of 100."))
    rows = []
    for network, random in dict.fromkeys((c.network or "", c.random) for c in known):
        layers = [c for c in known if (c.network, c.random) == (network, random)]
        rows.append(HeatMapRow(network, random, tuple(c.layer for c in layers), tuple(c.name for c in layers)))
    best = scores[0].name
    return BenchmarkAnalysis(
        name=name,
        title=title,
        baseline=baseline,
        metrics=metrics,
        items=5,
        seeds=2,
        scores=tuple(scores),
        heat_map=tuple(rows),
        random_comparisons=tuple(
            RandomComparison(
                n, ("a", "b", "c", "d"), Estimate(g := (0.4 - 0.3 * i) * spread, g - spread / 2, g + spread / 2)
            )
            for i, n in enumerate(dict.fromkeys(c.network or "" for c in known if not c.random))
            if any(c.random for c in known)
        ),
        conventions=conventions(known, {s.name: s.scores[metric.name].value for s in scores if s.scores}),
        only_random=all(c.random for c in known),
        recommendation=f"Use {best}: {metric.label} {scores[0].scores[metric.name].value:.2f}. "
        f"It is not distinguishable from {scores[1].name} and {scores[2].name}, the cheapest.",
    )


def facts_of(position: int) -> Facts:
    return Facts(
        imagenet_accuracy=58.1 + 4.1 * (position // 4 % 4),
        accuracy_source="torchvision's table",
        parameters=1.2e6 * 5 ** (position // 4 % 4),
        parameters_to_layer=2e3 * 6 ** (position % 4),
        multiply_adds=2e7 * 4 ** (position % 4),
        depth=1 + 3 * (position % 4),
        relative_depth=0.1 + 0.3 * (position % 4),
        milliseconds=12.0 + 9 * (position % 4),
        min_side=17,
    )


def conventions(known: list[Configuration], quality: dict[str, float]) -> tuple[Convention, ...]:
    kinds = (
        ("imagenet_accuracy", "ImageNet top-1 accuracy (%)", "networks"),
        ("relative_depth", "Relative depth of the layer", "configurations"),
        ("parameters", "Parameters", "networks"),
        ("multiply_adds", "Multiply-adds to the layer", "configurations"),
        ("milliseconds", "Cost of the loss (ms)", "configurations"),
    )
    return tuple(
        Convention(
            fact=fact,
            label=label,
            of=of,
            rho=Estimate(-0.12, -0.55, 0.36),
            networks=4,
            points=tuple(
                Point(c.name, c.network or "", getattr(facts_of(i), fact), quality[c.name])
                for i, c in enumerate(known)
                if c.name in quality
            ),
            sentence=f"Of these {of}, more of the fact ({label}) does not go with better scores.",
        )
        for fact, label, of in kinds
    )


def example(
    networks: tuple[str, ...] = NETWORKS,
    kinds: tuple[bool, ...] = (False, True),
    pictures: dict[str, dict[str, dict[str, np.ndarray]]] | None = None,
) -> StudyContents:
    known = configurations(networks, kinds)
    benchmarks = tuple(analysis_of_benchmark(i, known, known[-1] if i == 2 else None) for i in range(3))
    everywhere = [*[c.name for c in known[:-1]], BASELINE.name]
    by_benchmark = {
        n: {b.name: score.rank for b in benchmarks if (score := b.score(n)) is not None} for n in everywhere
    }
    ranks = sorted(
        (MeanRank(name, math.fsum(own.values()) / len(own), own) for name, own in by_benchmark.items()),
        key=lambda rank: rank.mean,
    )
    critical = len(ranks) / 3
    cliques = []
    for i, first in enumerate(ranks):
        clique = tuple(rank.name for rank in ranks[i:] if rank.mean - first.mean < critical)
        if len(clique) > 1 and not any(set(clique) <= set(other) for other in cliques):
            cliques.append(clique)
    trained = [rank for rank in ranks if ":" in rank.name and "random" not in rank.name]
    joint = {rank.name: rank.mean for rank in ranks}
    return StudyContents(
        analysis=StudyAnalysis(
            benchmarks=benchmarks,
            ranks=RankAnalysis(
                benchmarks=tuple(b.name for b in benchmarks),
                configurations=tuple(ranks),
                networks=tuple(replace(rank, name=rank.name.split(":")[0]) for rank in trained[:4]),
                layers=tuple(replace(rank, name=f"layer {i + 1}") for i, rank in enumerate(trained[:4])),
                friedman=None,
                critical_difference=critical,
                cliques=tuple(cliques),
                note=f"Over 3 benchmarks, ranks of {len(ranks)} configurations differ (Friedman, p = 0.012).",
            ),
            correlations=tuple(
                Correlation(a.name, b.name, Estimate(0.6 - 0.5 * i, 0.2 - 0.5 * i, 0.8 - 0.4 * i), 16)
                for i, (a, b) in enumerate(combinations(benchmarks, 2))
            ),
            facts={c.name: facts_of(i) for i, c in enumerate(known)},
            conventions=conventions(known, joint),
            only_random=kinds == (True,),
            summary=(
                "The choice of the layer matters as much as that of the network.",
                "Benchmarks hardly agree.",
            ),
        ),
        scale="small",
        seeds=[0, 1],
        data={"sr": "Set5, 5 pictures", "similarity": "LIVE, 67 pictures"},
        command="lossmith study --networks squeezenet1_1 vgg19 --data data --out study",
        environment={"Device": "CPU, 2 cores", "Versions": "lossmith 0.1.0, torch 2.15.0"},
        pictures=pictures or {},
        picture_notes={"sr": "Restored from a quarter of the size."},
        missing_weights={"alexnet": "put alexnet-owt-7be5be79.pth into /home/me/.cache/lossmith"},
        notes=("Scores of similarity need no training.",),
    )
