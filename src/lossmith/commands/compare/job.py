"""One run of a tournament, as it is handed to an executor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import losses, training
from lossmith.commands.trained_run import TrainedRun
from lossmith.core.errors import Diverged
from lossmith.training import Recipe

if TYPE_CHECKING:
    from lossmith.data import PreparedData


IMAGES = "images"
"""The key of the images among what jobs share; the others are losses by their expressions."""


@dataclass(frozen=True)
class RunResult(TrainedRun):
    """The result of one run of a tournament."""

    loss: str
    seed: int
    folder: Path
    network: str
    summary: training.RunSummary | None
    """None when the run failed."""
    failure: str | None
    """Why the run failed, in one sentence."""


@dataclass(frozen=True)
class Job:
    """What sets one run of a tournament apart; the losses and the images are passed beside it."""

    loss: str
    folder: Path
    recipe: Recipe
    settings: training.RunSettings
    init: training.Init | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.loss, IMAGES

    @property
    def run_folder(self) -> training.RunFolder:
        return training.RunFolder(self.folder)

    @property
    def observer(self) -> training.Observer | None:
        """Sees the validations of the run."""
        return None

    def run(self, criterion: losses.Loss, data: PreparedData) -> RunResult:
        """Train, from the last checkpoint if there is one. A loss that diverges is a result and raises nothing."""
        task = training.SupervisedTask(criterion, self.recipe, init=self.init)
        try:
            run = training.train_run(self.run_folder, task, data, self.settings, observer=self.observer)
            return self._result(run)
        except Diverged as error:
            return self.failed(str(error))

    def load_result(self) -> RunResult | None:
        """The result of the run, if it is finished."""
        summary = self.run_folder.load_summary()
        return self._result(summary) if summary else None

    def failed(self, reason: str) -> RunResult:
        """The result of a run that failed for this reason."""
        return self._result(None, reason)

    def _result(self, summary: training.RunSummary | None, failure: str | None = None) -> RunResult:
        return RunResult(self.loss, self.settings.seed, self.folder, str(self.recipe.network), summary, failure)
