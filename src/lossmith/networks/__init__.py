"""Networks that restore images, and discriminators that judge them."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.networks.base import Restorer
    from lossmith.networks.discriminators.base import Discriminator
    from lossmith.networks.discriminators.registry import DISCRIMINATORS, discriminator
    from lossmith.networks.discriminators.unet import UNetDiscriminator
    from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled
    from lossmith.networks.fcn import FCN
    from lossmith.networks.registry import NETWORKS, NetworkLike, network, network_expression, takes_channels
    from lossmith.networks.rrdbnet import RRDBNet
    from lossmith.networks.srresnet import SRResNet, SRResNetSmall
    from lossmith.networks.transform_net import TransformNet
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "DISCRIMINATORS",
    "FCN",
    "NETWORKS",
    "Discriminator",
    "NetworkLike",
    "RRDBNet",
    "Restorer",
    "SRResNet",
    "SRResNetSmall",
    "TransformNet",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "VGGDiscriminatorPooled",
    "discriminator",
    "network",
    "network_expression",
    "takes_channels",
]
