"""Keeps the state of a run, so that it can be stopped at any moment."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from lossmith.devices import out_of_memory
from lossmith.errors import Diverged, LossmithError
from lossmith.stopping import Stop
from lossmith.training.chance import Chance
from lossmith.training.course import Course
from lossmith.training.learner import Learner
from lossmith.training.memory import memory_ran_out
from lossmith.training.state_file import StateFile


class Stateful(Protocol):
    """What a run consists of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Keeper:
    """Saves the whole state every so many seconds, at the end, and when the run is told to stop or a step fails.

    A state in which something is not a number is never saved; the one before stays.
    """

    def __init__(
        self, file: StateFile, every_seconds: float, course: Course, learner: Learner, **others: Stateful
    ) -> None:
        self.file, self.every_seconds = file, every_seconds
        self.course, self.learner = course, learner
        self.saved: int | None = None
        """The step after which the state was saved last, if it was."""
        self._parts: dict[str, Stateful] = {**others, "course": course, "learner": learner, "chance": Chance()}
        self._at = time.monotonic()
        self._stop = Stop()
        self._whole: int | None = None
        """The last step after which everything that belongs to it was done."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note signals to stop, and obey between two steps, so that the state saved is never half a step.

        When something fails within the block, the state after the last whole step is saved.
        """
        with self._stop.noted():
            try:
                yield
            except Exception as error:
                self._rescue()
                if out_of_memory(error):
                    raise memory_ran_out(self.course.recipe, self.kept) from error
                raise
        self._stop.obey()  # too late for another step

    @property
    def kept(self) -> str:
        """What is saved, in words."""
        if self.saved is None:
            return "no state was saved before that"
        return f"the state after step {self.saved} is saved"

    def restore(self) -> None:
        """Bring every part to where the run was left, if it was begun."""
        if state := self.file.load():
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.saved = self.course.step
        self._at = time.monotonic()

    def attend(self) -> None:
        """A step is done. Save, if it is time. Raises Stopped, with the state saved, when told to stop."""
        self._whole = self.course.step
        stop = self._stop.told
        if stop or self.course.over or time.monotonic() - self._at >= self.every_seconds:
            self._save()
        if stop:
            self._stop.obey()

    def _save(self) -> None:
        with self.course.stopwatch.paused():
            state = {name: part.state_dict() for name, part in self._parts.items()}  # which looks at the loss
            if not self.learner.healthy:  # a gradient can be NaN where the loss was not
                raise Diverged(f"the weights are no longer numbers after step {self.course.step}")
            self.file.save(state)
        self.saved = self.course.step
        self._at = time.monotonic()

    def _rescue(self) -> None:
        """Save what was reached when a step failed, which has then changed nothing."""
        if self._whole == self.course.step != self.saved:
            with suppress(LossmithError):  # what has failed is said already
                self._save()
