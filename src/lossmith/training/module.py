"""One training run as a Lightning module."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.losses import Loss, Schedule
from lossmith.training.average import Average
from lossmith.training.lookout import Lookout
from lossmith.training.recipe import Recipe
from lossmith.training.stopwatch import Stopwatch
from lossmith.training.stream import Batch

WARM_UP = 0.05
"""The part of the budget over which the learning rate rises."""


class Restoration(LightningModule):
    """A restorer that learns to undo damage under a loss.

    The learning rate and the loss's schedule are functions of `progress`, the fraction of the budget spent.
    """

    def __init__(self, restorer: nn.Module, loss: Loss, recipe: Recipe) -> None:
        super().__init__()
        self.restorer = restorer.to(memory_format=torch.channels_last)
        self.loss, self.recipe = loss, recipe
        self.average = Average(self.restorer, recipe.ema) if recipe.ema else None
        self.stopwatch, self.lookout = Stopwatch(), Lookout()
        self.terms: dict[str, Tensor] = {}
        """The named terms of the latest step."""

    @property
    def result(self) -> nn.Module:
        """The network to keep: the averaged one where there is one."""
        return self.average.module if self.average else self.restorer

    @property
    def healthy(self) -> bool:
        """Whether every weight and every statistic of the network is a finite number."""
        tensors = [tensor for tensor in self.restorer.state_dict().values() if tensor.is_floating_point()]
        return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())

    @property
    def progress(self) -> float:
        """The fraction of the budget that is spent, 0 to 1."""
        if self.recipe.steps:
            return min(1.0, self.global_step / self.recipe.steps)
        assert self.recipe.minutes is not None
        return min(1.0, self.stopwatch.elapsed / (60 * self.recipe.minutes))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(
            self.restorer.parameters(), lr=self.recipe.learning_rate, betas=(0.9, 0.99), fused=True
        )

    def training_step(self, batch: Batch | LossmithError, batch_idx: int) -> Tensor:
        if isinstance(batch, LossmithError):
            raise batch
        progress = self.progress
        follow_schedule(self.loss, progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(self.recipe, progress)
        degraded, clean = (pictures.to(memory_format=torch.channels_last) for pictures in batch)
        terms = self.loss.terms(self.restorer(degraded), clean)
        total = torch.stack(list(terms.values())).sum()
        self.terms = {name: value.detach() for name, value in terms.items()}
        self.lookout.note(self.global_step + 1, total.detach(), self.terms)
        return total

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        super().optimizer_step(*arguments, **options)
        if self.average is not None:  # here, since callbacks that save run before the module's own hooks
            self.average.follow(self.restorer)

    def on_train_start(self) -> None:
        self.stopwatch.start()

    def on_train_end(self) -> None:
        self.stopwatch.stop()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["elapsed"] = self.stopwatch.elapsed
        checkpoint["random_state"] = torch.get_rng_state()  # for networks that draw, as dropout does
        if torch.cuda.is_available():
            checkpoint["cuda_random_state"] = torch.cuda.get_rng_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.stopwatch = Stopwatch(checkpoint["elapsed"])
        torch.set_rng_state(checkpoint["random_state"].cpu())
        if torch.cuda.is_available() and "cuda_random_state" in checkpoint:
            torch.cuda.set_rng_state(checkpoint["cuda_random_state"].cpu())


def follow_schedule(loss: Loss, progress: float) -> None:
    """Set every part of a loss that changes during the run to where it is at `progress`."""
    for module in loss.modules():
        if isinstance(module, Schedule):
            module.progress = progress


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The learning rate when `progress` of the budget is spent.

    It rises over the first twentieth: without that, the first large steps can throw a fresh network so far off
    that a structural loss, which is flat there, never finds back.

    >>> [round(learning_rate(Recipe(learning_rate=1.0), p), 3) for p in (0.0, 0.05, 0.5, 1.0)]
    [0.01, 0.994, 0.505, 0.01]
    """
    rise = min(1.0, 0.01 + progress / WARM_UP)
    fall = 1.0 if recipe.decay == "none" else 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    return recipe.learning_rate * rise * fall
