"""Tells when the critic has won."""

import warnings
from typing import Any

import torch
from torch import Tensor

from lossmith.losses.adversarial import Adversarial

STRETCH = 200
"""Steps over which the critic's loss is averaged, and after which the device is asked for it."""
OUTRIGHT = 0.02
"""A critic whose loss is below this part of what guessing costs tells every picture apart."""


class UpperHand:
    """Warns, once in a run, when the critic's loss stays far below that of a critic who guesses.

    From then on the restorer learns little from it. Losses that guessing costs nothing, as `wgan`, say nothing
    about who wins.

    >>> from lossmith.losses.adversarial import RaGAN
    >>> round(UpperHand(RaGAN()).chance, 6)
    1.386294
    """

    def __init__(self, adversarial: Adversarial, stretch: int = STRETCH) -> None:
        undecided = torch.zeros(2, 1)
        self.chance = float(adversarial.critic(undecided, undecided))
        self.stretch = stretch
        self._sum: Tensor | float = 0.0
        self._count = 0
        self._warned = False

    def note(self, step_loss: Tensor) -> None:
        """Take note of the critic's loss at a step, a detached number on any device."""
        self._sum, self._count = self._sum + step_loss, self._count + 1
        if self._count < self.stretch:
            return
        mean, self._sum, self._count = float(self._sum) / self._count, 0.0, 0
        if self.chance > 0 and mean < OUTRIGHT * self.chance and not self._warned:
            self._warned = True
            warnings.warn(
                f"the critic wins outright: over {self.stretch} steps its loss was {mean:.2g}, and guessing costs "
                f"{self.chance:.2g}; lower critic_learning_rate, take a smaller critic, or train longer before it",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        return {"sum": torch.as_tensor(self._sum), "count": self._count, "warned": self._warned}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sum, self._count, self._warned = state["sum"], state["count"], state["warned"]
