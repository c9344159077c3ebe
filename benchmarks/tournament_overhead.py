"""What of a tournament is not training: CPU seconds by part, and how many times those of another version.

    python benchmarks/tournament_overhead.py [--other ../old/src] [--as-shipped] [--rounds 3] [--wall]

Trains a small network for 20 steps under five losses on the sample photographs, in a process of its own, and sums
the CPU time of all threads, which other programs on the machine change little, by part: start (imports
included), reading and degrading the images, the trial before the first step, the training itself, restoring,
scoring and storing the results of the runs, the report, and the rest. With `--other`, another source tree of
lossmith runs the same tournament in turns, on the same photographs and with the metrics that both have; with
`--as-shipped` each takes its own photographs and metrics. Prints medians over rounds, and their ratios. `--wall`
measures seconds on the clock instead, with all cores, which needs a machine that does nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parents[1] / "src"
LOSSES = ("l2", "l1", "ssim", "mix", "charbonnier")
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "ihc.png", "rocket.jpg")
METRICS = ("psnr", "ssim", "ms_ssim", "iw_ssim", "gmsd", "fsim", "fsimc", "l1", "l2")
JUDGE = "efficientnet_lite0"
PARTS = {
    "images": ("lossmith.data.prepare_data",),
    "trial": ("lossmith.training.run.dry_run", "lossmith.training.measure_durations"),
    "training": ("lossmith.training.run.fit",),
    "scoring": (
        "lossmith.evaluation.score_row",
        "lossmith.training.train_run",
        "lossmith.commands.compare.scores.Scores.of_degraded",
    ),
    "report": ("lossmith.commands.compare.report.make_page",),
}
"""What each part calls; what a version lacks is left out. Of calls within calls the inner one counts."""
START, TRAINING, REST = "start", "training", "rest"
STARTED = time.perf_counter()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, help="the source tree of another version, which holds lossmith/")
    parser.add_argument("--as-shipped", action="store_true", help="each version's own photographs and metrics")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--wall", action="store_true", help="seconds on the clock, with all cores")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, arguments)))
        return
    trees = [HERE, *([arguments.other.resolve()] if arguments.other else [])]
    rounds = [[in_tree(tree, arguments) for tree in trees] for _ in range(arguments.rounds)]
    print_table([{part: median(r[i][part] for r in rounds) for part in rounds[0][i]} for i in range(len(trees))])


def in_tree(tree: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The seconds by part of a tournament with this source tree, in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, __file__, "--measure", out, "--seeds", str(arguments.seeds)]
        command += ["--as-shipped"] * arguments.as_shipped + ["--wall"] * arguments.wall
        environment = {**os.environ, "PYTHONPATH": str(tree)} | (
            {} if arguments.wall else {"OMP_NUM_THREADS": "1"}
        )
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


class Clock:
    """Seconds of this process by part."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.seconds: dict[str, float] = {}
        self._now = now
        self._parts = [START]
        self._since = 0.0

    def enter(self, part: str) -> None:
        """From here on, time belongs to this part."""
        self._count()
        self._parts.append(part)

    def leave(self) -> None:
        """The part that was entered last is over."""
        self._count()
        self._parts.pop()

    def _count(self) -> None:
        now = self._now()
        self.seconds[self._parts[-1]] = self.seconds.get(self._parts[-1], 0.0) + now - self._since
        self._since = now

    def watch(self, part: str, path: str) -> None:
        """Count the calls of a function, given by its path, to this part."""
        try:
            holder, name = found(path)
        except (ModuleNotFoundError, AttributeError):
            return
        setattr(holder, name, self._counted(part, getattr(holder, name)))

    def _counted(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.enter(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.leave()

        return counted


def seconds_since_start() -> float:
    """On the clock, since this module was imported, which is as good as the start of the process."""
    return time.perf_counter() - STARTED


def found(path: str) -> tuple[Any, str]:
    """The module or class that holds what this path names, and its name there."""
    holder, _, name = path.rpartition(".")
    try:
        parent: Any = import_module(holder)
    except ModuleNotFoundError:
        above, own = found(holder)
        parent = getattr(above, own)
    getattr(parent, name)
    return parent, name


def measured(out: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The seconds by part of a tournament in this process."""
    clock = Clock(seconds_since_start if arguments.wall else time.process_time)
    import lossmith
    import lossmith.evaluation.scoring
    from lossmith import evaluation
    from lossmith.data import Data, sample_images
    from lossmith.training import Recipe

    for part, paths in PARTS.items():
        for path in paths:
            clock.watch(part, path)
    photographs: list[Path] | None = None
    if not arguments.as_shipped:
        home = sample_images("train")[0].parent
        photographs = [home / name for name in PHOTOGRAPHS]
        judged = [JUDGE] if JUDGE in evaluation.default_metrics() else []
        for module in (evaluation, evaluation.scoring):
            for name in ("default_metrics", "tournament_metrics"):
                if hasattr(module, name):
                    setattr(module, name, lambda *_: [*METRICS, *judged])
    recipe = Recipe(
        degradation="jpeg(10)", network="srresnet_small(features=16, blocks=2)", steps=20, batch=8, patch=48
    )
    clock.enter(REST)
    lossmith.compare(
        Data(test=photographs), losses=list(LOSSES), seeds=arguments.seeds, recipe=recipe, out=out, progress=False
    )
    clock.leave()
    return clock.seconds


def print_table(columns: Sequence[dict[str, float]]) -> None:
    """Print seconds by part, and, of two versions, the ratio of the first to the second."""
    rows = {part: [column.get(part, 0.0) for column in columns] for part in (START, *PARTS, REST)}
    others = [sum(column) for column in zip(*(r for part, r in rows.items() if part != TRAINING), strict=True)]
    rows["all but training"] = others
    print("| part | seconds | other version | ratio |" if len(columns) > 1 else "| part | seconds |")
    print("|---|---:|---:|---:|" if len(columns) > 1 else "|---|---:|")
    for part, seconds in rows.items():
        cells = [f"{s:.2f}" for s in seconds]
        cells += [f"{seconds[0] / seconds[1]:.2f}" if seconds[1] else ""] if len(columns) > 1 else []
        print(f"| {' | '.join([part, *cells])} |")


if __name__ == "__main__":
    main()
