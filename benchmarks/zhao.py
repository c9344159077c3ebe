"""Zhao et al. 2017 reproduced: the three tasks of the paper, its network and its five losses, each task a race.

    python benchmarks/zhao.py --scale small --train BSDS500_train --test BSDS500_test  # 2 cores, an hour
    python benchmarks/zhao.py --scale full --train BSDS500_train --test BSDS500_test   # a GPU

--train and --test are any folders of images. The table of a task is written to --out as zhao-SCALE-TASK.md; its
report, with the curves and the images, to runs/zhao-SCALE/TASK. A stopped benchmark continues with the
same command.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossmith.commands import compare
from lossmith.core.files import write_text
from lossmith.data import Data, find_images
from lossmith.evaluation import DEGRADED, Ranking, Row, find_metric, rankings
from lossmith.training import Recipe

LOSSES = ("l2", "l1", "ssim", "ms_ssim_sigmas", "mix")
TASKS = {
    "demosaic": ("Joint denoising and demosaicking", "shot_noise | mosaic"),
    "sr": ("Super-resolution x2", "bicubic(2)"),
    "jpeg": ("JPEG deblocking, quality 10", "jpeg(10)"),
}
COLUMNS = ("l2", "psnr", "l1", "ssim", "ms_ssim", "iw_ssim", "gmsd", "fsim", "efficientnet_lite0", "niqe")


@dataclass(frozen=True)
class Scale:
    """The budget of one run, and the numbers of seeds and test images."""

    steps: int
    batch: int
    patch: int
    learning_rate: float
    seeds: tuple[int, int]
    """The least and the greatest number of a loss."""
    tests: int


SCALES = {
    "tiny": Scale(steps=20, batch=2, patch=32, learning_rate=2e-3, seeds=(1, 1), tests=2),
    "small": Scale(steps=1500, batch=4, patch=32, learning_rate=2e-3, seeds=(2, 4), tests=24),
    "full": Scale(steps=200_000, batch=64, patch=64, learning_rate=1e-3, seeds=(3, 8), tests=40),
}


def table(rows: list[Row], losses: Sequence[str] = LOSSES) -> str:
    """Means over images and seeds as a Markdown table, in bold the best and all that are not known to be worse."""
    methods = [DEGRADED, *losses]
    columns = [find_metric(name) for name in COLUMNS if name in rows[0].scores]
    standings = rankings(rows, columns, methods)
    labels = [
        f"{standing.metric.label} {'↑' if standing.metric.higher_is_better else '↓'}" for standing in standings
    ]
    lines = [["", "seeds", *labels], ["---"] * (len(labels) + 2)]
    for method in methods:
        seeds = len({row.seed for row in rows if row.method == method})
        number = "" if method == DEGRADED else str(seeds)
        lines.append([method, number, *(cell(standing, method) for standing in standings)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(ranking: Ranking, method: str) -> str:
    """The mean, in bold for leaders; empty for a loss that diverged."""
    if method not in ranking.means:
        return ""
    number = f"{ranking.means[method]:.{ranking.metric.digits}f}"
    return f"**{number}**" if method in ranking.leaders else number


def conditions(scale: Scale, run: Path, tests: int) -> str:
    """The settings of a tournament."""
    device = json.loads((run / "results.json").read_text(encoding="utf-8"))["environment"]["Device"]
    return (
        f"FCN, {scale.steps:,} steps of {scale.batch} patches of {scale.patch} x {scale.patch}, "
        f"Adam {scale.learning_rate:g} with cosine decay, {scale.seeds[0]} to {scale.seeds[1]} seeds, "
        f"{tests} test images, "
        f"on {device}."
    )


def quoted(text: str) -> str:
    """The lines of a text as a Markdown list."""
    return "\n".join(f"- {line}" for line in text.splitlines())


def evenly(images: list[Path], count: int) -> list[Path]:
    """So many of the images, evenly spread."""
    return images[:: max(1, len(images) // count)][:count]


def section(
    task: str,
    scale: Scale,
    train: Path,
    tests: list[Path],
    run: Path,
    losses: Sequence[str] = LOSSES,
    command: str = "",
) -> str:
    """The race of a task, in the folder `run`, as a section of Markdown; with the command that repeats it."""
    title, degradation = TASKS[task]
    outcome = compare(
        Data([train], test=tests),
        losses=list(losses),
        seeds=scale.seeds,
        recipe=Recipe(
            degradation=degradation,
            network="fcn",
            steps=scale.steps,
            batch=scale.batch,
            patch=scale.patch,
            learning_rate=scale.learning_rate,
        ),
        out=run,
    )
    paragraphs = [
        f"## {title} (`{degradation}`)",
        conditions(scale, run, len(tests)),
        *([f"    {command}"] if command else []),
        quoted(outcome.verdict),
        table(outcome.rows, losses),
    ]
    return "\n\n".join(paragraphs) + "\n"


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
    tests = evenly(find_images(options.test), scale.tests)
    command = shlex.join(["python", *sys.argv])
    for task in options.tasks:
        run = options.runs / f"zhao-{options.scale}" / task
        text = section(task, scale, options.train, tests, run, command=command)
        print(text, flush=True)
        write_text(options.out / f"zhao-{options.scale}-{task}.md", text)


if __name__ == "__main__":
    main()
