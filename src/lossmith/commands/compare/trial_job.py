"""A trial: a short run of a loss under one candidate setting, judged by the loss itself on validation crops.

Learning rates are chosen by trials. What else a recipe or an expression leaves open could be, too: a trial has its
recipe, and its loss is looked up by a key like that of any job.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from lossmith import evaluation, losses, training
from lossmith.commands.compare.job import Job, RunResult
from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.data import PreparedData

VALIDATION = "validation split"
"""The key of the images of trials among what jobs share."""


@dataclass(frozen=True)
class TrialResult(RunResult):
    """The result of a trial."""

    objective: float
    """The loss on the validation crops; NaN where the run failed."""
    psnr: float
    """Of the crops, in dB."""


@dataclass(frozen=True)
class TrialJob(Job):
    """A trial, whose test images are validation crops."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.loss, VALIDATION

    @property
    def _outcome(self) -> Path:
        return self.folder / "trial.json"

    def run(self, criterion: losses.Loss, data: PreparedData) -> TrialResult:
        """Train, from the last checkpoint if there is one, and validate. A run that diverges is a result, too."""
        run = super().run(criterion, data)
        objective = psnr = math.nan
        if run.summary:
            objective = training.validation_loss(criterion, run.model, data.test_pairs)
            scores = [row.scores["psnr"] for row in evaluation.read_csv(run.run_folder.scores)]
            psnr = sum(scores) / len(scores)
        numbers = {"objective": objective, "psnr": psnr}
        outcome = {name: str(number) for name, number in numbers.items()}  # JSON has no NaN
        write_text(self._outcome, json.dumps({**outcome, "failure": run.failure}) + "\n")
        return self._trial(run, objective, psnr)

    def load_result(self) -> TrialResult | None:
        """The result of the trial, if it is finished; one that diverged is not tried again."""
        if not self._outcome.is_file():
            return None
        try:
            outcome = json.loads(self._outcome.read_text(encoding="utf-8"))
            objective, psnr, failure = float(outcome["objective"]), float(outcome["psnr"]), outcome["failure"]
        except (ValueError, TypeError, KeyError) as error:
            raise LossmithError(
                f"{self._outcome} is damaged; delete it, and the same command writes it anew"
            ) from error
        run = self.failed(failure) if failure else super().load_result()
        return self._trial(run, objective, psnr) if run else None

    def failed(self, reason: str) -> TrialResult:
        """The result of a trial that failed for this reason."""
        return self._trial(super().failed(reason), math.nan, math.nan)

    def _trial(self, run: RunResult, objective: float, psnr: float) -> TrialResult:
        return TrialResult(run.loss, run.seed, run.folder, run.network, run.summary, run.failure, objective, psnr)


__all__ = ["VALIDATION", "TrialJob", "TrialResult"]
