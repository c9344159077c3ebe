"""One run of a tournament, as it is handed to whoever carries it out."""

from dataclasses import dataclass
from pathlib import Path

from lossmith.errors import Diverged
from lossmith.evaluation import Protocol
from lossmith.images import Gathered
from lossmith.losses import Loss
from lossmith.training import Recipe, RunFolder, Summary
from lossmith.training.init import Init


@dataclass(frozen=True)
class Entry:
    """What came of one run of a tournament."""

    loss: str
    seed: int
    folder: RunFolder
    summary: Summary | None
    """None when the run failed."""
    failure: str | None


@dataclass(frozen=True)
class Job:
    """What sets a run of a tournament apart. The losses and the pictures are the tournament's."""

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

    def run(self, criterion: Loss, gathered: Gathered) -> Entry:
        """Train, from where the run was left. That the loss is no longer a number is an outcome like others."""
        from lossmith.training.run import run

        try:
            summary = run(
                self.run_folder,
                criterion,
                self.recipe,
                gathered.source,
                gathered.tests,
                self.protocol,
                seed=self.seed,
                fingerprint=gathered.fingerprint,
                remarks=gathered.remarks,
                save_every=self.save_every,
                devices=self.devices,
                init=self.init,
            )
        except Diverged as error:
            return Entry(self.loss, self.seed, self.run_folder, summary=None, failure=str(error))
        return Entry(self.loss, self.seed, self.run_folder, summary, failure=None)

    def finished(self) -> Entry | None:
        """What came of it, if it was carried out before."""
        summary = self.run_folder.finished()
        return Entry(self.loss, self.seed, self.run_folder, summary, failure=None) if summary else None
