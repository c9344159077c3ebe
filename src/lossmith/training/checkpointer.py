"""Keeps the state of a run, so that it can be stopped at any moment."""

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
    """What a run consists of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Checkpointer:
    """Saves the whole state every so many seconds, at the end, and when the run is told to stop or a step fails.

    A state in which something is not a number is never saved; the one before stays.
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
        """The step after which the state was saved last, if it was."""
        self._parts: dict[str, Stateful] = {
            **others,
            "train_state": train_state,
            "module": module,
            "rng_state": RNGState(),
        }
        self._saved_at = time.monotonic()
        self._stop = StopFlag()
        self._last_completed_step: int | None = None
        """The last step after which everything that belongs to it was done."""

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Note signals to stop, and obey between two steps, so that the state saved is never half a step.

        When something fails within the block, the state after the last whole step is saved.
        """
        with self._stop.deferred():
            try:
                yield
            except Exception as error:
                self._save_on_exception()
                if out_of_memory(error):
                    raise out_of_memory_error(self.train_state.recipe, self.saved_message) from error
                raise
        self._stop.raise_if_set()  # too late for another step

    @property
    def saved_message(self) -> str:
        """What is saved, in words."""
        if self.saved is None:
            return "no state was saved before that"
        return f"the state after step {self.saved} is saved"

    def load(self) -> None:
        """Bring every part to where the run was left, if it was begun."""
        if state := self.file.load():
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.saved = self.train_state.step
        self._saved_at = time.monotonic()

    def on_step_end(self) -> None:
        """A step is done. Save, if it is time. Raises Interrupted, with the state saved, when told to stop."""
        self._last_completed_step = self.train_state.step
        stop = self._stop.signal_number
        if stop or self.train_state.done or time.monotonic() - self._saved_at >= self.every_seconds:
            self._save()
        if stop:
            self._stop.raise_if_set()

    def _save(self) -> None:
        with self.train_state.timer.paused():
            state = {name: part.state_dict() for name, part in self._parts.items()}  # which looks at the loss
            if not self.module.is_finite:  # a gradient can be NaN where the loss was not
                raise Diverged(f"the weights are no longer numbers after step {self.train_state.step}")
            self.file.save(state)
        self.saved = self.train_state.step
        self._saved_at = time.monotonic()

    def _save_on_exception(self) -> None:
        """Save what was reached when a step failed, which has then changed nothing."""
        if self._last_completed_step == self.train_state.step != self.saved:
            with suppress(LossmithError):  # what has failed is said already
                self._save()
