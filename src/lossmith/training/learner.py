"""What a run teaches, as the loop sees it."""

from typing import Any, Protocol

from lightning.fabric import Fabric
from torch import Tensor, nn

from lossmith.training.recipe import Recipe
from lossmith.training.stream import Batch

Values = dict[str, Tensor]
"""What a step gave, on the device and detached: `loss`, then the named terms that it is made of."""


class Learner(Protocol):
    """Something that learns from one batch at a time. The loop knows nothing else about it.

    It owns its networks, their losses and their optimisers, however many they are. Whatever a step changes is part
    of `state_dict`, or a resumed run would not end where an uninterrupted one ends.
    """

    recipe: Recipe

    def prepare(self, fabric: Fabric) -> None:
        """Move to the device, ready for the first step; called once, before all that follows."""

    def step(self, batch: Batch, progress: float) -> Values:
        """Learn from a batch, when `progress` of the budget is spent."""

    @property
    def learning_rate(self) -> float:
        """That of the latest step."""

    @property
    def result(self) -> nn.Module:
        """The network to keep."""

    @property
    def healthy(self) -> bool:
        """Whether every weight is a finite number."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
