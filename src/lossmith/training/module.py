"""One training run as a Lightning module."""

import math
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lossmith.errors import Diverged
from lossmith.losses import Loss, Schedule
from lossmith.training.recipe import Recipe
from lossmith.training.stopwatch import Stopwatch

Batch = tuple[Tensor, Tensor]
"""(degraded, clean)"""

WARM_UP = 0.05
"""The part of the budget over which the learning rate rises."""

ADVICE = "the last good state is saved, and a lower learning_rate usually helps"


class Restoration(LightningModule):
    """A restorer that learns to undo damage under a loss.

    The learning rate and the loss's schedule are functions of `progress`, the fraction of the budget spent.
    """

    def __init__(self, restorer: nn.Module, loss: Loss, recipe: Recipe) -> None:
        super().__init__()
        self.restorer = restorer.to(memory_format=torch.channels_last)
        self.loss, self.recipe = loss, recipe
        average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.restorer, multi_avg_fn=average) if recipe.ema else None
        self.stopwatch = Stopwatch()
        self.terms: dict[str, Tensor] = {}
        """The named terms of the latest step."""

    @property
    def result(self) -> nn.Module:
        """The network to keep: the averaged one where there is one."""
        return self.averaged.module if self.averaged else self.restorer

    @property
    def healthy(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(torch.isfinite(weight).all()) for weight in self.restorer.parameters())

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

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.follow_schedules(self.progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate(self.recipe, self.progress)
        degraded, clean = (pictures.to(memory_format=torch.channels_last) for pictures in batch)
        terms = self.loss.terms(self.restorer(degraded), clean)
        self.terms = {name: value.detach() for name, value in terms.items()}
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            term = next((name for name, value in self.terms.items() if not torch.isfinite(value)), "sum")
            became = self.terms.get(term, total).item()
            raise Diverged(
                f"the loss became {became} at step {self.global_step + 1}, in its term '{term}'; {ADVICE}"
            )
        return total

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        super().optimizer_step(*arguments, **options)
        if self.averaged is not None:  # here, since callbacks that save run before the module's own hooks
            self.averaged.update_parameters(self.restorer)

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

    def follow_schedules(self, progress: float) -> None:
        """Set every loss that changes during the run to where it is at `progress`."""
        for module in self.loss.modules():
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
