"""Saves what a stopped run needs to resume: the state of every scale, the curves and the time spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import Diverged, LossmithError
from lossmith.core.signals import StopFlag
from lossmith.core.state_file import CheckpointFile
from lossmith.core.timer import Timer
from lossmith.loss_learning.wgan import ScaleWGAN

FORMAT = "lossmith learning 3"
"""Written into every checkpoint; to be changed with what a checkpoint holds."""

Row = dict[str, float]
"""`scale`, `iteration`, and what `ScaleWGAN.train_iteration` returns."""


@dataclass
class LearningCheckpointer:
    """Saves a checkpoint every `save_every` seconds, after every scale and when the run is told to stop.

    Stop signals are deferred to the end of an iteration, so that no checkpoint is taken in the middle of one.
    """

    path: Path
    save_every: float = 30.0
    rows: list[Row] = field(default_factory=list)
    timer: Timer = field(default_factory=Timer)
    _states: dict[int, dict[str, Any]] = field(default_factory=dict)
    _saved_at: float = 0.0
    _saved_message: str = "no state was saved before that"

    def __post_init__(self) -> None:
        self._file = CheckpointFile(self.path, FORMAT, "learn this loss anew")
        self._stop = StopFlag()
        if checkpoint := self._file.load():
            self.rows, self._states = checkpoint["rows"], checkpoint["states"]
            self.timer = Timer(checkpoint["seconds"])
            if self.rows:
                self._set_saved_message()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Defer stop signals, and run the timer, within the block."""
        self._saved_at = time.monotonic()
        self.timer.start()
        try:
            with self._stop.deferred():
                yield
            self._stop.raise_if_set()  # set after the last iteration
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"there is not enough memory to learn this loss; {self._saved_message}: end what else uses the "
                "device, and the same command goes on; or lower `batch`, `crop` or `width`, with another `out`"
            ) from error
        finally:
            self.timer.stop()

    def resume(self, gan: ScaleWGAN) -> None:
        """Load the state of this scale, if there is one."""
        if state := self._states.get(gan.number):
            gan.restore(state)

    def record(self, gan: ScaleWGAN, row: Row) -> None:
        """Add the metrics of an iteration to the curves, and save if it is time.

        Raises Diverged for weights that are not finite, and Interrupted when the run is told to stop.
        """
        self.rows.append({"scale": gan.number, "iteration": gan.iteration, **row})
        finished = gan.iteration == gan.recipe.iterations
        signal_number = self._stop.signal_number  # read once, as a signal may arrive at any moment
        if signal_number or finished or time.monotonic() - self._saved_at >= self.save_every:
            self._save(gan)
        if signal_number:
            self._stop.raise_if_set()

    def _save(self, gan: ScaleWGAN) -> None:
        if not gan.is_finite:  # checked only here, since reading every weight takes time
            raise Diverged(
                f"the weights of scale {gan.number + 1} are not finite after iteration {gan.iteration}; "
                f"{self._saved_message}, and a lower `learning_rate` usually helps"
            )
        self._states[gan.number] = gan.state()
        self._file.save({"rows": self.rows, "states": self._states, "seconds": self.timer.elapsed})
        self._saved_at = time.monotonic()
        self._set_saved_message()

    def _set_saved_message(self) -> None:
        last = self.rows[-1]
        self._saved_message = (
            f"the state after iteration {last['iteration']:.0f} of scale {last['scale'] + 1:.0f} is saved"
        )
