"""The folder of a run: the names of its files, its configuration, and whether it is finished."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lossmith.core.errors import LossmithError
from lossmith.core.files import remove_partial_files, safe_file_name, sha256_of, write_text
from lossmith.core.legacy import IMAGES_FOLDER, rename_entries
from lossmith.core.pixel_format import PixelFormat
from lossmith.core.run_config import check, resume_advice
from lossmith.core.state_file import CheckpointFile
from lossmith.data import picture_suffix
from lossmith.evaluation import Protocol, Pulls, Row, write_csv
from lossmith.evaluation.pulls import is_pull

CHECKPOINT_FORMAT = "lossmith run 5"
"""Written into every checkpoint; to be changed with what a checkpoint holds."""


@dataclass(frozen=True)
class RunSummary:
    """The cost of a finished run, and what it found."""

    steps: int
    seconds: float
    activation_mb: float
    """Megabytes that autograd saves for the backward pass of a step: activations of the network and the loss."""
    device: str
    precision: str
    skipped: int = 0
    """Steps that were skipped, since their loss or gradient was not finite."""
    loss_as_trained: str = ""
    """The loss with the numbers that were found for its percentages; empty where it has none."""

    def __post_init__(self) -> None:
        if not all(isinstance(number, int | float) for number in (self.steps, self.seconds, self.activation_mb)):
            raise TypeError("steps, seconds and megabytes are numbers")

    @property
    def milliseconds_per_step(self) -> float:
        return 1000 * self.seconds / max(1, self.steps)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "run.yaml"

    @property
    def metrics_csv(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def state(self) -> CheckpointFile:
        return CheckpointFile(self.checkpoint, CHECKPOINT_FORMAT, "start this run anew")

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    def image(self, name: str, pixels: PixelFormat | None = None) -> Path:
        """The file of the restored test image of that name, for images of this format [default: what is there]."""
        old = self.path / IMAGES_FOLDER
        stem = (old if old.is_dir() else self.path / "images") / safe_file_name(name)
        tiff = stem.with_name(f"{stem.name}.tif")
        if pixels is None:
            return tiff if tiff.is_file() else stem.with_name(f"{stem.name}.png")
        return stem.with_name(f"{stem.name}{picture_suffix(pixels)}")

    @property
    def scores(self) -> Path:
        return self.path / "scores.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    def check(self, configuration: dict[str, Any]) -> None:
        """Raise LossmithError when the folder belongs to another configuration, or holds a run without one."""
        if not self.config.exists() and (self.state.exists or self.summary.exists()):
            raise LossmithError(f"{self.path} holds a run but no run.yaml that says which; choose another `out`")
        check(self.config, configuration, resume_advice(self.model))

    def curves(self) -> tuple[list[int], dict[str, list[float]]]:
        """What `metrics.csv` holds: its steps, and the values of the loss, its terms and the PSNR at each."""
        rows = self._metrics()
        others = ("step", "seconds", "learning_rate", "skipped")
        names = [name for name in rows[0] if name not in others and not is_pull(name)]
        return [int(row["step"]) for row in rows], {
            name: [float(row[name] or "nan") for row in rows] for name in names
        }

    def pulls(self) -> Pulls:
        """What `metrics.csv` says of the terms of the loss: who pulled how much, and against whom."""
        return Pulls.read(self._metrics())

    def _metrics(self) -> list[dict[str, str]]:
        with self.metrics_csv.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def remove_partial_files(self) -> None:
        """Remove what a killed process left half-written anywhere in the folder."""
        for folder in (self.path, *filter(Path.is_dir, self.path.rglob("*"))):
            remove_partial_files(folder)

    def finish(self, summary: RunSummary, images: Sequence[Path]) -> None:
        """Write the summary with the SHA-256 of every result, as the last file of a run."""
        results = [self.model, self.metrics_csv, self.scores, *images]
        files = {path.relative_to(self.path).as_posix(): _digest(path) for path in results}
        write_text(self.summary, json.dumps({**asdict(summary), "files": files}, indent=2) + "\n")

    def replace_scores(self, rows: Sequence[Row], protocol: Protocol) -> None:
        """Put other scores of the same images in the place of those of a finished run.

        Whenever this is interrupted, the run stays finished: the summary does without the SHA-256 of the scores
        while they change.
        """
        contents = json.loads(self.summary.read_text(encoding="utf-8"))
        name = self.scores.name
        contents["files"].pop(name, None)
        write_text(self.summary, json.dumps(contents, indent=2) + "\n")
        write_csv(self.scores, rows, protocol)
        contents["files"][name] = _digest(self.scores)
        write_text(self.summary, json.dumps(contents, indent=2) + "\n")

    def load_summary(self) -> RunSummary | None:
        """What the run cost, if it is finished and its files are still what they were.

        Where one of them is not, there is a checkpoint to make them anew from, or LossmithError is raised.
        """
        if not self.summary.is_file():
            return None
        try:
            stored = rename_entries(json.loads(self.summary.read_text(encoding="utf-8")))
            files = dict(stored.pop("files"))
            summary = RunSummary(**stored)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LossmithError(
                f"{self.summary} is damaged; delete it, and the same command writes it anew"
            ) from error
        changed = [name for name, digest in files.items() if _digest(self.path / name) != digest]
        if not changed:
            return summary
        if not self.state.exists:
            raise LossmithError(
                f"{self.path} holds a finished run, but {', '.join(changed[:3])} "
                f"{'is' if len(changed) == 1 else 'are'} "
                f"missing or damaged; delete {self.summary.name} to train anew, or choose another `out`"
            )
        return None


def _digest(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None
