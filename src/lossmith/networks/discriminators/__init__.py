"""Discriminators for adversarial training: VGG-style, and a U-Net with a logit for every pixel."""

from lossmith.networks.discriminators.base import Discriminator
from lossmith.networks.discriminators.registry import DISCRIMINATORS, discriminator
from lossmith.networks.discriminators.unet import UNetDiscriminator
from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled

__all__ = [
    "DISCRIMINATORS",
    "Discriminator",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "VGGDiscriminatorPooled",
    "discriminator",
]
