"""The discriminator of SRGAN and ESRGAN, built like a VGG network."""

import torch.nn.functional as F
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks.discriminators.base import Discriminator

LAST_SIDE = 4
"""Height and width of the last feature map, before it is flattened."""


class VGGDiscriminator(Discriminator):
    """Pairs of convolutions, 3x3 and 4x4 with stride 2, down to 4 x 4 pixels, then two linear layers.

    (N, C, size, size) to one logit per image, (N, 1); 14,499,401 parameters at size 128. Every convolution but the
    first has batch normalization and no bias; leaky ReLU of slope 0.2. Keys are those of BasicSR's
    VGGStyleDiscriminator.

    Source: Ledig et al., CVPR 2017, figure 4; as ESRGAN was trained, Wang et al., ECCVW 2018.

    Parameters
    ----------
    size
        Side of the images, 128 or 256 pixels.
    features
        Channels of the first convolution.
    channels
        C, the channels of the images.

    Examples
    --------
    >>> sum(p.numel() for p in VGGDiscriminator().parameters())
    14499401
    """

    name = "vgg"

    def __init__(self, size: int = 128, features: int = 64, *, channels: int = 3) -> None:
        super().__init__(features, channels=channels)
        if size not in (128, 256):
            raise LossmithError(f"{self.name}: size must be 128 or 256, not {size}; vgg_any takes any")
        self.size = size
        self._build(halvings=5 if size == 128 else 6)

    def _build(self, halvings: int) -> None:
        self._halvings = halvings
        widths = [self.features * 2 ** min(index, 3) for index in range(halvings)]
        for index, width in enumerate(widths):
            before = widths[index - 1] if index else self.channels
            self.add_module(f"conv{index}_0", nn.Conv2d(before, width, 3, 1, 1, bias=index == 0))
            if index > 0:
                self.add_module(f"bn{index}_0", nn.BatchNorm2d(width))
            self.add_module(f"conv{index}_1", nn.Conv2d(width, width, 4, 2, 1, bias=False))
            self.add_module(f"bn{index}_1", nn.BatchNorm2d(width))
        self.linear1 = nn.Linear(widths[-1] * LAST_SIDE**2, 100)
        self.linear2 = nn.Linear(100, 1)

    def forward(self, images: Tensor) -> Tensor:
        self._check_images(images)
        x = F.leaky_relu(self.get_submodule("conv0_0")(images), 0.2)
        x = self._step(x, "0_1")
        for index in range(1, self._halvings):
            x = self._step(self._step(x, f"{index}_0"), f"{index}_1")
        x = F.leaky_relu(self.linear1(self._resize_last(x).flatten(1)), 0.2)
        logits: Tensor = self.linear2(x)
        return logits

    def _step(self, x: Tensor, name: str) -> Tensor:
        return F.leaky_relu(self.get_submodule(f"bn{name}")(self.get_submodule(f"conv{name}")(x)), 0.2)

    def _resize_last(self, x: Tensor) -> Tensor:
        return x

    def _check_images(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if (height, width) != (self.size, self.size):
            raise LossmithError(
                f"discriminator {self} takes images of {self.size} x {self.size} pixels, not {height} x {width}; "
                "vgg_any takes any size"
            )


class VGGDiscriminatorPooled(VGGDiscriminator):
    """VGG-style discriminator for images from 32 x 32 pixels on: the last feature map is averaged to 4 x 4.

    At 128 x 128 pixels it equals `VGGDiscriminator(128)`, with the same keys.

    Parameters
    ----------
    features
        Channels of the first convolution.
    channels
        C, the channels of the images.
    """

    name = "vgg_any"
    min_side = 32

    def __init__(self, features: int = 64, *, channels: int = 3) -> None:
        Discriminator.__init__(self, features, channels=channels)
        self._build(halvings=5)

    def _resize_last(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, LAST_SIDE)

    def _check_images(self, images: Tensor) -> None:
        Discriminator._check_images(self, images)
