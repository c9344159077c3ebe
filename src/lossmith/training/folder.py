"""A run is a folder; this is what its files are called and how it is recognised."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossmith.errors import LossmithError
from lossmith.files import clear_drafts, digest_of, file_name, write_text
from lossmith.training.configuration import check, claim, go_on
from lossmith.training.state_file import StateFile

STATE = "lossmith run 3"
"""The mark of what a checkpoint holds: to be changed with it."""


@dataclass(frozen=True)
class Summary:
    """What a finished run cost."""

    steps: int
    seconds: float
    kept_mb: float
    """Megabytes that one step keeps for its backward pass: activations of the network and the loss."""
    device: str
    precision: str
    skipped: int = 0
    """Steps that were left out, since their loss or their gradient was no number."""

    def __post_init__(self) -> None:
        if not all(isinstance(number, int | float) for number in (self.steps, self.seconds, self.kept_mb)):
            raise TypeError("steps, seconds and megabytes are numbers")

    @property
    def milliseconds_per_step(self) -> float:
        return 1000 * self.seconds / max(1, self.steps)


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one run lies."""

    path: Path

    @property
    def configuration(self) -> Path:
        return self.path / "run.yaml"

    @property
    def journal(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def state(self) -> StateFile:
        return StateFile(self.checkpoint, STATE, "start this run anew")

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    def picture(self, name: str) -> Path:
        """Where the restored test picture of that name lies."""
        return self.path / "pictures" / f"{file_name(name)}.png"

    @property
    def scores(self) -> Path:
        return self.path / "scores.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    def check(self, configuration: dict[str, Any]) -> None:
        """Raise LossmithError when the folder belongs to another configuration, or one cannot tell."""
        if not self.configuration.exists() and (self.state.exists or self.summary.exists()):
            raise LossmithError(f"{self.path} holds a run but no run.yaml that says which; choose another --out")
        check(self.configuration, configuration, go_on(self.model))

    def claim(self, configuration: dict[str, Any]) -> None:
        """Make the folder that of this configuration, without the drafts that a killed process left in it."""
        self.check(configuration)
        for folder in (self.path, *filter(Path.is_dir, self.path.rglob("*"))):
            clear_drafts(folder)
        claim(self.configuration, configuration)

    def finish(self, summary: Summary, pictures: Sequence[Path]) -> None:
        """Mark the run as finished, with what its files hold; this file is written last."""
        results = [self.model, self.journal, self.scores, *pictures]
        files = {path.relative_to(self.path).as_posix(): _digest(path) for path in results}
        write_text(self.summary, json.dumps({**asdict(summary), "files": files}, indent=2) + "\n")

    def finished(self) -> Summary | None:
        """What the run cost, if it is finished and its files are still what they were.

        Where one of them is not, there is a checkpoint to make them anew from, or LossmithError is raised.
        """
        if not self.summary.is_file():
            return None
        try:
            told = json.loads(self.summary.read_text(encoding="utf-8"))
            files = dict(told.pop("files"))
            summary = Summary(**told)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LossmithError(
                f"{self.summary} is damaged; delete it, and the same command writes it anew"
            ) from error
        lost = [name for name, digest in files.items() if _digest(self.path / name) != digest]
        if not lost:
            return summary
        if not self.state.exists:
            raise LossmithError(
                f"{self.path} holds a finished run, but {', '.join(lost[:3])} {'is' if len(lost) == 1 else 'are'} "
                f"missing or damaged; delete {self.summary.name} to train anew, or choose another --out"
            )
        return None


def _digest(path: Path) -> str | None:
    return digest_of(path) if path.is_file() else None


__all__ = ["RunFolder", "Summary", "claim"]
