"""A search for weights beside a grid of the same cost, and whether trials that were stopped early had a chance.

    python benchmarks/tune.py --out runs/tune-benchmark    # some 15 minutes on two cores

On the sample photographs a small network learns to enlarge twofold under L1, a loss on features and SSIM, whose
weights are searched for: by `lossmith.tune`, by the same search with other seeds of the sampler, and on a grid
with as many steps of training as the first search took for its trials. All runs have the same first weights and
patches and are judged on the same validation crops. Hypervolumes are measured in margins of the two goals, from
the scores of the bicubically enlarged images. Then the trials that the searches stopped are trained to their
end, to see how many would have been on the front.

Without the ImageNet weights of SqueezeNet and EfficientNet-Lite0 the loss on features is one that lossmith brings,
`mdf(sr)`, and GMSD judges. A benchmark that was stopped goes on with the same command.
"""

import argparse
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter

import lossmith
from lossmith.commands.compare.trial_job import VALIDATION
from lossmith.commands.executors.base import LocalExecutor
from lossmith.commands.tune.front import gains, undominated
from lossmith.commands.tune.preparation import Preparation, prepare
from lossmith.commands.tune.search_space import Interval, Values, space
from lossmith.commands.tune.trial import Trial
from lossmith.data import Data
from lossmith.evaluation import Metric, available_deep_metrics, baseline, protocol_of, score
from lossmith.training import Recipe

Point = tuple[float, float]


@dataclass(frozen=True)
class Task:
    """What is searched for."""

    loss: str
    searches: tuple[str, ...]
    goals: tuple[str, str]

    @classmethod
    def of_installation(cls) -> "Task":
        """With losses and judges on networks where their weights are there."""
        if {"efficientnet_lite0", "lpips_squeeze"} <= set(available_deep_metrics()):
            features, goals = "features(squeezenet1_1, fire5)", ("psnr", "efficientnet_lite0")
            return cls(f"l1 + W*{features} + V*ssim", ("W=0.0001..0.1 log", "V=0..0.3"), goals)
        return cls("l1 + W*mdf(sr) + V*ssim", ("W=0.0001..0.1 log", "V=0..0.3"), ("psnr", "gmsd"))

    def preparation(self, recipe: Recipe, out: Path) -> Preparation:
        return prepare(space(self.loss, *self.searches), self.goals, Data(), recipe, out, 60.0, 1)


def fixed_trials(ready: Preparation, points: Sequence[Values]) -> list[Trial]:
    """Trials with given values, none of which is stopped early."""
    search = ready.search(LocalExecutor(), 0, 1)
    trials = []
    for number, values in enumerate(points):
        job, criterion = search.job(number, values)
        shared = {VALIDATION: search.data, job.loss: criterion}
        trials.append(job.load_result() or next(iter(LocalExecutor().run_jobs([job], shared))))
        print(f"  {job.loss}: {trials[-1].scores}", flush=True)
    return trials


