"""What the loss is, asked without making the device wait at every step."""

import math
import time
from typing import Any

import torch

from lossmith.core.errors import Diverged
from lossmith.training.module import StepMetrics
from lossmith.training.state import TrainState
from lossmith.training.supervised import SKIPPED

MAX_CONSECUTIVE_SKIPS = 10
MAX_SKIPPED_STEPS = 100
"""Steps of a run that may be skipped."""


class LossMonitor:
    """Keeps the values of the latest steps where they were computed, and looks at them together now and then.

    A look waits until the device has come that far, so there is one every `every_seconds`, and one before anything
    is written down. What has been written is therefore always from before the step that broke.
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
        """Remember what a step gave: `loss` and its terms.

        Raises Diverged, sooner or later, for what is no number; at once for a step that changed nothing for that
        reason, unless the recipe lets it be skipped.
        """
        self._pending.append((step, values))
        if SKIPPED in values or time.monotonic() - self._flushed_at >= self.every_seconds:
            self.flush()

    def flush(self) -> None:
        """Raise Diverged, with the first step and the term, if a value noted since the last look is not finite."""
        if self._broken:
            raise Diverged("the loss is no longer a number")
        unseen, self._pending, self._flushed_at = self._pending, [], time.monotonic()
        if not unseen:
            return
        numbers = iter(torch.stack([value for _, values in unseen for value in values.values()]).tolist())
        for step, values in unseen:
            self._add(step, {name: next(numbers) for name in values})

    def _add(self, step: int, numbers: dict[str, float]) -> None:
        if numbers.pop(SKIPPED, 0):
            self._skip(_describe_failure(step, numbers))
            return
        if not all(map(math.isfinite, numbers.values())):
            self._broken = True  # what the step did is in the weights
            raise Diverged(_describe_failure(step, numbers))
        self._consecutive_skips = 0
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + number
            self._counts[name] = self._counts.get(name, 0) + 1

    def _skip(self, why: str) -> None:
        """Count a step that changed nothing, or raise Diverged, as the recipe says."""
        if self.train_state.recipe.on_nan == "stop":
            raise Diverged(why)
        for skipped, most, where in (
            (self._consecutive_skips, MAX_CONSECUTIVE_SKIPS, " in a row"),
            (self.train_state.skipped, MAX_SKIPPED_STEPS, " of the run"),
        ):
            if skipped >= most:
                raise Diverged(f"{why}, after {most} steps{where} were skipped")
        self._consecutive_skips += 1
        self.train_state.skipped += 1

    def pop_means(self) -> dict[str, float]:
        """Each value averaged over the steps that had it, since this was asked before. It looks first.

        With them, where steps may be skipped, how many have been in the run.
        """
        self.flush()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return {**means, SKIPPED: self.train_state.skipped} if self.train_state.recipe.on_nan == "skip" else means

    def state_dict(self) -> dict[str, Any]:
        self.flush()
        return {"sums": self._sums, "counts": self._counts, "in_a_row": self._consecutive_skips}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts, self._consecutive_skips = state["sums"], state["counts"], state["in_a_row"]


def _describe_failure(step: int, numbers: dict[str, float]) -> str:
    broken = [name for name, number in numbers.items() if not math.isfinite(number)]
    if not broken:
        return f"the gradient is no longer a number at step {step}, though the loss, {numbers['loss']:.4g}, is one"
    first = min(broken, key=lambda name: name == "loss")  # which is only to blame when no term is
    return f"the loss became {numbers[first]} at step {step}, in its term '{'sum' if first == 'loss' else first}'"
