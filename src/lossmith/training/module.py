"""What a run teaches, as the loop sees it."""

from typing import Any, Protocol

from lightning.fabric import Fabric
from torch import Tensor, nn

from lossmith.data.loader import Batch
from lossmith.training.recipe import Recipe

StepMetrics = dict[str, Tensor]
"""What a step gave, on the device and detached: `loss`, then the named terms that it is made of."""


class TrainingModule(Protocol):
    """Something that learns from one batch at a time. The loop knows nothing else about it.

    It owns its networks, their losses and their optimizers, however many they are. Whatever a step changes is part
    of `state_dict`, or a resumed run would not end where an uninterrupted one ends.
    """

    recipe: Recipe

    def setup(self, fabric: Fabric) -> None:
        """Move to the device, ready for the first step; called once, before all that follows."""

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        """Learn from a batch, when `progress` of the budget is spent."""

    @property
    def learning_rate(self) -> float:
        """That of the latest step."""

    @property
    def trained_network(self) -> nn.Module:
        """The network to keep."""

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a finite number."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
