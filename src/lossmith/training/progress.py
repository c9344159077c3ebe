"""A line that says how far the run is, how fast, how long to go, and what each term of the loss is."""

import time
from typing import Any

from lightning.pytorch import Callback, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from lossmith.training.module import Restoration

PLAIN_EVERY = 15.0
"""Seconds between two lines where the output is no terminal."""


class ProgressLine(Callback):
    """A live bar on a terminal; a plain line now and then elsewhere."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}", style="dim", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(title, total=1.0, status="")
        self._shown = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        pause = 0.2 if self.console.is_terminal else PLAIN_EVERY
        if time.monotonic() - self._shown < pause and module.progress < 1:
            return
        self._shown = time.monotonic()
        status = describe(module)
        self.bar.update(self.task, completed=module.progress, status=status)
        if not self.console.is_terminal:
            self.console.print(f"{self.title}  {module.progress:4.0%}  {status}", markup=False, soft_wrap=True)

    def teardown(self, trainer: Trainer, module: Any, stage: str) -> None:
        self.bar.stop()


def describe(module: Restoration) -> str:
    """Step, rate, time left and the named terms, in words."""
    elapsed, progress = module.stopwatch.elapsed, module.progress
    rate = module.global_step / max(elapsed, 1e-9)
    left = elapsed / max(progress, 1e-9) * (1 - progress)
    terms = "  ".join(f"{name} {float(value):.4g}" for name, value in module.terms.items())
    return f"step {module.global_step}  {rate:.1f}/s  {left // 60:.0f}:{left % 60:02.0f} left  {terms}"
