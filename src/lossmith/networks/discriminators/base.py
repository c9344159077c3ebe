"""What every discriminator is: the discriminator of adversarial training."""

from typing import ClassVar

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression
from lossmith.networks.base import MAX_FEATURES


class Discriminator(HasExpression, nn.Module):
    """A network that says how real images look: (N, 3, H, W) RGB in [0, 1] to logits, (N, 1) or (N, 1, H, W).

    Logits are what the adversarial losses take: no sigmoid at the end. `str()` gives the expression that makes it
    again.
    """

    name: ClassVar[str]
    min_side: int = 1
    """Height and width an image must have at least, in pixels."""

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        if features < 1:
            raise LossmithError(f"{self.name}: features must be at least 1, not {features}")
        if features > MAX_FEATURES:
            raise LossmithError(f"{self.name}: features must be at most {MAX_FEATURES}, not {features}")
        self.features = features

    def _check_images(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if min(height, width) < self.min_side:
            side = self.min_side
            raise LossmithError(
                f"discriminator {self} needs at least {side} x {side} pixels, not {height} x {width}"
            )
