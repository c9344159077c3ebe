"""Wall-clock time that can be paused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lossmith.core.devices import synchronize


class Timer:
    """Seconds spent training, without those spent on looking at the result."""

    def __init__(self, elapsed: float = 0.0) -> None:
        self._before = elapsed
        self._since: float | None = None

    @property
    def elapsed(self) -> float:
        running = 0.0 if self._since is None else time.perf_counter() - self._since
        return self._before + running

    def start(self) -> None:
        self._since = time.perf_counter()

    def stop(self) -> None:
        """Stop the clock, after the device has finished what it was given."""
        synchronize()
        self._before, self._since = self.elapsed, None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock during the block."""
        self.stop()
        yield
        self.start()
