"""What the loss is, asked without making the device wait at every step."""

import math
import time
from typing import Any

import torch

from lossmith.errors import Diverged
from lossmith.training.learner import Values


class Lookout:
    """Keeps the values of the latest steps where they were computed, and looks at them together now and then.

    A look waits until the device has come that far, so there is one every `every_seconds`, and one before anything
    is written down. What has been written is therefore always from before the step that broke.
    """

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.every_seconds = every_seconds
        self._unseen: list[tuple[int, Values]] = []
        self._looked = time.monotonic()
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def note(self, step: int, values: Values) -> None:
        """Remember what a step gave: `loss` and its terms."""
        self._unseen.append((step, values))
        if time.monotonic() - self._looked >= self.every_seconds:
            self.look()

    def look(self) -> None:
        """Raise Diverged, with the first step and the term, if a value noted since the last look is not finite."""
        unseen, self._unseen, self._looked = self._unseen, [], time.monotonic()
        if not unseen:
            return
        numbers = iter(torch.stack([value for _, values in unseen for value in values.values()]).tolist())
        for step, values in unseen:
            self._enter(step, {name: next(numbers) for name in values})

    def _enter(self, step: int, numbers: dict[str, float]) -> None:
        broken = [name for name, number in numbers.items() if not math.isfinite(number)]
        if broken:
            first = min(broken, key=lambda name: name == "loss")  # which is only to blame when no term is
            term = "sum" if first == "loss" else first
            raise Diverged(f"the loss became {numbers[first]} at step {step}, in its term '{term}'")
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + number
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Each value averaged over the steps that had it, since this was asked before. It looks first."""
        self.look()
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state_dict(self) -> dict[str, Any]:
        self.look()
        return {"sums": self._sums, "counts": self._counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts = state["sums"], state["counts"]
