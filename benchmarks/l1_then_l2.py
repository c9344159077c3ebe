"""Does L1 first and L2 second end lower on L2 than L2 alone? Zhao et al. 2017, section V, as a figure.

    python benchmarks/l1_then_l2.py --train BSDS500_train --test BSDS500_test --out docs

Trains the paper's network four ways (L2, L1, and each for half of the run, then the other) and plots the PSNR,
the L2 error on a logarithmic scale, on crops of the test images over the steps. Writes
l1-then-l2.svg and l1-then-l2.md to --out. Without --train and --test the sample photographs are used.
"""

import argparse
import csv
from pathlib import Path

import matplotlib
import numpy as np

from lossmith.commands import compare
from lossmith.core.files import atomic_write, safe_file_name, write_text
from lossmith.data import Data, find_images
from lossmith.evaluation import DEGRADED, METRICS, ranking
from lossmith.training import Recipe

matplotlib.use("svg")
import matplotlib.pyplot as plt

LOSSES = ("l2", "l1", "l1 until 50% then l2", "l2 until 50% then l1")
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7")


def curve(run: Path) -> tuple[list[int], list[float]]:
    """Steps and PSNR on test crops of one run."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["psnr"]]
    return [int(row["step"]) for row in rows], [float(row["psnr"]) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--degradation", default="demosaic")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--decay", choices=("none", "cosine"), default="cosine")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs/l1-then-l2"))
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    tests = find_images(options.test)[::12][:16] if options.test else None
    recipe = Recipe(
        degradation=options.degradation,
        network="fcn",
        steps=options.steps,
        batch=4,
        patch=32,
        learning_rate=options.learning_rate,
        decay=options.decay,
    )
    data = Data([options.train] if options.train else None, test=tests)
    outcome = compare(data, losses=list(LOSSES), seeds=options.seeds, recipe=recipe, out=options.runs)
    draw(options.runs, options.seeds, options.out / "l1-then-l2.svg")
    ranks = ranking(outcome.rows, METRICS["l2"], [DEGRADED, *LOSSES])
    lines = ["| loss | 1000·L2 on the test images, with 95 % interval |", "| --- | --- |"]
    for name in ranks.order:
        low, high = ranks.intervals[name]
        lines.append(f"| `{name}` | {ranks.means[name]:.4f} ({low:.4f} to {high:.4f}) |")
    write_text(options.out / "l1-then-l2.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def draw(runs: Path, seeds: int, path: Path) -> None:
    """Plot one line per loss, its seeds thin behind their mean."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    lowest, highest = np.inf, -np.inf
    for name, color in zip(LOSSES, COLORS, strict=True):
        curves = [curve(runs / "runs" / safe_file_name(name) / f"seed-{seed}") for seed in range(seeds)]
        values = [np.array(psnr) for _, psnr in curves]
        steps = curves[0][0]
        for seed_values in values:
            axes.plot(steps, seed_values, color=color, alpha=0.25, linewidth=0.8)
        axes.plot(steps, np.mean(values, axis=0), color=color, linewidth=2, label=name)
        late = np.array(values)[:, len(steps) // 5 :]
        highest, lowest = max(highest, late.max()), min(lowest, late.min())
    axes.set_ylim(lowest - 0.2, highest + 0.2)  # the first fifth, far below the rest, is cut off
    axes.set(xlabel="steps", ylabel="PSNR on test crops, dB", xlim=(0, None))
    axes.grid(alpha=0.25, which="both")
    axes.legend(frameon=False)
    with atomic_write(path) as tmp:
        figure.savefig(tmp, format="svg")


if __name__ == "__main__":
    main()
