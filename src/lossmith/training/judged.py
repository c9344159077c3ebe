"""What a critic says of a restorer's pictures, as a term of the restorer's loss."""

import torch
from torch import Tensor, nn

from lossmith.losses import Loss
from lossmith.losses.adversarial import Adversarial
from lossmith.training.together import of_all


class Judged(Loss):
    """The restorer's part of an adversarial loss; `str()` gives that loss's name.

    The critic belongs to the term, moves with it and is saved with it. Its weights are frozen: the gradient goes
    through it to the prediction, and no further. It says what it thinks in the precision of its surroundings.
    """

    bounds = "any number"

    def __init__(self, critic: nn.Module, adversarial: Adversarial) -> None:
        super().__init__()
        self.critic, self.adversarial = critic.requires_grad_(False), adversarial
        self.least_side = getattr(critic, "least_side", 1)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():  # what it says of real pictures does not depend on the restorer
            real = of_all(self.critic(target))
        return self.adversarial.generator(real, of_all(self.critic(prediction)))

    def __str__(self) -> str:
        return str(self.adversarial)
