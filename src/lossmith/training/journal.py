"""Writes down how a run goes."""

import csv
import math
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lossmith.files import replacing
from lossmith.training.examiner import Examiner
from lossmith.training.module import Restoration

LOG_ENTRIES = 100
"""Rows of `metrics.csv` over a whole run."""
WRITE_EVERY = 5.0
"""Seconds between two writings of `metrics.csv`, each of which waits for the disk."""


class Journal(Callback):
    """Writes `metrics.csv` and TensorBoard events: the loss and its terms, averaged since the entry before.

    All rows are part of the checkpoint, so a resumed run has each of them once.
    """

    def __init__(self, path: Path, examiner: Examiner, every_seconds: float = WRITE_EVERY) -> None:
        self.path, self.examiner, self.every_seconds = path, examiner, every_seconds
        self._written = -math.inf
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._done = 0

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        if not self.rows:
            self._enter(trainer, module, {})

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        for name, value in {"loss": sum(module.terms.values()), **module.terms}.items():
            self._sums[name] = self._sums.get(name, 0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        due = int(LOG_ENTRIES * module.progress)
        if due > self._done or self.examiner.psnr is not None:
            module.lookout.look()  # what is not a number is reported, never averaged
            self._done = due
            means = {name: float(value) / self._counts[name] for name, value in self._sums.items()}
            self._sums, self._counts = {}, {}
            self._enter(trainer, module, means)

    def _enter(self, trainer: Trainer, module: Restoration, values: dict[str, float]) -> None:
        row = {"step": float(trainer.global_step), "seconds": round(module.stopwatch.elapsed, 3), **values}
        if values:
            row["learning_rate"] = module.trainer.optimizers[0].param_groups[0]["lr"]
        if self.examiner.psnr is not None:
            row["psnr"], self.examiner.psnr = self.examiner.psnr, None
        self.rows.append(row)
        if time.monotonic() - self._written >= self.every_seconds:
            self.write()
            self._written = time.monotonic()
        if trainer.logger is not None:
            metrics = {name: value for name, value in row.items() if name != "step"}
            trainer.logger.log_metrics(metrics, step=trainer.global_step)

    def write(self) -> None:
        """Write all rows, whose keys differ, as one CSV table with columns in the order of first appearance."""
        if not self.rows:  # a run that failed before it began shall not empty the table of its last attempt
            return
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(self.path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({**row, "step": int(row["step"])} for row in self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "sums": self._sums, "counts": self._counts, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._sums = state["rows"], state["sums"]
        self._counts, self._done = state["counts"], state["done"]
