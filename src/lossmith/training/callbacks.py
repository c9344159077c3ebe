"""What watches over a run: the journal, the examiner of test crops, and the keeper of checkpoints."""

import csv
import math
import signal
import threading
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lossmith.errors import Diverged
from lossmith.files import replacing
from lossmith.training.module import ADVICE, Restoration

LOG_ENTRIES = 100
"""Rows of `metrics.csv` over a whole run."""
EXAMINATIONS = 10
"""How often in a run the test crops are restored and measured."""


class Examiner(Callback):
    """Measures PSNR on crops of the test pictures now and then; the clock stands still meanwhile.

    Nothing is chosen by what it finds: it only draws the curve.
    """

    def __init__(self, degraded: Tensor, clean: Tensor) -> None:
        self.degraded, self.clean = degraded, clean
        self.psnr: float | None = None
        """The latest measurement, until somebody takes it."""
        self._done = -1

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self._examine(module)

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        self._examine(module)

    def _examine(self, module: Restoration) -> None:
        due = int(EXAMINATIONS * module.progress)
        if due <= self._done:
            return
        self._done = due
        restorer = module.result
        learning = restorer.training
        with module.stopwatch.paused(), torch.no_grad():
            restored = restorer.eval()(self.degraded.to(module.device))
            restorer.train(learning)
            error = (restored.clamp(0, 1) - self.clean.to(module.device)).square().flatten(1).mean(1)
            self.psnr = float((-10 * error.clamp(min=1e-10).log10()).mean())

    def state_dict(self) -> dict[str, Any]:
        return {"done": self._done, "psnr": self.psnr}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._done, self.psnr = state["done"], state["psnr"]


class Journal(Callback):
    """Writes `metrics.csv` and TensorBoard events: the loss and its terms, averaged since the entry before.

    All rows are part of the checkpoint, so a resumed run has each of them once.
    """

    def __init__(self, path: Path, examiner: Examiner, every_seconds: float = 1.0) -> None:
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
        if module.progress >= 1 or time.monotonic() - self._written >= self.every_seconds:
            write_journal(self.path, self.rows)
            self._written = time.monotonic()
        if trainer.logger is not None:
            metrics = {name: value for name, value in row.items() if name != "step"}
            trainer.logger.log_metrics(metrics, step=trainer.global_step)

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        write_journal(self.path, self.rows)

    def on_exception(self, trainer: Trainer, module: Any, exception: BaseException) -> None:
        write_journal(self.path, self.rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "sums": self._sums, "counts": self._counts, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._sums = state["rows"], state["sums"]
        self._counts, self._done = state["counts"], state["done"]


class Keeper(Callback):
    """Saves the whole state every so many seconds, at the end, and when the run is told to stop.

    Ctrl-C and SIGTERM are noted and obeyed between two steps, so that the state saved is never half a step.
    """

    def __init__(self, path: Path, every_seconds: float) -> None:
        self.path, self.every_seconds = path, every_seconds
        self.interrupted = False
        self._saved = time.monotonic()
        self._former: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self._saved = time.monotonic()
        if threading.current_thread() is threading.main_thread():  # no other may listen for signals
            self._former = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}

    def _note(self, *_: Any) -> None:
        self.interrupted = True

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        if module.progress >= 1 or self.interrupted:
            trainer.should_stop = True
        if trainer.should_stop or time.monotonic() - self._saved >= self.every_seconds:
            self._save(trainer, module)

    def on_exception(self, trainer: Trainer, module: Any, exception: BaseException) -> None:
        self._listen_no_more()
        if isinstance(exception, Diverged) and module.healthy:
            self._save(trainer, module)

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        self._listen_no_more()  # and not in `teardown`: by then Lightning has put its own handlers away

    def _listen_no_more(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _save(self, trainer: Trainer, module: Restoration) -> None:
        if not module.healthy:  # a gradient can be NaN where the loss was not; the checkpoint before stays
            raise Diverged(f"the weights are no longer numbers after step {module.global_step}; {ADVICE}")
        with module.stopwatch.paused(), replacing(self.path) as draft:
            trainer.save_checkpoint(draft)
        self._saved = time.monotonic()


def write_journal(path: Path, rows: list[dict[str, float]]) -> None:
    """Rows with unequal keys as one CSV table, columns in the order of first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({**row, "step": int(row["step"])} for row in rows)
