"""The front trained again with fresh seeds: who stays on it, by the validation crops."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import evaluation
from lossmith.commands.compare.job import IMAGES, Job, RunResult
from lossmith.commands.compare.timing import clock
from lossmith.commands.executors import base as executors
from lossmith.commands.tune.front import candidates, dominated, is_decided, outcomes
from lossmith.core.errors import counted
from lossmith.core.progress import bars_shown
from lossmith.losses import for_channels, loss

if TYPE_CHECKING:
    from lossmith.commands.tune.trial import Trial
    from lossmith.data import PreparedData
    from lossmith.evaluation import Metric, Row
    from lossmith.losses import Loss
    from lossmith.training import Init, Recipe, RunSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """A trial of the front with its runs."""

    trial: Trial
    runs: tuple[RunResult, ...]
    """By rising seed; the last one has a failure if there is one."""
    reason: str = ""
    """Why it is off the front: a sentence without its full stop; empty where it is on it."""

    @property
    def name(self) -> str:
        return method_name(self.trial)


@dataclass
class Confirmation:
    """The runs by which the front is confirmed.

    Each member is trained with seeds that no trial had. Its scores on the validation crops decide; those on test
    images are not looked at.
    """

    goals: Sequence[Metric]
    recipe: Recipe
    data: PreparedData
    """As the trials had it, with test images behind the validation crops."""
    crops: frozenset[str]
    """The names of the validation crops."""
    settings: RunSettings
    init: Init | None
    out: Path
    executor: executors.Executor
    race: evaluation.Race
    seconds_per_run: float = 0.0
    """A forecast."""

    @property
    def criteria(self) -> evaluation.Criteria:
        return evaluation.Criteria(looks=self.race.looks)

    def carry_out(self, trials: Sequence[Trial]) -> list[Member]:
        """The members of the front, best in the first goal first.

        After the least number of seeds those that another is known to dominate drop out; the others go on, seed by
        seed, until nothing is open or they have the greatest number.
        """
        chosen = chosen_trials(trials, self.goals)
        losses = {t.loss: for_channels(loss(t.loss), self.data.pixels.channels) for t in chosen}
        runs: dict[str, list[RunResult]] = {method_name(trial): [] for trial in chosen}
        reasons: dict[str, str] = {}
        seeds = range(1, self.race.least + 1)
        while True:
            alive = [trial for trial in chosen if method_name(trial) not in reasons]
            for trial, result in self._results(alive, seeds, losses):
                runs[method_name(trial)].append(result)
            reasons |= {
                name: f"it failed under seed {run.seed}: {run.failure}"
                for name, own in runs.items()
                for run in own
                if run.failure
            }
            methods = [name for name in runs if name not in reasons]
            rows = self.rows([run for name in methods for run in runs[name]], chosen)
            known = outcomes(rows, methods, self.goals, self.criteria)
            reasons |= dominated(known, methods, self.goals)
            left = [name for name in methods if name not in reasons]
            if seeds[-1] == self.race.most or is_decided(known, left):
                break
            seeds = range(seeds[-1] + 1, seeds[-1] + 2)
        if len(self.goals) == 1:
            reasons |= self._beside_the_best(rows, left)
        return [Member(t, tuple(runs[method_name(t)]), reasons.get(method_name(t), "")) for t in chosen]

    def rows(self, runs: Sequence[RunResult], trials: Sequence[Trial], crops: bool = True) -> list[Row]:
        """The scores of runs on the validation crops, or else on the test images, by the names of the members."""
        names = {self._folder(trial): method_name(trial) for trial in trials}
        return [
            replace(row, method=names[run.folder.parent])
            for run in runs
            if run.summary
            for row in evaluation.read_csv(run.run_folder.scores)
            if (row.image in self.crops) == crops
        ]

    def _beside_the_best(self, rows: Sequence[Row], methods: Sequence[str]) -> dict[str, str]:
        """Why those are not named that are not known to be worse than the best of one goal."""
        if len(methods) < 2:
            return {}
        [goal] = self.goals
        best, *others = [n for n in evaluation.ranking(rows, goal, methods, self.criteria).order if n in methods]
        known = outcomes(rows, methods, self.goals, self.criteria)
        return {
            name: f"it is as good as {best}, within {goal.margin:g} {goal.unit}".rstrip()
            if known[best, name][goal.name] == "equivalent"
            else f"{best} has the better mean, though that may be chance"
            for name in others
        }

    def _results(
        self, trials: Sequence[Trial], seeds: Sequence[int], losses: Mapping[str, Loss]
    ) -> list[tuple[Trial, RunResult]]:
        planned = [(self._job(trial, seed), trial) for seed in seeds for trial in trials]
        jobs = {job.folder: (job, trial) for job, trial in planned}
        results = {folder: result for folder, (job, _) in jobs.items() if (result := job.load_result())}
        unfinished = [job for folder, (job, _) in jobs.items() if folder not in results]
        if unfinished:
            which = "of the front " if len(self.goals) > 1 else ""
            logger.info(f"training {counted(len(trials), 'trial')} {which}again, with fresh seeds")

        def title(job: executors.Job[RunResult]) -> str:
            place = [each.folder for each in unfinished].index(job.folder)
            when = clock(self.seconds_per_run * (len(unfinished) - place))
            text = f"fresh seeds, run {place + 1} of {len(unfinished)}, about {when}"
            if not bars_shown():
                logger.info(text)
            return text

        shared = {**losses, IMAGES: self.data}
        with closing(self.executor.run_jobs(unfinished, shared, title)) as finished:
            for result in finished:
                results[result.folder] = result
                if result.failure:
                    logger.error(f"{result.loss}, seed {result.seed}: {result.failure}")
        return [(trial, results[folder]) for folder, (_, trial) in jobs.items()]

    def _job(self, trial: Trial, seed: int) -> Job:
        return Job(
            trial.loss,
            self._folder(trial) / f"seed-{seed}",
            replace(self.recipe, learning_rate=trial.learning_rate),
            replace(self.settings, seed=seed, dry_run=False),
            self.init,
        )

    def _folder(self, trial: Trial) -> Path:
        return self.out / "front" / f"trial-{trial.number}"


def chosen_trials(trials: Sequence[Trial], goals: Sequence[Metric]) -> list[Trial]:
    """The trials to be trained again; of those with the same loss and learning rate the first."""
    complete = {
        (trial.loss, trial.learning_rate): trial for trial in reversed(trials) if trial.state == "complete"
    }
    different = sorted(complete.values(), key=lambda trial: trial.number)
    return [different[place] for place in candidates([trial.scores for trial in different], goals)]


def method_name(trial: Trial) -> str:
    """By which the scores of its runs and its pictures know a trial."""
    return f"trial {trial.number}"


__all__ = ["Confirmation", "Member", "chosen_trials", "method_name"]
