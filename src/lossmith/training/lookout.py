"""Whether the loss is still a number, asked without making the device wait at every step."""

import math
import time

import torch
from torch import Tensor

from lossmith.errors import Diverged


class Lookout:
    """Keeps the terms of the latest steps where they were computed, and looks at them together now and then.

    A look waits until the device has come that far, so there is one every `every_seconds`, and one before anything
    is written down. What has been written is therefore always from before the step that broke.
    """

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.every_seconds = every_seconds
        self._unseen: list[tuple[int, Tensor, dict[str, Tensor]]] = []
        self._looked = time.monotonic()

    def note(self, step: int, total: Tensor, terms: dict[str, Tensor]) -> None:
        """Remember what the loss was at a step."""
        self._unseen.append((step, total, terms))
        if time.monotonic() - self._looked >= self.every_seconds:
            self.look()

    def look(self) -> None:
        """Raise Diverged, with the first step and the term, if a loss noted since the last look is not finite."""
        unseen, self._unseen, self._looked = self._unseen, [], time.monotonic()
        if not unseen:
            return
        values = torch.stack([total for _, total, _ in unseen]).tolist()
        for value, (step, _, terms) in zip(values, unseen, strict=True):
            if not math.isfinite(value):
                broken = {name: float(term) for name, term in terms.items() if not torch.isfinite(term)}
                name, became = next(iter(broken.items()), ("sum", value))
                raise Diverged(f"the loss became {became} at step {step}, in its term '{name}'")
