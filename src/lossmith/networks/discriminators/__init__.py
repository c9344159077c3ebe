"""Discriminators for adversarial training: VGG-style, and a U-Net with a logit for every pixel."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.networks.discriminators.base import Discriminator
    from lossmith.networks.discriminators.registry import DISCRIMINATORS, discriminator
    from lossmith.networks.discriminators.unet import UNetDiscriminator
    from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DISCRIMINATORS",
    "Discriminator",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "VGGDiscriminatorPooled",
    "discriminator",
]
