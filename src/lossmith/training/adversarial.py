"""Adversarial training: a restorer and a discriminator, and a monitor of who wins."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses import Loss
from lossmith.losses.adversarial import AdversarialLoss
from lossmith.training.distributed.collectives import all_gather, sync_batch_norm
from lossmith.training.fabric import Fabric
from lossmith.training.lr_schedule import learning_rate
from lossmith.training.module import StepMetrics
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import SupervisedModule, all_weights_finite
from lossmith.training.valid_pixels import zero_invalid


class GeneratorLoss(Loss):
    """The generator's adversarial loss, as a loss term; `str()` gives the name of the adversarial loss.

    The discriminator is a submodule, so it moves and is saved with the term. Its weights are frozen: the gradient
    passes through it to the prediction. It computes in the precision of the surrounding autocast.

    Parameters
    ----------
    discriminator
        From images, (N, C, H, W), to logits of any shape with N first.
    adversarial
        Turns the logits of real and restored images into a scalar.
    """

    bounds = "any number"
    kind = "adversarial"

    def __init__(self, discriminator: nn.Module, adversarial: AdversarialLoss) -> None:
        super().__init__()
        self.discriminator, self.adversarial = discriminator.requires_grad_(False), adversarial
        self.min_side = getattr(discriminator, "min_side", 1)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():  # the logits of real images do not depend on the restorer
            real = all_gather(self.discriminator(target))
        return self.adversarial.generator_loss(real, all_gather(self.discriminator(prediction)))

    def __str__(self) -> str:
        return str(self.adversarial)


WINDOW_STEPS = 200
"""Steps over which the discriminator's loss is averaged; reading the mean waits for the device."""
WARN_BELOW = 0.02
"""The fraction of an undecided discriminator's loss below which it classifies practically every image right."""


