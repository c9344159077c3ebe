"""The base class of discriminators."""

from typing import ClassVar

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression
from lossmith.networks.base import MAX_FEATURES


class Discriminator(HasExpression, nn.Module):
    """Base class of discriminators: (N, 3, H, W) RGB in [0, 1] to logits, (N, 1) or (N, 1, H, W).

    There is no sigmoid at the end: adversarial losses take logits. `str()` returns the expression of the
    architecture.

    Parameters
    ----------
    features
        Channels of the first convolution, 1 to 1024.
    """

    name: ClassVar[str]
    min_side: int = 1
    """The least height and width of images, in pixels."""

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
            least = f"{self.min_side} x {self.min_side}"
            raise LossmithError(f"discriminator {self} needs at least {least} pixels, not {height} x {width}")
