"""Supervised training of a restorer under one loss."""

from collections.abc import Iterable
from functools import cached_property, reduce
from operator import add
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lossmith.core.rng_state import RNGState
from lossmith.data.loader import Batch
from lossmith.losses import Loss, Schedule
from lossmith.training.distributed.collectives import all_reduce_mean, sync_batch_norm
from lossmith.training.ema import EMA
from lossmith.training.fabric import Fabric
from lossmith.training.lr_schedule import learning_rate
from lossmith.training.module import StepMetrics, TrainingModule
from lossmith.training.pulls import GradientLooks
from lossmith.training.recipe import Recipe
from lossmith.training.valid_pixels import zero_invalid

SKIPPED = "skipped"
"""The name of a step's metric that is 1 when the step was skipped."""


def mutable_buffers(modules: nn.Module) -> list[Tensor]:
    """The buffers that a forward pass may change: those of modules in train mode.

    Modules in eval mode, such as the frozen networks of losses, may have many and change none.
    """
    return [buffer for module in modules.modules() if module.training for buffer in module.buffers(recurse=False)]


class StepSnapshot:
    """The state that a forward pass changes: these buffers, and the random number generators."""

    def __init__(self, buffers: Iterable[Tensor]) -> None:
        self._buffers = [(buffer, buffer.clone()) for buffer in buffers]
        self._rng_state = RNGState().state_dict()

    @torch.no_grad()
    def rollback(self) -> None:
        """Restore the buffers and the generators."""
        for buffer, saved in self._buffers:
            buffer.copy_(saved)
        RNGState().load_state_dict(self._rng_state)


def all_finite(values: Iterable[Tensor], parameters: Iterable[Tensor]) -> Tensor:
    """Whether all values and all gradients of the parameters are finite, as one boolean on the device."""
    grads = (parameter.grad for parameter in parameters)
    gradients = [gradient for gradient in grads if gradient is not None and gradient.numel()]
    # one NaN or inf makes the whole sum non-finite, and a sum is cheap
    sums = [gradient.sum() for gradient in gradients]
    return torch.stack([value.float() for value in (*values, *sums)]).isfinite().all()


class SupervisedModule(TrainingModule):
    """Supervised training of a restorer with Adam.

    The learning rate and the loss's schedule are functions of the spent fraction of the budget.

    Parameters
    ----------
    restorer
        From degraded images, (N, C, h, w), to restored ones, (N, C, H, W).
    loss
        What is minimized.
    recipe
        The optimizer's settings, the precision, and whether weights are averaged.
    masked
        Whether clean images may hold NaN, where pixels do not count: both images are 0 there for the loss.
    """

    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    """Adam's decay rates."""

    def __init__(self, restorer: nn.Module, loss: Loss, recipe: Recipe, *, masked: bool = False) -> None:
        self.restorer = restorer.to(memory_format=torch.channels_last)
        self.loss, self.recipe, self.masked = loss, recipe, masked
        self.content = loss
        """What is in `loss` beside an adversarial term."""
        self.looks = GradientLooks()
        self.ema = EMA(self.restorer, recipe.ema) if recipe.ema else None
        self.modules = nn.ModuleDict({"restorer": self.restorer, "loss": loss})
        if self.ema:
            self.modules["ema"] = self.ema

    def setup(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._check_gradients = self.recipe.on_nan == "skip" or fabric.device.type == "cpu"
        self.modules.to(fabric.device).train()
        sync_batch_norm(self.restorer, fabric)
        rate = self.recipe.learning_rate
        adam = torch.optim.Adam(self.restorer.parameters(), lr=rate, betas=self.betas, fused=True)
        self._network, self._optimizer = fabric.setup(self.restorer, adam)

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        """Take an optimizer step on a batch.

        If the step raises, or a checked loss or gradient is not finite, nothing changes. The check needs a sync,
        so on GPUs it is opt-in (`on_nan="skip"`); on a CPU every step is checked.
        """
        snapshot = StepSnapshot(self._buffers)
        try:
            values, _ = self.forward_backward(*self.to_device(batch), progress)
            values = all_reduce_mean(values)
            finite = not self._check_gradients or self._true_everywhere(
                all_finite(values.values(), self._trainable_parameters)
            )
        except Exception:
            snapshot.rollback()
            raise
        if not finite:
            snapshot.rollback()
            return {**values, SKIPPED: torch.ones((), device=self._fabric.device)}
        self.optimizer_step(values)
        self.looks.advance(progress)
        return values

    def to_device(self, batch: Batch) -> Batch:
        """The batch on the network's device, in channels-last layout."""
        degraded, clean = (to_channels_last(images, self._fabric.device) for images in batch)
        return degraded, clean

    def forward_backward(self, degraded: Tensor, clean: Tensor, progress: float) -> tuple[StepMetrics, Tensor]:
        """The first half of a step: its metrics, and the restored images, (N, C, H, W), detached."""
        set_loss_progress(self.loss, progress)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, progress)
        output = self._network(degraded)
        # a view, since Fabric allows only its own backward pass to go through what a network returns
        restored = viewed = output.view_as(output)
        if self.masked:
            restored, clean = zero_invalid(restored, clean), zero_invalid(clean, clean)
        with self._fabric.autocast():
            terms = self.loss.terms(restored, clean)
        total = reduce(add, terms.values())
        pulls = self.looks.measure(terms, viewed, progress)
        self._optimizer.zero_grad()
        self._fabric.backward(total)
        values = {"loss": total.detach(), **{name: value.detach() for name, value in terms.items()}}
        return {**values, **pulls}, restored.detach()

    def optimizer_step(self, values: StepMetrics) -> None:
        """The second half of a step, whose metrics are `values`."""
        self._optimizer.step()
        if self.ema:
            self.ema.update(self.restorer)

    @cached_property
    def _buffers(self) -> list[Tensor]:
        return mutable_buffers(self.modules)

    @property
    def _trainable_parameters(self) -> list[nn.Parameter]:
        return list(self.restorer.parameters())

    def _true_everywhere(self, flag: Tensor) -> bool:
        """Whether the flag is true in every process that takes this step."""
        if self._fabric.world_size == 1:
            return bool(flag)
        return bool(self._fabric.all_reduce(flag.float(), reduce_op="mean") == 1)

    @property
    def learning_rate(self) -> float:
        rate: float = self._optimizer.param_groups[0]["lr"]
        return rate

    @property
    def trained_network(self) -> nn.Module:
        """The network to save: the averaged one, if weights are averaged."""
        return self.ema.module if self.ema else self.restorer

    @property
    def is_finite(self) -> bool:
        """Whether all weights and buffers of the network are finite."""
        return all_weights_finite(self.restorer)

    def state_dict(self) -> dict[str, Any]:
        return {
            "modules": self.modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "looks": self.looks.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.modules.load_state_dict(state["modules"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.looks.load_state_dict(state["looks"])


def to_channels_last(images: Tensor, device: torch.device) -> Tensor:
    """Images on the device in channels-last layout, in which convolutions are fastest."""
    return images.to(device, non_blocking=True).to(memory_format=torch.channels_last)


def set_loss_progress(loss: Loss, progress: float) -> None:
    """Set every schedule in a loss to the spent fraction of the budget, 0 to 1."""
    for module in loss.modules():
        if isinstance(module, Schedule):
            module.progress = progress


def all_weights_finite(network: nn.Module) -> bool:
    """Whether all weights and buffers are finite."""
    tensors = [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
    return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())
