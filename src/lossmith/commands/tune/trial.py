"""A trial of a search: one run, judged by the goals on validation crops, or stopped early."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Literal, get_args

from lossmith import evaluation, losses
from lossmith.commands.compare.job import Job, RunResult
from lossmith.commands.compare.trial_job import VALIDATION
from lossmith.commands.tune.pruning import Looks, Pruned, Pruner, Rival, better_rival, read_looks
from lossmith.commands.tune.search_space import Values
from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from lossmith.data import PreparedData

State = Literal["complete", "pruned", "failed"]
"""It ran to its end, was stopped early, or diverged."""


@dataclass(frozen=True)
class Trial(RunResult):
    """The result of a trial."""

    number: int
    """From 0."""
    values: Values
    learning_rate: float
    state: State
    scores: Mapping[str, float]
    """The goals, each the mean over the validation crops, or of the look at which it was stopped; of a trial that
    failed none."""
    steps: int
    seconds: float
    """Of training; 0 for a trial that failed."""
    looks: Looks

    @property
    def note(self) -> str:
        """Why it was stopped or failed, in one sentence."""
        return self.failure or ""

    @property
    def rival(self) -> Rival:
        """It, as later trials see it."""
        return Rival(self.number, self.looks)


@dataclass(frozen=True)
class SearchJob(Job):
    """A trial, whose test images are validation crops."""

    number: int = 0
    values: Values = field(default_factory=dict)
    goals: tuple[str, ...] = ()
    rivals: tuple[Rival, ...] = ()
    """The complete trials that may stop it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.loss, VALIDATION

    @property
    def _outcome(self) -> Path:
        return self.folder / "trial.json"

    @property
    def _looks(self) -> Path:
        return self.folder / "looks.json"

    @property
    def observer(self) -> Pruner:
        goals = [evaluation.find_metric(name, self.settings.protocol.pixels) for name in self.goals]
        return Pruner(self._looks, goals, self.settings.protocol, self.rivals, self.settings.targets)

    def run(self, criterion: losses.Loss, data: PreparedData) -> Trial:
        """Train, from the last checkpoint if there is one, and judge. To diverge or be stopped is a result,
        too."""
        try:
            run = super().run(criterion, data)
            outcome = self._judged(run)
        except Pruned as stop:
            look = stop.look
            outcome = _Outcome("pruned", look.scores, look.step, look.seconds, stop.reason)
        write_text(self._outcome, json.dumps(asdict(outcome)) + "\n")
        return self._trial(outcome)

    def load_result(self) -> Trial | None:
        """The result of the trial, if it is over; one that diverged is not tried again."""
        if not self._outcome.is_file():
            return None
        try:
            stored = json.loads(self._outcome.read_text(encoding="utf-8"))
            outcome = _Outcome(**stored)
            if outcome.state not in get_args(State):
                raise ValueError(outcome.state)
            if outcome.state != "failed" and set(self.goals) != set(outcome.scores):
                raise ValueError(outcome.scores)
        except (ValueError, TypeError) as error:
            raise LossmithError(
                f"{self._outcome} is damaged; delete it, and the same command writes it anew"
            ) from error
        is_whole = outcome.state != "complete" or super().load_result()
        return self._trial(outcome) if is_whole else None

    def failed(self, reason: str) -> Trial:
        """The result of a trial that failed for this reason."""
        return self._trial(_Outcome("failed", {}, 0, 0.0, reason))

    def _judged(self, run: RunResult) -> _Outcome:
        if not run.summary:
            return _Outcome("failed", {}, 0, 0.0, run.failure)
        rows = evaluation.read_csv(run.run_folder.scores)
        scores = {name: fmean(row.scores[name] for row in rows) for name in self.goals}
        for name, score in scores.items():
            if not math.isfinite(score):
                reason = f"{name} of its validation crops is {score}"
                return _Outcome("failed", {}, run.summary.steps, run.summary.seconds, reason)
        return _Outcome("complete", scores, run.summary.steps, run.summary.seconds, None)

    def _trial(self, outcome: _Outcome) -> Trial:
        run = super().load_result() if outcome.state == "complete" else None
        return Trial(
            self.loss,
            self.settings.seed,
            self.folder,
            str(self.recipe.network),
            run.summary if run else None,
            outcome.reason,
            self.number,
            self.values,
            self.recipe.learning_rate,
            outcome.state,
            outcome.scores,
            outcome.steps,
            outcome.seconds,
            read_looks(self._looks),
        )


def comparable_scores(
    trial: Trial, trials: Sequence[Trial], goals: Sequence[evaluation.Metric]
) -> Mapping[str, float]:
    """The goals of a trial, so that they can be compared with those of others.

    A look is at other crops than the scores at the end. So a trial that was stopped gets the scores of the one
    that stopped it, less what it was behind at that look; empty where none of `trials` did.
    """
    if trial.state != "pruned":
        return trial.scores
    number = max(trial.looks)
    own = trial.looks[number].scores
    complete = {t.number: t for t in trials if t.state == "complete" and t.number < trial.number}
    rival = better_rival(own, number, [each.rival for each in complete.values()], goals)
    if not rival:
        return {}
    end, then = complete[rival.number].scores, rival.looks[number].scores
    return {goal.name: end[goal.name] + own[goal.name] - then[goal.name] for goal in goals}


@dataclass(frozen=True)
class _Outcome:
    """What `trial.json` holds."""

    state: State
    scores: Mapping[str, float]
    steps: int
    seconds: float
    reason: str | None


__all__ = ["SearchJob", "State", "Trial", "comparable_scores"]
