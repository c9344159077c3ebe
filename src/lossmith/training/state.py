"""The progress of a run."""

from typing import Any

from lossmith.core.timer import Timer
from lossmith.training.recipe import Recipe


class TrainState:
    """Steps and seconds spent, out of a budget of steps or of minutes."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.step = 0
        self.skipped = 0
        """How many of the steps were skipped, since a loss or gradient was not finite."""
        self.timer = Timer()
        self.progress = 0.0
        """The fraction of the budget that is spent, 0 to 1, after the latest step."""

    def advance(self) -> None:
        """Count a step."""
        self.step += 1
        self.progress = self._spent()

    @property
    def done(self) -> bool:
        return self.progress >= 1

    def _spent(self) -> float:
        if self.recipe.steps:
            return min(1.0, self.step / self.recipe.steps)
        assert self.recipe.minutes is not None
        return min(1.0, self.timer.elapsed / (60 * self.recipe.minutes))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "skipped": self.skipped, "seconds": self.timer.elapsed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.skipped = state["step"], state["skipped"]
        self.timer = Timer(state["seconds"])
        self.progress = self._spent()
