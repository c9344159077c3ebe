"""What every critic is: the discriminator of adversarial training."""

from typing import ClassVar

from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.expressions import Spelled
from lossmith.networks.base import LARGEST


class Critic(Spelled, nn.Module):
    """A network that says how real pictures look: (N, 3, H, W) RGB in [0, 1] to logits, (N, 1) or (N, 1, H, W).

    Logits are what the adversarial losses take: no sigmoid at the end. `str()` gives the expression that makes it
    again.
    """

    name: ClassVar[str]
    least_side: int = 1
    """Height and width a picture must have at least, in pixels."""

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        if features < 1:
            raise LossmithError(f"{self.name}: features must be at least 1, not {features}")
        if features > LARGEST:
            raise LossmithError(f"{self.name}: features must be at most {LARGEST}, not {features}")
        self.features = features

    def _check_pictures(self, pictures: Tensor) -> None:
        height, width = pictures.shape[-2:]
        if min(height, width) < self.least_side:
            side = self.least_side
            raise LossmithError(f"critic {self} needs at least {side} x {side} pixels, not {height} x {width}")
