"""A study that was never run: scores as they could be, analyzed as those of any study."""

from collections.abc import Sequence

import numpy as np

from lossmith.evaluation import Row
from lossmith.metrics.registry import Metric
from lossmith.report.pages.study import StudyContents
from lossmith.report.study_pictures import Images
from lossmith.studies.analysis import BenchmarkResult, Facts, analyze
from lossmith.studies.configuration import Configuration
from lossmith.studies.pihlgren import PIHLGREN

PSNR = Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB")
JUDGE = Metric("judge", "EfficientNet distance", higher_is_better=False, digits=4)
SPEARMAN = Metric("spearman", "Spearman's ρ", higher_is_better=True, digits=3)
QUALITY = Metric("quality", "Quality", higher_is_better=True, digits=3)
BENCHMARKS = (
    ("sr", "Super-resolution ×4", "mean squared error of pixels", (PSNR, JUDGE), (24.0, 0.2), 9),
    ("similarity", "Perceptual similarity", "mean squared error of pixels", (SPEARMAN,), (0.6,), 1),
    ("delineation", "Delineation", "binary cross-entropy alone", (QUALITY,), (0.55,), 6),
)
"""Name, title, baseline, metrics, their values for the baseline, and how many items there are."""
BASELINE = Configuration()
FAILURE = "The loss is nan at step 3 of 100."


def configurations(networks: Sequence[str], kinds: Sequence[bool] = (False, True)) -> list[Configuration]:
    layers = [(network, tap.layer) for network in networks for tap in PIHLGREN[network]]
    return [Configuration(network, layer, random) for random in kinds for network, layer in layers]


def result(index: int, known: Sequence[Configuration], failed: Configuration | None = None) -> BenchmarkResult:
    """Scores around the baseline's: some better, some worse, those of random weights mostly worse."""
    name, title, baseline, metrics, levels, items = BENCHMARKS[index]
    rng = np.random.default_rng(index)
    quality = {c: rng.normal(-0.7 if c.random else 0.4, 1) for c in known} | {BASELINE: 0.0}
    difficulty = rng.normal(0, 1, items)
    rows = []
    for configuration in quality:
        for item in range(items if configuration != failed else 0):
            for seed in range(2):
                gain = quality[configuration] + difficulty[item] + rng.normal(0, 0.3)
                signs = (1 if metric.higher_is_better else -1 for metric in metrics)
                values = [level * (1 + 0.02 * sign * gain) for level, sign in zip(levels, signs, strict=True)]
                scores = {metric.name: float(value) for metric, value in zip(metrics, values, strict=True)}
                rows.append(Row(f"item {item}", configuration.name, seed, scores))
    times = {c.name: 60.0 + 25 * (i % 4) + 40 * (i // 4 % 4) for i, c in enumerate(known)} | {BASELINE.name: 41.2}
    failures = {} if failed is None else {failed.name: FAILURE}
    return BenchmarkResult(name, title, baseline, metrics, tuple(rows), tuple(quality), times, failures)


def planted_facts(known: Sequence[Configuration]) -> dict[str, Facts]:
    networks = list(dict.fromkeys(c.network for c in known))
    facts = {}
    for position, configuration in enumerate(known):
        network, layer = networks.index(configuration.network), position % 4
        facts[configuration.name] = Facts(
            imagenet_accuracy=58.1 + 4.1 * network,
            accuracy_source="torchvision's table",
            parameters=1.2e6 * 2**network,
            parameters_to_layer=2e3 * 6**layer,
            multiply_adds=2e7 * 4**layer,
            depth=1 + 3 * layer,
            relative_depth=0.1 + 0.3 * layer,
            milliseconds=12.0 + 9 * layer + 3 * network,
            min_side=17,
        )
    return facts


def example(
    networks: Sequence[str] = ("squeezenet1_1", "vgg19", "resnet18"),
    kinds: Sequence[bool] = (False, True),
    pictures: dict[str, dict[str, Images]] | None = None,
) -> StudyContents:
    """Three benchmarks; in the last of them the last configuration has failed."""
    known = configurations(networks, kinds)
    results = [result(index, known, known[-1] if index == 2 else None) for index in range(3)]
    return StudyContents(
        analysis=analyze(results, facts=planted_facts(known)),
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
