"""Wall-clock time that can be paused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lossmith.core.devices import synchronize


class Timer:
    """A stopwatch for the seconds of training, without those of validation."""

    def __init__(self, elapsed: float = 0.0) -> None:
        self._elapsed_at_stop = elapsed
        self._started_at: float | None = None

    @property
    def elapsed(self) -> float:
        running = 0.0 if self._started_at is None else time.perf_counter() - self._started_at
        return self._elapsed_at_stop + running

    def start(self) -> None:
        self._started_at = time.perf_counter()

    def stop(self) -> None:
        """Stop the clock, after the device has finished its work."""
        synchronize()
        self._elapsed_at_stop, self._started_at = self.elapsed, None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock during the block."""
        self.stop()
        yield
        self.start()