def grid(ready: Preparation, count: int) -> list[Values]:
    """The points of a grid over two ranges with their ends, at most so many, finer in the first."""
    first, second = (dimension for dimension in ready.space.dimensions if isinstance(dimension, Interval))
    rows = math.isqrt(count)
    points = itertools.product(levels(first, count // rows), levels(second, rows))
    return [{first.name: one, second.name: other} for one, other in points]


def levels(interval: Interval, count: int) -> list[float]:
    """Numbers at equal steps, or equal factors, from one end to the other."""
    shares = [place / (count - 1) for place in range(count)]
    if interval.log:
        return [float(interval.nearest(interval.low ** (1 - s) * interval.high**s)) for s in shares]
    return [float(interval.nearest((1 - s) * interval.low + s * interval.high)) for s in shares]


def hypervolume(
    scores: Sequence[Mapping[str, float]], reference: Mapping[str, float], goals: Sequence[Metric]
) -> float:
    """The area that two goals dominate beyond a reference, each in its margins.

    >>> from lossmith.metrics.registry import known_metric
    >>> goals = [known_metric("psnr"), known_metric("ssim")]
    >>> points = [{"psnr": 30.2, "ssim": 0.904}, {"psnr": 30.1, "ssim": 0.908}, {"psnr": 29.0, "ssim": 0.95}]
    >>> round(hypervolume(points, {"psnr": 30.0, "ssim": 0.9}, goals), 6)  # 2 x 2 and 1 x 2
    6.0
    """

    def place(own: Mapping[str, float]) -> Point:
        pairs = zip(gains(own, goals), gains(reference, goals), goals, strict=True)
        across, up = ((gain - least) / goal.margin for gain, least, goal in pairs)
        return across, up

    area, height = 0.0, 0.0
    for across, up in sorted(map(place, scores), reverse=True):
        if across > 0 and up > height:
            area += across * (up - height)
            height = up
    return area


def front(trials: Sequence[Trial], goals: Sequence[Metric]) -> list[Trial]:
    """The complete trials that no other beats, best in the first goal first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    best = [complete[place] for place in undominated([trial.scores for trial in complete], goals)]
    return sorted(best, key=lambda trial: -gains(trial.scores, goals)[0])


def scores_of_degraded(ready: Preparation) -> dict[str, float]:
    """The goals of the degraded validation crops."""
    names = [goal.name for goal in ready.goals]
    protocol = protocol_of(ready.split.test_pairs, ready.data.pixels)
    rows = [score(baseline(pair), pair.clean, protocol, names) for pair in ready.split.test_pairs]
    return {name: fmean(row[name] for row in rows) for name in names}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/tune-benchmark"))
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--searches", type=int, default=2, help="with so many seeds of the sampler")
    options = parser.parse_args()
    out, task = options.out, Task.of_installation()
    recipe = Recipe(
        degradation="bicubic(2)",
        network="srresnet_small(features=16, blocks=2)",
        steps=options.steps,
        batch=4,
        patch=32,
        learning_rate=0.002,
        ema=0.99,
    )
    start = perf_counter()
    tuning = lossmith.tune(
        loss=task.loss,
        search=task.searches,
        goals=task.goals,
        trials=options.trials,
        recipe=recipe,
        out=out / "search-0",
    )
    minutes = (perf_counter() - start) / 60
    print(tuning, flush=True)

    searches = {}
    for seed in range(options.searches):
        ready = task.preparation(recipe, out / f"search-{seed}")
        searches[f"search, seed {seed}"] = ready.search(LocalExecutor(), seed, 1).carry_out(options.trials)
    goals, reference = ready.goals, scores_of_degraded(ready)
    first = next(iter(searches.values()))
    points = grid(ready, sum(trial.steps for trial in first) // options.steps)
    ways = {**searches, "grid": fixed_trials(task.preparation(recipe, out / "grid"), points)}

    labels = [goal.label for goal in goals]
    origin = ", ".join(f"{goal.label} {reference[goal.name]:.{goal.digits}f}" for goal in goals)
    print(f"\n{task.loss} with {' and '.join(task.searches)}; goals {' and '.join(labels)}")
    print(f"the search with its front and page took {minutes:.1f} minutes (less where it was resumed)")
    print(f"hypervolumes in margins, from {origin}\n")
    rows = [
        (
            way,
            len(trials),
            sum(trial.state == "pruned" for trial in trials),
            f"{sum(trial.steps for trial in trials)}",
            len(front(trials, goals)),
            f"{hypervolume([t.scores for t in front(trials, goals)], reference, goals):.2f}",
        )
        for way, trials in ways.items()
    ]
    print(table(["way", "trials", "stopped early", "steps", "on the front", "hypervolume"], rows))
    for way, trials in ways.items():
        print(f"\n{way}:\n")
        line = [
            (trial.loss, *(f"{trial.scores[goal.name]:.{goal.digits}f}" for goal in goals))
            for trial in front(trials, goals)
        ]
        print(table(["on the front", *labels], line))

    print("\nTrials that were stopped, trained to their end:\n")
    lines = []
    for seed, (way, trials) in enumerate(searches.items()):
        stopped = [trial for trial in trials if trial.state == "pruned"]
        ended = fixed_trials(
            task.preparation(recipe, out / f"stopped-{seed}"), [trial.values for trial in stopped]
        )
        everything = [trial for trial in trials if trial.state == "complete"] + ended
        lost = [trial for trial in front(everything, goals) if any(trial is other for other in ended)]
        spared = 1 - sum(trial.steps for trial in trials) / (len(trials) * options.steps)
        whole, kept = (
            hypervolume([t.scores for t in front(some, goals)], reference, goals) for some in (everything, trials)
        )
        lines.append(
            (way, len(stopped), len(lost), f"{spared:.0%} of the steps", f"{kept:.2f} instead of {whole:.2f}")
        )
    print(table(["way", "stopped", "would be on the front", "spared", "hypervolume"], lines))


if __name__ == "__main__":
    main()
