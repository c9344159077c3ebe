"""One run of a tournament, as it is handed to whoever carries it out."""

from dataclasses import dataclass
from pathlib import Path

from lossmith.core.errors import Diverged
from lossmith.data import PreparedData
from lossmith.evaluation import Protocol
from lossmith.losses import Loss
from lossmith.training import Recipe, RunFolder, RunSummary
from lossmith.training.initial_weights import Init


@dataclass(frozen=True)
class RunResult:
    """What came of one run of a tournament."""

    loss: str
    seed: int
    folder: RunFolder
    summary: RunSummary | None
    """None when the run failed."""
    failure: str | None


@dataclass(frozen=True)
class Job:
    """What sets a run of a tournament apart. The losses and the images are the tournament's."""

    loss: str
    seed: int
    folder: Path
    recipe: Recipe
    protocol: Protocol
    save_every: float
    devices: int
    init: Init | None = None

    @property
    def run_folder(self) -> RunFolder:
        return RunFolder(self.folder)

    def run(self, criterion: Loss, data: PreparedData) -> RunResult:
        """Train, from where the run was left. That the loss is no longer a number is an outcome like others."""
        from lossmith.training.run import train_supervised

        try:
            summary = train_supervised(
                self.run_folder,
                criterion,
                self.recipe,
                data.source,
                data.test_pairs,
                self.protocol,
                seed=self.seed,
                fingerprint=data.fingerprint,
                remarks=data.remarks,
                save_every=self.save_every,
                devices=self.devices,
                init=self.init,
            )
        except Diverged as error:
            return RunResult(self.loss, self.seed, self.run_folder, summary=None, failure=str(error))
        return RunResult(self.loss, self.seed, self.run_folder, summary, failure=None)

    def load_result(self) -> RunResult | None:
        """What came of it, if it was carried out before."""
        summary = self.run_folder.load_summary()
        return RunResult(self.loss, self.seed, self.run_folder, summary, failure=None) if summary else None
