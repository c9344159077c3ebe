"""The runs of a tournament: what each trains, where it is carried out, and what its scores say."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from lossmith import evaluation, training
from lossmith.commands.compare.job import IMAGES, Job, RunResult
from lossmith.commands.compare.timing import Place, Timetable
from lossmith.commands.executors import base as executors
from lossmith.core.files import safe_file_name
from lossmith.core.progress import bars_shown

if TYPE_CHECKING:
    from lossmith.commands.compare.scores import Scores
    from lossmith.data import PreparedData
    from lossmith.losses import Loss
    from lossmith.training import Recipe

logger = logging.getLogger(__name__)


@dataclass
class Tournament:
    """The runs of a tournament, of which several rounds may be carried out."""

    contenders: Mapping[str, Loss]
    recipes: Mapping[str, Recipe]
    """By loss; they share all but the learning rate."""
    data: PreparedData
    settings: training.RunSettings
    init: training.Init | None
    criteria: evaluation.Criteria
    executor: executors.Executor
    out: Path
    connection: ExitStack
    """Keeps the connection of the executor between rounds."""
    scores: Scores
    timetable: Timetable | None = None
    """For the titles of the progress bar."""
    _is_connected: bool = field(default=False)

    def job(self, place: Place) -> Job:
        loss, seed = place
        return Job(
            loss,
            self.out / "runs" / safe_file_name(loss) / f"seed-{seed}",
            self.recipes[loss],
            replace(self.settings, seed=seed, dry_run=False),
            self.init,
        )

    def finished(self, place: Place) -> RunResult | None:
        """The result of a run, if it is finished already."""
        return self.job(place).load_result()

    def finished_places(self, seeds: int) -> set[Place]:
        """The runs that need not be trained, of these first seeds."""
        places = [(loss, seed) for loss in self.contenders for seed in range(seeds)]
        return {place for place in places if self.finished(place)}

    def tell_time(
        self,
        race: evaluation.Race,
        finished: Collection[Place],
        budget: float,
        losses: Sequence[str],
        report_seconds: float,
        trials: Mapping[str, float],
    ) -> None:
        """Log how long it will take, and from now on say it beside the progress bar; `losses` took a dry run.

        `trials` says by loss how many runs the choice of learning rates is worth.
        """
        recipe = self.recipes[losses[0]]
        durations = training.measure_durations(
            [self.contenders[loss] for loss in losses],
            recipe.per_device(self.settings.devices),
            self.data,
            self.settings,
        )
        train = 60 * recipe.minutes if recipe.minutes else 0.0
        slowest = max(durations.step.values())
        seconds = {
            loss: (train or (recipe.steps or 0) * durations.step.get(loss, slowest)) + durations.scoring
            for loss in self.contenders
        }
        trial_seconds = sum(seconds[loss] * length for loss, length in trials.items())
        self.timetable = Timetable(race, seconds, finished, report_seconds, budget, trial_seconds)
        logger.info(self.timetable.announcement(at_once=not isinstance(self.executor, executors.LocalExecutor)))

    def connect(self) -> None:
        """Connect to where jobs are carried out, unless that was done, for as long as the tournament takes."""
        if not self._is_connected:
            self.connection.enter_context(self.executor.connection())
            self._is_connected = True

    def carry_out(self, places: Sequence[Place]) -> list[RunResult]:
        """The results of these runs, in this order, which are trained unless they are finished."""
        jobs = [self.job(place) for place in places]
        if any(job.load_result() is None for job in jobs):
            self.connect()
        by_place: dict[Place, RunResult] = {}
        shared = {**self.contenders, IMAGES: self.data}
        by_folder = {job.folder: place for job, place in zip(jobs, places, strict=True)}

        def title(job: executors.Job[RunResult]) -> str:
            return self._title(by_folder[job.folder])

        with closing(self.executor.run_jobs(jobs, shared, title if self.timetable else None)) as results:
            for result in results:
                by_place[result.loss, result.seed] = result
                if result.failure:  # the others continue, and the report names this one
                    logger.error(f"{result.loss}, seed {result.seed}: {result.failure}")
        return [by_place[place] for place in places]

    def advise(self, runs: Sequence[RunResult], losses: Sequence[str]) -> evaluation.Advice:
        """What the scores of runs say of these losses."""
        rows = [*self.scores.of_degraded(), *self.scores.of_runs(runs)]
        return evaluation.advise(rows, losses, self.criteria, step_costs(runs))

    def _title(self, place: Place) -> str:
        assert self.timetable
        title, (loss, seed) = self.timetable.title(place), place
        if not bars_shown() and place not in self.timetable.finished:
            logger.info(f"{title}: {loss}, seed {seed}")
        return title


def step_costs(runs: Sequence[RunResult]) -> dict[str, float]:
    """Milliseconds of a step under each loss: those of its fastest run, which other programs disturbed least."""
    return {loss: min(s.milliseconds_per_step for s in own) for loss, own in _summaries(runs).items()}


def run_seconds(runs: Sequence[RunResult]) -> dict[str, float]:
    """Seconds of training in one run under each loss."""
    return {loss: fmean(s.seconds for s in own) for loss, own in _summaries(runs).items()}


def _summaries(runs: Sequence[RunResult]) -> dict[str, list[training.RunSummary]]:
    """The summaries of the finished runs of each loss that has any."""
    losses: dict[str, list[training.RunSummary]] = {}
    for run in runs:
        if run.summary:
            losses.setdefault(run.loss, []).append(run.summary)
    return losses
