"""Stop signals: Ctrl-C, SIGTERM, and SIGUSR1, by which schedulers announce the end of a job."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A stop signal arrived, and finished work is saved.

    >>> Interrupted(signal.SIGTERM).status
    143
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status by the convention of shells: 130 after Ctrl-C, 143 after SIGTERM, 138 after SIGUSR1."""
        return 128 + self.number


class StopFlag:
    """Records a stop signal, so that work in progress can finish before it stops."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        """The number of the latest signal."""

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the block stop signals are recorded and have no other effect."""
        with _signal_handler(self._note):
            yield

    def _note(self, number: int, _: Any) -> None:
        self.signal_number = number

    def raise_if_set(self) -> None:
        """Raise Interrupted if a stop signal was recorded."""
        if self.signal_number is not None:
            raise Interrupted(self.signal_number)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block every stop signal raises Interrupted at once."""

    def stop(number: int, _: Any) -> None:
        raise Interrupted(number)

    with _signal_handler(stop):
        yield


@contextmanager
def _signal_handler(handler: Callable[[int, Any], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python handles signals in the main thread only
        yield
        return
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, previous_handler in previous.items():
            signal.signal(number, previous_handler)