class DiscriminatorDominanceMonitor:
    """Warns, once in a run, when the discriminator's loss stays far below that of an undecided discriminator.

    The restorer then gets hardly any gradient from it. Losses that are 0 for an undecided discriminator, such as
    `wgan`, do not show who wins, and are not monitored.

    >>> from lossmith.losses.adversarial import RaGANLoss
    >>> round(DiscriminatorDominanceMonitor(RaGANLoss()).undecided_loss, 6)
    1.386294
    """

    def __init__(self, adversarial: AdversarialLoss, window_steps: int = WINDOW_STEPS) -> None:
        undecided = torch.zeros(2, 1)
        self.undecided_loss = float(adversarial.discriminator_loss(undecided, undecided))
        self.window_steps = window_steps
        self._sum: Tensor | float = 0.0
        self._count = 0
        self._warned = False

    def update(self, step_loss: Tensor) -> None:
        """Add the discriminator's loss at a step, a detached scalar on any device."""
        self._sum, self._count = self._sum + step_loss, self._count + 1
        if self._count < self.window_steps:
            return
        mean, self._sum, self._count = float(self._sum) / self._count, 0.0, 0
        if self.undecided_loss > 0 and mean < WARN_BELOW * self.undecided_loss and not self._warned:
            self._warned = True
            warnings.warn(
                f"the discriminator dominates: over {self.window_steps} steps its loss was {mean:.2g}, and an "
                f"undecided one has {self.undecided_loss:.2g}; lower discriminator_learning_rate, take a smaller "
                "discriminator, or train longer before it",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"sum": torch.as_tensor(self._sum), "count": self._count, "warned": self._warned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sum, self._count, self._warned = state["sum"], state["count"], state["warned"]


class AdversarialModule(SupervisedModule):
    """Adversarial training of a restorer: each step updates the restorer, then the discriminator.

    The restorer minimizes content + weight * adversarial with the discriminator frozen; the discriminator then
    learns from the same restored images. Both networks stay in train mode, so the discriminator's batch
    normalization uses the statistics of the current images, separately for real and restored ones. With several
    processes the adversarial loss gets the logits of all their images, since relativistic losses depend on the
    mean logit. Source: Wang et al., ECCVW 2018, section 3.2 and equation 3.

    Parameters
    ----------
    restorer
        The network that restores.
    content
        Its loss beside the adversarial one.
    discriminator
        From images, (N, C, H, W), to logits.
    adversarial, weight
        The adversarial loss, and its weight in the restorer's loss.
    recipe
        The optimizer's settings; both networks follow its learning rate schedule.
    discriminator_learning_rate
        The discriminator's peak learning rate; by default the recipe's.
    masked
        Whether clean images may hold NaN, where both images are 0 for the loss and the discriminator.

    Raises
    ------
    LossmithError
        When the discriminator has no trainable parameters.
    """

    betas = (0.9, 0.999)

    def __init__(
        self,
        restorer: nn.Module,
        content: Loss,
        discriminator: nn.Module,
        adversarial: AdversarialLoss,
        weight: float,
        recipe: Recipe,
        discriminator_learning_rate: float | None = None,
        *,
        masked: bool = False,
    ) -> None:
        self._discriminator_parameters = [
            parameter for parameter in discriminator.parameters() if parameter.requires_grad
        ]
        if not self._discriminator_parameters:
            raise LossmithError(f"discriminator {type(discriminator).__name__} has no parameters to train")
        self.discriminator = discriminator.to(memory_format=torch.channels_last)
        self.adversarial = adversarial
        self.dominance_monitor = DiscriminatorDominanceMonitor(adversarial)
        self._discriminator_lr_factor = (
            discriminator_learning_rate or recipe.learning_rate
        ) / recipe.learning_rate
        objective = content + weight * GeneratorLoss(self.discriminator, adversarial)
        super().__init__(restorer, objective, recipe, masked=masked)
        self.content = content

    def setup(self, fabric: Fabric) -> None:
        super().setup(fabric)
        sync_batch_norm(self.discriminator, fabric)
        rate = self.recipe.learning_rate * self._discriminator_lr_factor
        adam = torch.optim.Adam(self._discriminator_parameters, lr=rate, betas=self.betas, fused=True)
        with unfrozen(self._discriminator_parameters):  # DDP registers the parameters that require a gradient
            self._ddp_discriminator, self._discriminator_optimizer = fabric.setup(self.discriminator, adam)

    def forward_backward(self, degraded: Tensor, clean: Tensor, progress: float) -> tuple[StepMetrics, Tensor]:
        values, restored = super().forward_backward(degraded, clean, progress)
        clean = zero_invalid(clean, clean) if self.masked else clean
        return {**values, **self._discriminator_forward_backward(clean, restored, progress)}, restored

    def optimizer_step(self, values: StepMetrics) -> None:
        super().optimizer_step(values)
        self._discriminator_optimizer.step()
        self.dominance_monitor.update(values["discriminator_loss"])

    @property
    def _trainable_parameters(self) -> list[nn.Parameter]:
        return [*super()._trainable_parameters, *self._discriminator_parameters]

    def _discriminator_forward_backward(self, clean: Tensor, restored: Tensor, progress: float) -> StepMetrics:
        for group in self._discriminator_optimizer.param_groups:
            group["lr"] = self._discriminator_lr_factor * learning_rate(self.recipe, progress)
        with unfrozen(self._discriminator_parameters):
            real, fake = self._ddp_discriminator(clean), self._ddp_discriminator(restored)
            loss = self.adversarial.discriminator_loss(all_gather(real), all_gather(fake))
            self._discriminator_optimizer.zero_grad()
            self._fabric.backward(loss)
        real, fake = real.detach().float().mean(), fake.detach().float().mean()
        return {"discriminator_loss": loss.detach(), "discriminator_real": real, "discriminator_fake": fake}

    @property
    def is_finite(self) -> bool:
        """Whether all weights and buffers of both networks are finite."""
        return super().is_finite and all_weights_finite(self.discriminator)

    def state_dict(self) -> dict[str, Any]:
        # the discriminator's weights are among the modules, as part of the loss
        return {
            **super().state_dict(),
            "discriminator_optimizer": self._discriminator_optimizer.state_dict(),
            "dominance_monitor": self.dominance_monitor.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.dominance_monitor.load_state_dict(state["dominance_monitor"])


@contextmanager
def unfrozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let these parameters require a gradient within the block, and only there."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)
