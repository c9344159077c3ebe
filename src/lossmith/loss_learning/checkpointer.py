"""What a stopped run goes on from: the state of every game, the curves and the time spent."""

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
from lossmith.loss_learning.progress import ScaleProgress
from lossmith.loss_learning.wgan import ScaleWGAN

FORMAT = "lossmith learning 3"
"""The mark of what the file holds: to be changed with it."""

Row = dict[str, float]
"""`scale`, `iteration`, and what the game gave: see `ScaleWGAN.train_iteration`."""


@dataclass
class LearningCheckpointer:
    """Kept in one file, written whole every so many seconds, after every scale and when the run is told to stop.

    Signals to stop are noted and obeyed between two rounds, so that what is saved is never half a round.
    """

    path: Path
    save_every: float = 30.0
    rows: list[Row] = field(default_factory=list)
    timer: Timer = field(default_factory=Timer)
    _states: dict[int, dict[str, Any]] = field(default_factory=dict)
    _saved: float = 0.0
    _saved_message: str = "no state was saved before that"

    def __post_init__(self) -> None:
        self._file = CheckpointFile(self.path, FORMAT, "learn this loss anew")
        self._stop = StopFlag()
        if kept := self._file.load():
            self.rows, self._states = kept["rows"], kept["states"]
            self.timer = Timer(kept["seconds"])
            if self.rows:
                self._note_saved()

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Listen for signals to stop and keep the time while the block runs."""
        self._saved = time.monotonic()
        self.timer.start()
        try:
            with self._stop.deferred():
                yield
            self._stop.raise_if_set()  # too late for another round
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"there is not enough memory to learn this loss; {self._saved_message}: end what else uses the "
                "device, and "
                "the same command goes on; or lower batch, crop or width, with another --out"
            ) from error
        finally:
            self.timer.stop()

    def resume(self, gan: ScaleWGAN) -> None:
        """Bring a fresh game to where it was left, if it was begun."""
        if kept := self._states.get(gan.number):
            gan.restore(kept)

    def record(self, gan: ScaleWGAN, row: Row, progress: ScaleProgress) -> None:
        """Note a round, and save when it is time.

        Raises Diverged for networks that are not numbers any more, and Interrupted when told to stop.
        """
        self.rows.append({"scale": gan.number, "iteration": gan.iteration, **row})
        progress.show(gan.number, gan.iteration, row, self.timer.elapsed)
        finished = gan.iteration == gan.recipe.iterations
        told = self._stop.signal_number  # once, as it may change at any moment
        if told or finished or time.monotonic() - self._saved >= self.save_every:
            self._save(gan)
        if told:
            self._stop.raise_if_set()

    def _save(self, gan: ScaleWGAN) -> None:
        if not gan.is_finite:  # asked here only, as looking at every weight takes time
            raise Diverged(
                f"scale {gan.number + 1} is no longer made of numbers after round {gan.iteration}; "
                f"{self._saved_message}, "
                "and a lower learning_rate usually helps"
            )
        self._states[gan.number] = gan.state()
        self._file.save({"rows": self.rows, "states": self._states, "seconds": self.timer.elapsed})
        self._saved = time.monotonic()
        self._note_saved()

    def _note_saved(self) -> None:
        last = self.rows[-1]
        self._saved_message = (
            f"the state after round {last['iteration']:.0f} of scale {last['scale'] + 1:.0f} is saved"
        )
