"""A restorer and a critic that learn against each other."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.losses import Loss
from lossmith.losses.adversarial import Adversarial
from lossmith.training.judged import Judged
from lossmith.training.learner import Values
from lossmith.training.rate import learning_rate
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import Supervised, finite
from lossmith.training.together import normalise_over_all, of_all
from lossmith.training.upper_hand import UpperHand


class Contested(Supervised):
    """A restorer that learns under a loss and from a critic, which learns to tell its pictures from real ones.

    At every step the restorer takes one, under content + weight * adversarial, with the critic's weights frozen,
    and the critic takes one, on the pictures that the restorer had just made. Both follow the recipe's learning
    rate; `critic_rate` is the critic's where the recipe's is at its highest.

    Both networks are in train mode throughout, so the critic's batch normalisation goes by the pictures at hand,
    real and restored apart. Processes that train together ask the adversarial loss about what the critic says of
    all their pictures, on whose mean it may depend. Source: Wang et al., ECCVW 2018, section 3.2 and equation 3.
    """

    betas = (0.9, 0.999)

    def __init__(
        self,
        restorer: nn.Module,
        content: Loss,
        critic: nn.Module,
        adversarial: Adversarial,
        weight: float,
        recipe: Recipe,
        critic_rate: float | None = None,
    ) -> None:
        self._to_train = [parameter for parameter in critic.parameters() if parameter.requires_grad]
        if not self._to_train:
            raise LossmithError(f"critic {type(critic).__name__} has nothing to train")
        self.critic = critic.to(memory_format=torch.channels_last)
        self.adversarial = adversarial
        self.upper_hand = UpperHand(adversarial)
        self._critic_factor = (critic_rate or recipe.learning_rate) / recipe.learning_rate
        super().__init__(restorer, content + weight * Judged(self.critic, adversarial), recipe)

    def prepare(self, fabric: Fabric) -> None:
        super().prepare(fabric)
        normalise_over_all(self.critic, fabric)
        rate = self.recipe.learning_rate * self._critic_factor
        adam = torch.optim.Adam(self._to_train, lr=rate, betas=self.betas, fused=True)
        with thawed(self._to_train):  # several processes agree on what there is to train
            self._judge, self._critic_optimiser = fabric.setup(self.critic, adam)

    def find_gradients(self, degraded: Tensor, clean: Tensor, progress: float) -> tuple[Values, Tensor]:
        values, restored = super().find_gradients(degraded, clean, progress)
        return {**values, **self._find_critics_gradients(clean, restored, progress)}, restored

    def follow_gradients(self, values: Values) -> None:
        super().follow_gradients(values)
        self._critic_optimiser.step()
        self.upper_hand.note(values["critic_loss"])

    @property
    def _learning(self) -> list[nn.Parameter]:
        return [*super()._learning, *self._to_train]

    def _find_critics_gradients(self, clean: Tensor, restored: Tensor, progress: float) -> Values:
        for group in self._critic_optimiser.param_groups:
            group["lr"] = self._critic_factor * learning_rate(self.recipe, progress)
        with thawed(self._to_train):
            real, fake = self._judge(clean), self._judge(restored)
            loss = self.adversarial.critic(of_all(real), of_all(fake))
            self._critic_optimiser.zero_grad()
            self._fabric.backward(loss)
        real, fake = real.detach().float().mean(), fake.detach().float().mean()
        return {"critic_loss": loss.detach(), "critic_real": real, "critic_fake": fake}

    @property
    def healthy(self) -> bool:
        """Whether every weight and every statistic of both networks is a finite number."""
        return super().healthy and finite(self.critic)

    def state_dict(self) -> dict[str, Any]:
        # the critic's weights are among those of the loss
        return {
            **super().state_dict(),
            "critic_optimiser": self._critic_optimiser.state_dict(),
            "upper_hand": self.upper_hand.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._critic_optimiser.load_state_dict(state["critic_optimiser"])
        self.upper_hand.load_state_dict(state["upper_hand"])


@contextmanager
def thawed(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """These parameters learn within the block, and only there."""
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(False)
