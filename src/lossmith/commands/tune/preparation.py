"""What a search needs before its first step, which is when everything is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from lossmith import evaluation, training
from lossmith.commands.compare.timing import clock, span
from lossmith.commands.executors.base import Executor, LocalExecutor
from lossmith.commands.tune.confirmation import Confirmation
from lossmith.commands.tune.front import BEST, MAX_MEMBERS
from lossmith.commands.tune.search import Search
from lossmith.commands.tune.search_space import LEARNING_RATE, SearchSpace, Values, text_of
from lossmith.core.errors import LossmithError, counted
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import Data, PreparedData, prepare_data, split_validation, with_tests
from lossmith.degradations import degradation
from lossmith.evaluation import Metric, Race, Targets, find_metric
from lossmith.evaluation.statistics.metric_overlap import is_independent, optimizes_metric
from lossmith.losses import Loss, for_channels, loss, range_remarks
from lossmith.losses.registry import CATALOGUE
from lossmith.metrics.registry import JUDGE, known_metric
from lossmith.training import Init, Recipe, RunSettings

REPORT_SECONDS = 5.0
"""Of a report; a rough guess for one core."""


@dataclass(frozen=True)
class Preparation:
    """The images, the settings and the ends of a search."""

    space: SearchSpace
    goals: Sequence[Metric]
    metrics: Sequence[Metric]
    """Of the test images; the goals are among them."""
    ends: Mapping[str, Loss]
    """The losses at the ends of each dimension by their expressions, which are tried before the first step."""
    data: PreparedData
    split: PreparedData
    """With validation crops in the place of test images."""
    both: PreparedData
    """With the test images behind the validation crops."""
    recipe: Recipe
    init: Init | None
    settings: RunSettings
    """Of every run; trials have other metrics and another protocol."""
    out: Path
    remarks: tuple[str, ...]

    @property
    def config(self) -> dict[str, Any]:
        """What sets the runs of this search apart, beside its loss and the values that are tried."""
        return {**self.recipe.resume_key, **(self.init.identity if self.init else {}), **self.both.fingerprint}

    @property
    def members(self) -> int:
        """The most trials that are trained again."""
        return BEST if len(self.goals) == 1 else MAX_MEMBERS

    def begin(self, config: dict[str, Any], race: Race, trials: int, *, new: bool) -> AbstractContextManager[None]:
        """Check what is left to be checked, write `tune.yaml`, and lock the folder for the block."""
        tasks = [training.SupervisedTask(criterion, self.recipe) for criterion in self.ends.values()]
        runs = trials + self.members * race.most
        settings = replace(self.settings, dry_run=new)
        return training.begin(self.out / "tune.yaml", config, tasks, self.both, settings, runs)

    def search(self, executor: Executor, seed: int, at_once: int) -> Search:
        """The trials, still to be carried out."""
        protocol = evaluation.protocol_of(self.split.test_pairs, self.data.pixels)
        settings = replace(
            self.settings, protocol=protocol, metrics=tuple(goal.name for goal in self.goals), targets=Targets()
        )
        return Search(
            self.space, self.goals, self.recipe, self.split, settings, self.init, self.out, executor, seed, at_once
        )

    def confirmation(self, executor: Executor, race: Race) -> Confirmation:
        """The runs of the front, still to be carried out."""
        crops = frozenset(pair.name for pair in self.split.test_pairs)
        return Confirmation(
            self.goals, self.recipe, self.both, crops, self.settings, self.init, self.out, executor, race
        )

    def forecast(self) -> Forecast:
        """How long runs will take; to be called after a dry run."""
        durations = training.measure_durations(
            list(self.ends.values()), self.recipe.per_device(self.settings.devices), self.both, self.settings
        )
        train = 60 * self.recipe.minutes if self.recipe.minutes else 0.0
        train = train or (self.recipe.steps or 0) * fmean(durations.step.values())
        pixels = [
            sum(pair.clean.numel() for pair in pairs) for pairs in (self.split.test_pairs, self.both.test_pairs)
        ]
        return Forecast(train + durations.scoring * pixels[0] / pixels[1], train + durations.scoring)


@dataclass(frozen=True)
class Forecast:
    """How long runs take, in seconds."""

    trial: float
    member: float
    """A run of the front, with its test images."""

    def announcement(self, trials: int, all_trials: int, members: int, race: Race, executor: Executor) -> str:
        """How long a search will take of which so many trials are left."""
        if not isinstance(executor, LocalExecutor):
            return (
                f"a trial takes about {span(self.trial)} on a machine like this, and as many are carried out "
                "at once as the cluster has room for"
            )
        seconds = trials * self.trial + self.after(members, race)
        left = (
            f"the {trials} of {all_trials} trials that are left"
            if trials < all_trials
            else counted(trials, "trial")
        )
        runs = counted(members * race.least, "run")
        return (
            f"{left}, at most {runs} of the front and the report take about {span(seconds)}, until "
            f"{clock(seconds)}; less where trials are stopped early"
        )

    def after(self, members: int, race: Race) -> float:
        """The time of what follows the trials."""
        return members * race.least * self.member + REPORT_SECONDS


def prepare(
    space: SearchSpace,
    goals: Sequence[str],
    data: Data,
    recipe: Recipe,
    out: Path,
    save_every: float,
    devices: int,
) -> Preparation:
    """Read the images, build the losses at the ends of the space, and cut off what is validated on.

    Raises LossmithError for what cannot be trained, or judged by the goals.
    """
    for values in space.corners():
        _build(space, values)  # raises before images are read
    prepared = prepare_data(data, recipe.degradation, out)
    pixels = prepared.pixels
    metrics = [find_metric(goal, pixels) for goal in goals]
    ends = {str(criterion): criterion for criterion in (_build(space, v, pixels) for v in space.ends())}
    names, least, remarks = [], 1, list[str]()
    for values in space.corners():  # one after the other: each may hold a large network
        criterion = _build(space, values, pixels)
        names.append(str(criterion))
        least = max(least, criterion.min_side)
        remarks += range_remarks(criterion, pixels)
    recipe = replace(recipe, degradation=prepared.degradation)
    recipe, init = training.open_init(recipe, prepared.source.scale, pixels)
    kind = None if data.clean is not None else degradation(prepared.degradation)
    border = evaluation.protocol_of(prepared.test_pairs, pixels).border
    least = max(least, *(metric.min_side + 2 * border for metric in metrics))
    split = split_validation(prepared, kind, recipe.patch, least)
    both = with_tests(split, prepared, least)
    shown = _test_metrics(goals, names, prepared)
    return Preparation(
        space,
        metrics,
        shown,
        ends,
        prepared,
        split,
        both,
        recipe,
        init,
        RunSettings(
            protocol=evaluation.protocol_of(both.test_pairs, pixels),
            save_every=save_every,
            devices=devices,
            metrics=tuple(metric.name for metric in shown),
            targets=Targets(),
        ),
        out,
        tuple(dict.fromkeys([*remarks, *_dependence(metrics, names)])),
    )


def check_goals(goals: Sequence[str]) -> list[str]:
    """The names of the goals.

    Raises LossmithError for a metric that is not known or lacks its weights, and for one that is given twice.
    """
    names = [find_metric(goal).name for goal in goals]
    if not names:
        raise LossmithError("a search needs at least one of `goals`, such as psnr")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise LossmithError(f"`goals` has '{twice}' twice; each may be given once")
    return names


def _build(space: SearchSpace, values: Values, pixels: PixelFormat | None = None) -> Loss:
    """The loss at a point of the space, for images of this format."""
    try:
        criterion = loss(space.expression(values))
        return for_channels(criterion, pixels.channels) if pixels else criterion
    except LossmithError as error:
        raise LossmithError(_why_no_loss(space, values, error)) from error


def _why_no_loss(space: SearchSpace, values: Values, error: LossmithError) -> str:
    factors = re.findall(r"(?<![\w.:])([A-Za-z_]\w*)\s*%?\s*\*", re.sub(r"\"[^\"]*\"|'[^']*'", "", space.loss))
    unknown = [name for name in factors if name not in {*values, *CATALOGUE, "rest"}]
    if unknown:
        return f"'{unknown[0]}' in the loss has no `search`, such as '{unknown[0]}=0.001..1 log'"
    where = " and ".join(f"{name}={text_of(value)}" for name, value in values.items() if name != LEARNING_RATE)
    return f"with {where}: {error}" if where else str(error)


def _test_metrics(goals: Sequence[str], losses: Sequence[str], data: PreparedData) -> list[Metric]:
    """The goals, PSNR and SSIM, and of the deep metrics of a tournament those that are not among them."""
    usual = evaluation.tournament_metrics(losses, data.source.scale, data.pixels)
    deep = [name for name in usual if name in evaluation.available_deep_metrics() or name == JUDGE]
    wanted = dict.fromkeys([*goals, *(name for name in ("psnr", "ssim") if name in usual), *deep])
    return [known_metric(name) for name in wanted]


def _dependence(goals: Sequence[Metric], losses: Sequence[str]) -> list[str]:
    """Remarks on goals that say less than others, since the loss is made of the same."""
    remarks = []
    for goal in goals:
        if any(optimizes_metric(each, goal.name) for each in losses):
            remarks.append(f"the goal {goal.name} measures what the loss itself is made of")
        elif not all(is_independent(goal.name, each) for each in losses):
            remarks.append(
                f"the goal {goal.name} looks through a network like that of the loss, which flatters it; one of "
                "another family tells more"
            )
    return remarks


__all__ = ["Forecast", "Preparation", "check_goals", "prepare"]
