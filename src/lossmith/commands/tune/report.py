"""The results of a search as a page, as JSON and as a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np

from lossmith.commands.compare.results_json import no_nan
from lossmith.commands.compare.scores import Scores
from lossmith.commands.tune.confirmation import Confirmation, Member
from lossmith.commands.tune.search_space import Interval, SearchSpace
from lossmith.commands.tune.trial import Trial, comparable_scores
from lossmith.core.files import write_text
from lossmith.core.provenance import environment
from lossmith.data import ImagePair, PreparedData, read_picture
from lossmith.evaluation import Metric, Row, baseline, ranking
from lossmith.evaluation.statistics.intervals import estimate
from lossmith.evaluation.statistics.score_table import NothingToCompareError
from lossmith.report import (
    FrontMember,
    ImageComparison,
    ScoreMean,
    SearchRange,
    TuningContents,
    TuningTrial,
    comparison_of,
    most_different,
    write_tuning,
)

MAX_IMAGES, CANDIDATES = 4, 12
"""Test images on the page, those in which the front differs most visibly; of so many whose scores differ most."""


@dataclass(frozen=True)
class SearchResults:
    """A search that is over."""

    space: SearchSpace
    trials: Sequence[Trial]
    members: Sequence[Member]
    confirmation: Confirmation
    data: PreparedData
    """With the test images."""
    metrics: Sequence[Metric]
    """Of the test images."""
    command: str
    seed: int
    bands: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def scores(self, trial: Trial) -> Mapping[str, float]:
        """The goals of a trial, as they can be compared with those of the others."""
        return comparable_scores(trial, self.trials, self.goals)

    @property
    def goals(self) -> Sequence[Metric]:
        return self.confirmation.goals

    @property
    def out(self) -> Path:
        return self.confirmation.out


def write_results(results: SearchResults) -> TuningContents:
    """Write `report.html`, `results.json` and `trials.csv`; returns what the page holds."""
    contents = make_contents(results)
    write_table(results.out / "trials.csv", results)
    write_json(results.out / "results.json", contents)
    write_tuning(results.out / "report.html", contents)
    return contents


def make_contents(results: SearchResults) -> TuningContents:
    """What the page holds; the degraded test images are scored, unless that is stored."""
    confirmation, trials = results.confirmation, [member.trial for member in results.members]
    runs = [run for member in results.members for run in member.runs]
    crops = confirmation.rows(runs, trials)
    tests = confirmation.rows(runs, trials, crops=False)
    degraded = Scores(
        results.data.test_pairs,
        confirmation.settings.protocol,
        results.out,
        [metric.name for metric in results.metrics],
        confirmation.settings.targets,
    ).of_degraded()
    return TuningContents(
        loss=results.space.loss,
        ranges=[
            SearchRange(each.name, str(each), each.log)
            if isinstance(each, Interval)
            else SearchRange(each.name, str(each), choices=each.options)
            for each in results.space.dimensions
        ],
        goals=results.goals,
        trials=[
            TuningTrial(
                trial.number,
                trial.values,
                trial.loss,
                trial.state,
                results.scores(trial),
                trial.seconds,
                trial.note,
            )
            for trial in results.trials
        ],
        members=_in_order([_front_member(m, results, crops, tests) for m in results.members], results.goals[0]),
        metrics=results.metrics,
        comparisons=_comparisons(results, tests),
        degradation=results.data.degradation,
        network=str(confirmation.recipe.network),
        budget=f"{confirmation.recipe.budget} per run",
        protocol=str(confirmation.settings.protocol),
        command=results.command,
        environment=_environment(results),
        images=len({row.image for row in degraded}),
        degraded={m.name: fmean(row.scores[m.name] for row in degraded) for m in results.metrics},
        notes=[*results.notes, *results.data.remarks],
    )


def _front_member(
    member: Member, results: SearchResults, crops: Sequence[Row], tests: Sequence[Row]
) -> FrontMember:
    summaries = [run.summary for run in member.runs if run.summary]
    return FrontMember(
        trial=member.trial.number,
        values=member.trial.values,
        loss=member.trial.loss,
        validation=_seed_means(crops, member.name, results.goals),
        test=_means(tests, member.name, results.metrics),
        seeds=[run.seed for run in member.runs if run.summary],
        on_front=not member.reason,
        reason=member.reason,
        milliseconds_per_step=min((s.milliseconds_per_step for s in summaries), default=math.nan),
        seconds=fmean(s.seconds for s in summaries) if summaries else math.nan,
    )


def _in_order(members: Sequence[FrontMember], goal: Metric) -> list[FrontMember]:
    """The best in a goal first, and those without a score last."""

    def place(member: FrontMember) -> float:
        mean = member.validation[goal.name].value if goal.name in member.validation else math.nan
        return math.inf if math.isnan(mean) else -mean if goal.higher_is_better else mean

    return sorted(members, key=place)


def _seed_means(rows: Sequence[Row], method: str, goals: Sequence[Metric]) -> dict[str, ScoreMean]:
    """The means of one method, by goal; their intervals say what other seeds would give on these crops.

    All trials are judged on the same crops, so how difficult these are is no part of what sets two of them apart.
    """
    means = {}
    for goal in goals:
        scores: dict[int, list[float]] = {}
        for row in rows:
            if row.method == method:
                scores.setdefault(row.seed, []).append(row.scores.get(goal.name, math.nan))
        if scores:
            of_seeds = estimate(np.array([[fmean(own)] for own in scores.values()]))
            means[goal.name] = ScoreMean(of_seeds.mean, *of_seeds.interval())
    return means


def _means(rows: Sequence[Row], method: str, metrics: Sequence[Metric]) -> dict[str, ScoreMean]:
    """The means of one method, by metric, with the intervals of other seeds and images.

    NaN where an image has no score.
    """
    means = {}
    for metric in metrics:
        try:
            standing = ranking(rows, metric, [method])
        except NothingToCompareError:
            means[metric.name] = ScoreMean(math.nan)
        else:
            means[metric.name] = ScoreMean(standing.means[method], *standing.intervals[method])
    return means


def _comparisons(results: SearchResults, rows: Sequence[Row]) -> list[ImageComparison]:
    """Some test images, as the first seed of each member restored them."""
    folders = {m.name: m.runs[0].run_folder for m in results.members if m.runs and m.runs[0].summary}
    pixels = results.data.pixels

    def differs(pair: ImagePair) -> float:
        scores = [row.scores for row in rows if row.image == pair.name]
        spreads = [pstdev(s[g.name] for s in scores) / (g.margin or 1.0) for g in results.goals if scores]
        return sum(spread for spread in spreads if math.isfinite(spread))

    def comparison(pair: ImagePair) -> ImageComparison:
        restored = {
            name: pixels.to_unit(read_picture(folder.image(pair.name), pixels)) for name, folder in folders.items()
        }
        return comparison_of(pair.name, pair.clean, baseline(pair, pixels), restored, pixels, results.bands)

    if not folders:
        return []
    return most_different(map(comparison, nlargest(CANDIDATES, results.data.test_pairs, key=differs)), MAX_IMAGES)


def _environment(results: SearchResults) -> dict[str, str]:
    recipe = results.confirmation.recipe
    summaries = [run.summary for member in results.members for run in member.runs if run.summary]
    device = {"Device": summaries[0].device} if summaries else {}  # the runs may have been on other machines
    searched = any(dimension.name == "learning_rate" for dimension in results.space.dimensions)
    rate = "learning rate as in the trial" if searched else f"learning rate {recipe.learning_rate:g}"
    return {
        "Training images": str(len(results.data.source.names)),
        "Validation crops": str(len(results.confirmation.crops)),
        "Test images": ", ".join(pair.name for pair in results.data.test_pairs),
        "Patches": f"{recipe.batch} of {recipe.patch} x {recipe.patch} pixels per step",
        "Optimizer": f"Adam, {rate}, decay {recipe.decay}, ema {recipe.ema:g}",
        "Sampler": f"TPE of Optuna, seed {results.seed}",
        **environment("lightning-fabric", "optuna", "numpy"),
        **device,
    }


def write_table(path: Path, results: SearchResults) -> None:
    """Write `trials.csv`: a line for every trial."""
    names = [dimension.name for dimension in results.space.dimensions]
    goals = [goal.name for goal in results.goals]
    columns = list(dict.fromkeys(["number", "state", *names, *goals, "steps", "seconds", "loss", "note"]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for trial in results.trials:
        own = {name: getattr(trial, name) for name in ("number", "state", "steps", "seconds", "loss", "note")}
        writer.writerow({**trial.values, **results.scores(trial), **own})
    write_text(path, text.getvalue())


def write_json(path: Path, contents: TuningContents) -> None:
    """Write `results.json`: all that the page holds but pictures."""
    plain: dict[str, Any] = {
        "loss": contents.loss,
        "search": {each.name: each.text for each in contents.ranges},
        "goals": [{"name": g.name, "higher_is_better": g.higher_is_better} for g in contents.goals],
        "front": [asdict(member) for member in contents.members],
        "trials": [asdict(trial) for trial in contents.trials],
        "degraded": dict(contents.degraded),
        "degradation": contents.degradation,
        "network": contents.network,
        "budget": contents.budget,
        "protocol": contents.protocol,
        "command": contents.command,
        "environment": dict(contents.environment),
        "notes": list(contents.notes),
    }
    write_text(path, json.dumps(no_nan(plain), indent=1, allow_nan=False) + "\n")


__all__ = ["SearchResults", "make_contents", "write_results"]
