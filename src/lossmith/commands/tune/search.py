"""The trials of a search, one batch after the other, which are a function of its settings alone."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith.commands.compare.timing import clock
from lossmith.commands.compare.trial_job import VALIDATION
from lossmith.commands.executors.base import Executor, Job
from lossmith.commands.tune.front import gains, undominated
from lossmith.commands.tune.optuna_study import ask, record
from lossmith.commands.tune.pruning import Rival
from lossmith.commands.tune.search_space import LEARNING_RATE, SearchSpace, Value, Values
from lossmith.commands.tune.trial import SearchJob, Trial
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import write_text
from lossmith.core.progress import bars_shown
from lossmith.losses import Loss, SumLoss, WeightedLoss, for_channels, loss

if TYPE_CHECKING:
    from lossmith.data import PreparedData
    from lossmith.evaluation import Metric
    from lossmith.training import Init, Recipe, RunSettings

logger = logging.getLogger(__name__)

TRIAL_SEED = 0
"""Of every trial, so that all have the same first weights and patches; the front is trained with others."""


@dataclass
class Search:
    """The trials of a search.

    They go in batches of as many as run at once: those of a batch know of each other only that they run, and of
    the trials of all batches before how they ended. So what is tried, and what is stopped early, depends neither
    on which of them ends first nor on whether the search was stopped in between. The values of a trial are
    written before it begins, and are the same when it goes on.
    """

    space: SearchSpace
    goals: Sequence[Metric]
    recipe: Recipe
    data: PreparedData
    """Training images, with validation crops in the place of test images."""
    settings: RunSettings
    init: Init | None
    out: Path
    executor: Executor
    seed: int = 0
    """Of the sampler."""
    at_once: int = 1
    seconds_per_trial: float = 0.0
    """A forecast."""
    seconds_after: float = 0.0
    """A forecast for what follows the trials."""
    _trained: int = field(default=0)
    _started_at: float = field(default_factory=time.monotonic)

    def finished(self, count: int) -> int:
        """How many of the first trials are over."""
        return sum(self._folder(number).joinpath("trial.json").is_file() for number in range(count))

    def carry_out(self, count: int) -> list[Trial]:
        """The results of so many trials, which are carried out unless they are over.

        Raises LossmithError when a worker that carried out a trial died too often.
        """
        trials: list[Trial] = []
        while len(trials) < count:
            batch = self._batch(trials, min(self.at_once, count - len(trials)))
            results = self._results(batch, trials, count)
            trials += [results[job.number] for job, _ in batch]
            record(self.out / "optuna.db", self.space, self.goals, trials)
        return trials

    def _batch(self, over: Sequence[Trial], size: int) -> list[tuple[SearchJob, Loss]]:
        running: list[Values] = []
        for number in range(len(over), len(over) + size):
            running.append(self._values(number, over, running))
        rivals = tuple(trial.rival for trial in over if trial.state == "complete")
        return [self.job(len(over) + place, values, rivals) for place, values in enumerate(running)]

    def _values(self, number: int, over: Sequence[Trial], running: Sequence[Values]) -> dict[str, Value]:
        """The values of a trial: those that it began with, or else those that are asked for now."""
        path = self._folder(number) / "values.json"
        if path.is_file():
            return self._stored_values(path)
        values = ask(self.space, self.goals, over, running, number=number, seed=self.seed)
        write_text(path, json.dumps(values) + "\n")
        return values

    def _stored_values(self, path: Path) -> dict[str, Value]:
        try:
            values: dict[str, Value] = json.loads(path.read_text(encoding="utf-8"))
            if {*values} != {dimension.name for dimension in self.space.dimensions}:
                raise ValueError(values)
        except (ValueError, TypeError) as error:
            raise LossmithError(f"{path} is damaged; delete the folder of this trial to try it anew") from error
        return values

    def job(self, number: int, values: Values, rivals: Sequence[Rival] = ()) -> tuple[SearchJob, Loss]:
        """A trial, and its loss."""
        criterion = without_zeros(for_channels(loss(self.space.expression(values)), self.data.pixels.channels))
        rate = self.space.learning_rate(values)
        return (
            SearchJob(
                str(criterion),
                self._folder(number),
                self.recipe if rate is None else replace(self.recipe, learning_rate=rate),
                replace(self.settings, seed=TRIAL_SEED, dry_run=False),
                self.init,
                number,
                values,
                tuple(goal.name for goal in self.goals),
                tuple(rivals),
            ),
            criterion,
        )

    def _folder(self, number: int) -> Path:
        return self.out / "trials" / str(number)

    def _results(
        self, batch: Sequence[tuple[SearchJob, Loss]], over: Sequence[Trial], count: int
    ) -> dict[int, Trial]:
        """The results of a batch by number."""
        results = {job.number: trial for job, _ in batch if (trial := job.load_result())}
        unfinished = [(job, criterion) for job, criterion in batch if job.number not in results]
        if not unfinished:
            return results
        shared = {VALIDATION: self.data, **{job.loss: criterion for job, criterion in unfinished}}

        def title(job: Job[Trial]) -> str:
            return self._title(len(over) + 1 + [each.folder for each, _ in batch].index(job.folder), over, count)

        jobs = [job for job, _ in unfinished]
        with closing(self.executor.run_jobs(jobs, shared, title)) as finished:
            for trial in finished:
                results[trial.number] = trial
                self._trained += 1
                logger.info(self._line(trial))
        for job in jobs:
            if job.load_result() is None:  # it did not diverge, which would say something of its values
                failure = results[job.number].failure
                raise LossmithError(f"trial {job.number} failed: {failure}; the same command tries it again")
        return results

    def _title(self, place: int, over: Sequence[Trial], count: int) -> str:
        """Of the progress bar, as a trial begins."""
        elapsed = time.monotonic() - self._started_at
        each = elapsed / self._trained if self._trained else self.seconds_per_trial
        when = clock(each * (count - place + 1) + self.seconds_after)
        best = best_so_far(over, self.goals)
        title = ", ".join(filter(None, [f"run {place} of {count}", best, f"about {when}"]))
        if not bars_shown():
            logger.info(title)
        return title

    def _line(self, trial: Trial) -> str:
        """What a trial came to."""
        rate = f" at learning rate {trial.learning_rate:g}" if LEARNING_RATE in trial.values else ""
        ending = trial.note or scores_text(trial.scores, self.goals)
        return f"trial {trial.number}, {trial.loss}{rate}: {'stopped, ' * (trial.state == 'pruned')}{ending}"


def without_zeros(criterion: Loss) -> Loss:
    """The loss without the terms of its sum that are times 0, which cost time and change nothing.

    >>> str(without_zeros(loss("l1 + 0*ssim + 0.1*tv"))), str(without_zeros(loss("0*tv")))
    ('l1 + 0.1*tv', '0*tv')
    """
    if not isinstance(criterion, SumLoss):
        return criterion
    terms = [term for term in criterion.losses if not (isinstance(term, WeightedLoss) and term.weight == 0)]
    return sum(terms[1:], terms[0]) if terms else criterion


def best_so_far(trials: Sequence[Trial], goals: Sequence[Metric]) -> str:
    """The best score yet, or how many trials are on the front."""
    complete = [trial.scores for trial in trials if trial.state == "complete"]
    if not complete:
        return ""
    if len(goals) > 1:
        return f"{counted(len(undominated(complete, goals)), 'trial')} on the front"
    return f"best {scores_text(max(complete, key=lambda scores: gains(scores, goals)), goals)}"


def scores_text(scores: Mapping[str, float], goals: Sequence[Metric]) -> str:
    """Scores with their labels and units.

    >>> from lossmith.evaluation import find_metric
    >>> scores_text({"psnr": 27.314, "gmsd": 0.12}, [find_metric("psnr"), find_metric("gmsd")])
    'PSNR 27.31 dB, GMSD 0.1200'
    """
    return ", ".join(
        f"{goal.label} {scores[goal.name]:.{goal.digits}f}{' ' * bool(goal.unit)}{goal.unit}" for goal in goals
    )


__all__ = ["TRIAL_SEED", "Search", "best_so_far", "scores_text", "without_zeros"]
