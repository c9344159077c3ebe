"""How long it takes to score the images of a tournament, against a plain loop over `score`.

    python benchmarks/scoring.py  # two minutes alone on two cores
    python benchmarks/scoring.py --methods 11 --metrics psnr ssim

The test photographs of scikit-image under several methods (here: noise of another seed), by the metrics of a
tournament. Both ways are timed in turns, in one process, and must give the same scores; the table shows medians
over the rounds, in wall-clock and in processor seconds. `score_images` looks at each target once, on all
cores.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from lossmith.data import read_image, sample_images
from lossmith.degradations import from_8bit
from lossmith.evaluation import Protocol, Restored, Row, score, score_images, tournament_metrics

NOISE = 0.05


def items(methods: int) -> list[Restored]:
    targets = {path.stem: from_8bit(read_image(path)) for path in sample_images("test")}
    generator = torch.Generator().manual_seed(0)
    return [
        Restored(
            name, f"method {method}", (target + NOISE * torch.randn(target.shape, generator=generator), target)
        )
        for method in range(methods)
        for name, target in targets.items()
    ]


def one_by_one(images: list[Restored], metrics: list[str]) -> list[Row]:
    return [
        Row(item.image, item.method, item.seed, score(*item.pair, Protocol(), metrics))
        for item in images
        if not callable(item.pair)
    ]


def shared(images: list[Restored], metrics: list[str]) -> list[Row]:
    return score_images(images, Protocol(), metrics)


def timed(
    way: Callable[[list[Restored], list[str]], list[Row]], images: list[Restored], metrics: list[str]
) -> tuple[float, float, list[Row]]:
    """Wall-clock seconds, processor seconds, and the rows."""
    wall, processor = time.perf_counter(), time.process_time()
    rows = way(images, metrics)
    return time.perf_counter() - wall, time.process_time() - processor, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=4)
    parser.add_argument("--metrics", nargs="+", default=tournament_metrics(["l1"]))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    images = items(arguments.methods)
    ways = {"`score`, one by one": one_by_one, "`score_images`": shared}
    for way in ways.values():  # what is loaded or compiled once
        way(images[:2], arguments.metrics)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        rows = []
        for name, way in ways.items():
            wall, processor, scored = timed(way, images, arguments.metrics)
            seconds[name].append((wall, processor))
            rows.append(scored)
        assert rows[0] == rows[1]
    print(f"{len(images)} images, {len(arguments.metrics)} metrics: {', '.join(arguments.metrics)}\n")
    print("| | seconds | processor seconds |\n| --- | --- | --- |")
    medians = {name: [median(column) for column in zip(*times, strict=True)] for name, times in seconds.items()}
    for name, (wall, processor) in medians.items():
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")
    wall, processor = (b / a for a, b in zip(*medians.values(), strict=True))
    print(f"| ratio | {wall:.2f} | {processor:.2f} |")


if __name__ == "__main__":
    main()
