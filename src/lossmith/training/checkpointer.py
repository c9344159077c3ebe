"""Saves the state of a run, so that it can be stopped at any moment and resumed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import Diverged, LossmithError
from lossmith.core.rng_state import RNGState
from lossmith.core.signals import StopFlag
from lossmith.core.state_file import CheckpointFile
from lossmith.training.memory import out_of_memory_error
from lossmith.training.module import TrainingModule
from lossmith.training.state import TrainState


class Stateful(Protocol):
    """A part of a run's state."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Checkpointer:
    """Saves the whole state at intervals, at the end, and when the run is told to stop or a step fails.

    A state with NaN or infinity in it is never saved; the checkpoint before it stays.

    Parameters
    ----------
    file
        Where the state is saved.
    every_seconds
        Time between two checkpoints.
    train_state, module, others
        The parts of the state, which are saved under their names.
    """

    def __init__(
        self,
        file: CheckpointFile,
        every_seconds: float,
        train_state: TrainState,
        module: TrainingModule,
        **others: Stateful,
    ) -> None:
        self.file, self.every_seconds = file, every_seconds
        self.train_state, self.module = train_state, module
        self.saved: int | None = None
        """The step after which the latest checkpoint was saved, if there is one."""
        self._parts: dict[str, Stateful] = {
            **others,
            "train_state": train_state,
            "module": module,
            "rng_state": RNGState(),
        }
        self._saved_at = time.monotonic()
        self._stop = StopFlag()
        self._last_completed_step: int | None = None
        """The latest step whose validation and logging are done too."""

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Defer stop signals to the end of a step, so that no checkpoint is taken in the middle of one.

        When the block raises, the state after the last completed step is saved.
        """
        with self._stop.deferred():
            try:
                yield
            except Exception as error:
                self._save_on_exception()
                if out_of_memory(error):
                    raise out_of_memory_error(self.train_state.recipe, self.saved_message) from error
                raise
        self._stop.raise_if_set()  # set after the last step

    @property
    def saved_message(self) -> str:
        """Which checkpoint there is, as a part of an error message."""
        if self.saved is None:
            return "no state was saved before that"
        return f"the state after step {self.saved} is saved"

    def load(self) -> None:
        """Restore every part from the checkpoint, if there is one."""
        if state := self.file.load():
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.saved = self.train_state.step
        self._saved_at = time.monotonic()

    def on_step_end(self) -> None:
        """Save the state if it is time, or if the run is told to stop, and then raise Interrupted."""
        self._last_completed_step = self.train_state.step
        stop = self._stop.signal_number
        if stop or self.train_state.done or time.monotonic() - self._saved_at >= self.every_seconds:
            self._save()
        if stop:
            self._stop.raise_if_set()

    def _save(self) -> None:
        with self.train_state.timer.paused():
            # the loss monitor's state_dict raises Diverged if a pending loss is not finite
            state = {name: part.state_dict() for name, part in self._parts.items()}
            if not self.module.is_finite:  # a gradient can be NaN where the loss was not
                raise Diverged(f"the weights are not finite after step {self.train_state.step}")
            self.file.save(state)
        self.saved = self.train_state.step
        self._saved_at = time.monotonic()

    def _save_on_exception(self) -> None:
        """Save the state after the last completed step; a step that raises leaves it unchanged."""
        if self._last_completed_step == self.train_state.step != self.saved:
            with suppress(LossmithError):  # the first error is the one to report
                self._save()
