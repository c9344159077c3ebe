"""Studies whose truth is known, because it was put into their scores."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from lossmith.evaluation import Metric, Row
from lossmith.studies import Configuration
from lossmith.studies.analysis import BenchmarkResult, Facts

PSNR = Metric("psnr", "PSNR", True, 2, "dB")
GMSD = Metric("gmsd", "GMSD", False, 4)
BASELINE = Configuration()


def grid(networks: Sequence[str], layers: int = 4, random: bool = False) -> list[Configuration]:
    """So many layers of every network, "l1" the shallowest."""
    return [Configuration(network, f"l{layer + 1}", random) for network in networks for layer in range(layers)]


def depth_of(configuration: Configuration) -> int:
    return int(configuration.layer[1:])


def facts_of_all(
    configurations: Sequence[Configuration], accuracies: Mapping[str, float] = {}
) -> dict[str, Facts]:
    """Layers by their number; the last of four is the end."""
    return {
        c.name: Facts(
            imagenet_accuracy=accuracies.get(str(c.network), float("nan")),
            parameters=1e6 * (1 + sorted({str(o.network) for o in configurations}).index(str(c.network))),
            multiply_adds=1e6 * depth_of(c),
            depth=depth_of(c),
            relative_depth=depth_of(c) / 4,
            milliseconds=10.0 * depth_of(c),
        )
        for c in configurations
        if c.network is not None
    }


def result(
    configurations: Sequence[Configuration],
    truth: Callable[[Configuration], float],
    name: str = "sr",
    title: str = "Super-resolution",
    metric: Metric = PSNR,
    noise: float = 0.05,
    items: int = 20,
    seeds: int = 1,
    draw: int = 0,
    **more: object,
) -> BenchmarkResult:
    """Scores around a truth; items differ by far more than configurations do, as pictures do."""
    rng = np.random.default_rng([len(name), seeds, draw])
    levels = rng.normal(0, 3, items)
    rows = [
        Row(f"picture {item}", c.name, seed, {metric.name: truth(c) + levels[item] + noise * rng.normal()})
        for c in configurations
        for seed in range(seeds)
        for item in range(items)
    ]
    return BenchmarkResult(
        name, title, "mean squared error of pixels", (metric,), tuple(rows), tuple(configurations), **more
    )  # type: ignore[arg-type]
