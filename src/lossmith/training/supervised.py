"""A restorer that learns from pairs of pictures under one loss."""

from functools import cached_property, reduce
from operator import add
from typing import Any, ClassVar

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from lossmith.losses import Loss, Schedule
from lossmith.training.attempt import SKIPPED, Attempt, all_finite, changing
from lossmith.training.average import Average
from lossmith.training.learner import Learner, Values
from lossmith.training.rate import learning_rate
from lossmith.training.recipe import Recipe
from lossmith.training.stream import Batch
from lossmith.training.together import mean_of_all, normalise_over_all


class Supervised(Learner):
    """A restorer that learns to undo damage under a loss.

    The learning rate and the loss's schedule are functions of the fraction of the budget spent.
    """

    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    """Of Adam."""

    def __init__(self, restorer: nn.Module, loss: Loss, recipe: Recipe) -> None:
        self.restorer = restorer.to(memory_format=torch.channels_last)
        self.loss, self.recipe = loss, recipe
        self.average = Average(self.restorer, recipe.ema) if recipe.ema else None
        self.modules = nn.ModuleDict({"restorer": self.restorer, "loss": loss})
        if self.average:
            self.modules["average"] = self.average

    def prepare(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._careful = self.recipe.on_nan == "skip" or fabric.device.type == "cpu"
        self.modules.to(fabric.device).train()
        normalise_over_all(self.restorer, fabric)
        rate = self.recipe.learning_rate
        adam = torch.optim.Adam(self.restorer.parameters(), lr=rate, betas=self.betas, fused=True)
        self._network, self._optimiser = fabric.setup(self.restorer, adam)

    def step(self, batch: Batch, progress: float) -> Values:
        """Learn from a batch; a step that fails, or gives what is no number and is seen to, changes nothing.

        On a CPU every step is seen to. A GPU would have to be waited for, so there it is done on request.
        """
        attempt = Attempt(self._buffers)
        try:
            values, _ = self.find_gradients(*self.placed(batch), progress)
            values = mean_of_all(values)
            good = not self._careful or self._all_agree(all_finite(values.values(), self._learning))
        except Exception:
            attempt.undo()
            raise
        if not good:
            attempt.undo()
            return {**values, SKIPPED: torch.ones((), device=self._fabric.device)}
        self.follow_gradients(values)
        return values

    def placed(self, batch: Batch) -> Batch:
        """The pictures where the network is."""
        degraded, clean = (laid_out(pictures, self._fabric.device) for pictures in batch)
        return degraded, clean

    def find_gradients(self, degraded: Tensor, clean: Tensor, progress: float) -> tuple[Values, Tensor]:
        """The first half of a step: what it gave, and the pictures that the restorer made, detached."""
        follow_schedule(self.loss, progress)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, progress)
        restored = self._network(degraded)
        with self._fabric.autocast():
            terms = self.loss.terms(restored, clean)
        total = reduce(add, terms.values())
        self._optimiser.zero_grad()
        self._fabric.backward(total)
        values = {"loss": total.detach(), **{name: value.detach() for name, value in terms.items()}}
        return values, restored.detach()

    def follow_gradients(self, values: Values) -> None:
        """The second half of a step, which gave `values`."""
        self._optimiser.step()
        if self.average:
            self.average.follow(self.restorer)

    @cached_property
    def _buffers(self) -> list[Tensor]:
        return changing(self.modules)

    @property
    def _learning(self) -> list[nn.Parameter]:
        return list(self.restorer.parameters())

    def _all_agree(self, good: Tensor) -> bool:
        """Whether it is so in every process that takes this step."""
        if self._fabric.world_size == 1:
            return bool(good)
        return bool(self._fabric.all_reduce(good.float(), reduce_op="mean") == 1)

    @property
    def learning_rate(self) -> float:
        rate: float = self._optimiser.param_groups[0]["lr"]
        return rate

    @property
    def result(self) -> nn.Module:
        """The network to keep: the averaged one where there is one."""
        return self.average.module if self.average else self.restorer

    @property
    def healthy(self) -> bool:
        """Whether every weight and every statistic of the network is a finite number."""
        return finite(self.restorer)

    def state_dict(self) -> dict[str, Any]:
        return {"modules": self.modules.state_dict(), "optimiser": self._optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.modules.load_state_dict(state["modules"])
        self._optimiser.load_state_dict(state["optimiser"])


def laid_out(pictures: Tensor, device: torch.device) -> Tensor:
    """Pictures on the device, each pixel's channels beside each other, as convolutions want them."""
    return pictures.to(device, non_blocking=True).to(memory_format=torch.channels_last)


def follow_schedule(loss: Loss, progress: float) -> None:
    """Set every part of a loss that changes during the run to where it is at `progress`."""
    for module in loss.modules():
        if isinstance(module, Schedule):
            module.progress = progress


def finite(network: nn.Module) -> bool:
    """Whether every weight and every statistic is a finite number."""
    tensors = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
    return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())
