"""Keeps the state of a run, so that it can be stopped at any moment."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from lossmith.errors import Diverged
from lossmith.files import replacing
from lossmith.training.module import Restoration


class Keeper(Callback):
    """Saves the whole state every so many seconds, at the end, and when the run is told to stop.

    A state in which something is not a number is never saved; the one before stays.
    """

    def __init__(self, path: Path, every_seconds: float) -> None:
        self.path, self.every_seconds = path, every_seconds
        self.interrupted = False
        self._saved = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl-C and SIGTERM, and obey between two steps, so that the state saved is never half a step.

        To be entered before Lightning begins, which then leaves both alone.
        """
        if threading.current_thread() is not threading.main_thread():  # no other may listen for signals
            yield
            return
        former = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _note(self, *_: Any) -> None:
        self.interrupted = True

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self._saved = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        if module.progress >= 1 or self.interrupted:
            trainer.should_stop = True
        if trainer.should_stop or time.monotonic() - self._saved >= self.every_seconds:
            self._save(trainer, module)

    def _save(self, trainer: Trainer, module: Restoration) -> None:
        module.lookout.look()
        if not module.healthy:  # a gradient can be NaN where the loss was not
            raise Diverged(f"the weights are no longer numbers after step {module.global_step}")
        with module.stopwatch.paused(), replacing(self.path) as draft:
            trainer.save_checkpoint(draft)
        self._saved = time.monotonic()
