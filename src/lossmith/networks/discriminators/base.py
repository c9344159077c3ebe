"""The base class of discriminators."""

from typing import ClassVar

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression
from lossmith.networks.base import check_size


class Discriminator(HasExpression, nn.Module):
    """Base class of discriminators: (N, C, H, W), images in [0, 1], to logits, (N, 1) or (N, 1, H, W).

    There is no sigmoid at the end: adversarial losses take logits. `str()` returns the expression of the
    architecture.

    Parameters
    ----------
    features
        Channels of the first convolution, 1 to 1024.
    channels
        C, the channels of the images, 1 to 1024; 3 are RGB.
    """

    name: ClassVar[str]
    min_side: int = 1
    """The least height and width of images, in pixels."""

    def __init__(self, features: int = 64, *, channels: int = 3) -> None:
        super().__init__()
        check_size(self.name, features=features, channels=channels)
        self.features, self.channels = features, channels

    def _check_images(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if min(height, width) < self.min_side:
            least = f"{self.min_side} x {self.min_side}"
            raise LossmithError(f"discriminator {self} needs at least {least} pixels, not {height} x {width}")
