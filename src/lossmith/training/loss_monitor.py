"""Reads the losses of several steps at once, without a device sync at every step, and checks them for NaN."""

import math
import time
from typing import Any

import torch

from lossmith.core.errors import Diverged
from lossmith.training.module import StepMetrics
from lossmith.training.state import TrainState
from lossmith.training.supervised import SKIPPED

MAX_CONSECUTIVE_SKIPS = 10
"""Steps in a row that may be skipped."""
MAX_SKIPPED_STEPS = 100
"""Steps of a run that may be skipped."""


class LossMonitor:
    """Collects the metrics of the latest steps on the device, and reads them together at intervals.

    Reading waits for the device, so it happens every `every_seconds`, and before anything is logged or saved: logs
    and checkpoints never hold values from after a non-finite loss.

    Parameters
    ----------
    train_state
        The run's progress; skipped steps are counted in it.
    every_seconds
        Time between two reads.
    """

    def __init__(self, train_state: TrainState, every_seconds: float = 1.0) -> None:
        self.train_state, self.every_seconds = train_state, every_seconds
        self._pending: list[tuple[int, StepMetrics]] = []
        self._flushed_at = time.monotonic()
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._consecutive_skips = 0
        self._broken = False

    def update(self, step: int, values: StepMetrics) -> None:
        """Add the metrics of a step: `loss` and its terms.

        Raises Diverged for a value that is not finite, at the next read; for a skipped step at once, unless the
        recipe allows skipping.
        """
        self._pending.append((step, values))
        if SKIPPED in values or time.monotonic() - self._flushed_at >= self.every_seconds:
            self.flush()

    def flush(self) -> None:
        """Read the pending metrics; raise Diverged, naming step and term, for the first that is not finite."""
        if self._broken:
            raise Diverged("the loss is not finite")
        pending, self._pending, self._flushed_at = self._pending, [], time.monotonic()
        if not pending:
            return
        numbers = iter(torch.stack([value for _, values in pending for value in values.values()]).tolist())
        for step, values in pending:
            self._add(step, {name: next(numbers) for name in values})

    def _add(self, step: int, numbers: dict[str, float]) -> None:
        if numbers.pop(SKIPPED, 0):
            self._skip(_describe_failure(step, numbers))
            return
        if not all(map(math.isfinite, numbers.values())):
            self._broken = True  # the weights have been updated with it
            raise Diverged(_describe_failure(step, numbers))
        self._consecutive_skips = 0
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + number
            self._counts[name] = self._counts.get(name, 0) + 1

    def _skip(self, why: str) -> None:
        """Count a skipped step, or raise Diverged if the recipe or the limits do not allow it."""
        if self.train_state.recipe.on_nan == "stop":
            raise Diverged(why)
        for skipped, limit, where in (
            (self._consecutive_skips, MAX_CONSECUTIVE_SKIPS, " in a row"),
            (self.train_state.skipped, MAX_SKIPPED_STEPS, " of the run"),
        ):
            if skipped >= limit:
                raise Diverged(f"{why}, after {limit} steps{where} were skipped")
        self._consecutive_skips += 1
        self.train_state.skipped += 1

    def pop_means(self) -> dict[str, float]:
        """The mean of each metric over the steps that had it since the last call, after a flush.

        Where the recipe allows skipping, the run's number of skipped steps is among them.
        """
        self.flush()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return {**means, SKIPPED: self.train_state.skipped} if self.train_state.recipe.on_nan == "skip" else means

    def state_dict(self) -> dict[str, Any]:
        self.flush()
        return {"sums": self._sums, "counts": self._counts, "consecutive_skips": self._consecutive_skips}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts, self._consecutive_skips = (
            state["sums"],
            state["counts"],
            state["consecutive_skips"],
        )


def _describe_failure(step: int, numbers: dict[str, float]) -> str:
    broken = [name for name, number in numbers.items() if not math.isfinite(number)]
    if not broken:
        return f"the gradient is not finite at step {step}, though the loss, {numbers['loss']:.4g}, is"
    first = min(broken, key=lambda name: name == "loss")  # a term, if one is not finite, rather than the sum
    return f"the loss became {numbers[first]} at step {step}, in its term '{'sum' if first == 'loss' else first}'"
