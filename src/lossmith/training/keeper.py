"""Keeps the state of a run, so that it can be stopped at any moment."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch

from lossmith.errors import Diverged
from lossmith.training.course import Course
from lossmith.training.learner import Learner
from lossmith.training.state_file import load, save


class Stateful(Protocol):
    """What a run consists of."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Keeper:
    """Saves the whole state every so many seconds, at the end, and when the run is told to stop.

    A state in which something is not a number is never saved; the one before stays.
    """

    def __init__(
        self, path: Path, every_seconds: float, course: Course, learner: Learner, **others: Stateful
    ) -> None:
        self.path, self.every_seconds = path, every_seconds
        self.course, self.learner = course, learner
        self.interrupted = False
        self.saved: int | None = None
        """The step after which the state was saved last, if it was."""
        self._parts: dict[str, Stateful] = {**others, "course": course, "learner": learner, "chance": Chance()}
        self._at = time.monotonic()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl-C and SIGTERM, and obey between two steps, so that the state saved is never half a step."""
        if threading.current_thread() is not threading.main_thread():  # no other may listen for signals
            yield
            return
        former = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

        if self.interrupted:  # too late for another step
            raise KeyboardInterrupt

    def _note(self, *_: Any) -> None:
        self.interrupted = True

    def restore(self) -> None:
        """Bring every part to where the run was left, if it was begun."""
        if state := load(self.path):
            for name, part in self._parts.items():
                part.load_state_dict(state[name])
            self.saved = self.course.step
        self._at = time.monotonic()

    def attend(self) -> None:
        """Save, if it is time. Raises KeyboardInterrupt, with the state saved, when told to stop."""
        stop = self.interrupted
        if stop or self.course.over or time.monotonic() - self._at >= self.every_seconds:
            self._save()
        if stop:
            raise KeyboardInterrupt

    def _save(self) -> None:
        with self.course.stopwatch.paused():
            state = {name: part.state_dict() for name, part in self._parts.items()}  # which looks at the loss
            if not self.learner.healthy:  # a gradient can be NaN where the loss was not
                raise Diverged(f"the weights are no longer numbers after step {self.course.step}")
            save(self.path, state)
        self.saved = self.course.step
        self._at = time.monotonic()


class Chance:
    """torch's generators, for networks that draw, as dropout does."""

    def state_dict(self) -> dict[str, Any]:
        state = {"cpu": torch.get_rng_state()}
        return {**state, "cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch.set_rng_state(state["cpu"])
        if torch.cuda.is_available() and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])
