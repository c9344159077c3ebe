"""The interface of what the loop trains."""

from typing import Any, Protocol

from torch import Tensor, nn

from lossmith.data.loader import Batch
from lossmith.training.fabric import Fabric
from lossmith.training.recipe import Recipe

StepMetrics = dict[str, Tensor]
"""Detached scalars of a step, on the device: `loss`, then the named terms that it is the sum of.

Some steps have the shares and cosines of these, too, see `lossmith.training.pulls`."""


class TrainingModule(Protocol):
    """The interface of what the loop trains, one batch at a time.

    A module owns its networks, losses and optimizers. Everything that a step changes must be in `state_dict`, or a
    resumed run would differ from an uninterrupted one.
    """

    recipe: Recipe

    def setup(self, fabric: Fabric) -> None:
        """Move to the device and build the optimizers; called once, before anything else."""

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        """Take an optimizer step on a batch, (degraded, clean); `progress` is the spent fraction of the budget."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of the latest step."""

    @property
    def trained_network(self) -> nn.Module:
        """The network to save."""

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
