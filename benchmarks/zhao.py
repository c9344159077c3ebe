"""Zhao et al. 2017 again: the three tasks of the paper, its network, its five losses, one table each.

    python benchmarks/zhao.py --scale small --train BSDS500_train --test BSDS500_test  # 2 cores, 30 minutes
    python benchmarks/zhao.py --scale full --train BSDS500_train --test BSDS500_test   # a GPU

--train and --test are any folders of pictures. Tables are written to --out as zhao-SCALE.md; the reports, with
the curves and the pictures, to runs/zhao-SCALE/TASK. A stopped benchmark goes on with the same command.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from lossmith.evaluation import DEGRADED, Row, find_metric, mean_ranks, standing
from lossmith.files import write_text
from lossmith.images import Data, find_pictures
from lossmith.studies import compare
from lossmith.training import Recipe

LOSSES = ("l2", "l1", "ssim", "ms_ssim_sigmas", "mix")
TASKS = {
    "demosaic": ("Joint denoising and demosaicking", "shot_noise | mosaic"),
    "sr": ("Super-resolution x2", "bicubic(2)"),
    "jpeg": ("JPEG deblocking, quality 10", "jpeg(10)"),
}
COLUMNS = ("l2", "psnr", "l1", "ssim", "ms_ssim", "iw_ssim", "gmsd", "fsim", "lpips_squeeze")


@dataclass(frozen=True)
class Scale:
    """How much is spent on one run, on how many pictures."""

    steps: int
    batch: int
    patch: int
    learning_rate: float
    seeds: int
    tests: int


SCALES = {
    "tiny": Scale(steps=20, batch=2, patch=32, learning_rate=2e-3, seeds=1, tests=2),
    "small": Scale(steps=1500, batch=4, patch=32, learning_rate=2e-3, seeds=2, tests=12),
    "full": Scale(steps=200_000, batch=64, patch=64, learning_rate=1e-3, seeds=3, tests=40),
}


def table(rows: list[Row]) -> str:
    """Means over pictures and seeds as a Markdown table; the best loss and its equals are bold."""
    methods = [DEGRADED, *LOSSES]
    columns = [find_metric(name) for name in COLUMNS if name in rows[0].scores]
    standings = [standing(rows, metric, methods) for metric in columns]
    ranks = mean_ranks([standing(rows, metric, LOSSES) for metric in columns])
    lines = [
        "| | " + " | ".join(f"{m.label} {'↑' if m.higher_is_better else '↓'}" for m in columns) + " | mean rank |",
        "| --- |" + " --- |" * (len(columns) + 1),
    ]
    for method in methods:
        cells = []
        for metric, each in zip(columns, standings, strict=True):
            number = f"{each.means[method]:.{metric.digits}f}"
            cells.append(f"**{number}**" if method in each.leaders else number)
        rank = f"{ranks[method]:.1f}" if method in ranks else ""
        lines.append(f"| {method} | " + " | ".join(cells) + f" | {rank} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=Path("runs"))
    options = parser.parse_args()
    scale = SCALES[options.scale]
    tests = find_pictures(options.test)
    data = Data([options.train], test=tests[:: max(1, len(tests) // scale.tests)][: scale.tests])
    sections = []
    for task in options.tasks:
        title, damage = TASKS[task]
        outcome = compare(
            data,
            losses=list(LOSSES),
            seeds=scale.seeds,
            recipe=Recipe(
                degradation=damage,
                network="fcn",
                steps=scale.steps,
                batch=scale.batch,
                patch=scale.patch,
                learning_rate=scale.learning_rate,
            ),
            out=options.runs / f"zhao-{options.scale}" / task,
        )
        sections.append(f"## {title} (`{damage}`)\n\n{table(outcome.rows)}\n\n{outcome.verdict}\n")
        print(sections[-1], flush=True)
    words = (
        f"FCN, {scale.steps:,} steps of {scale.batch} patches of {scale.patch} x {scale.patch}, "
        f"Adam {scale.learning_rate:g} with cosine decay, {scale.seeds} seeds, {scale.tests} test pictures."
    )
    write_text(options.out / f"zhao-{options.scale}.md", "\n".join([words, "", *sections]))


if __name__ == "__main__":
    main()
