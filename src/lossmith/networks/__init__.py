"""Networks that restore images, and discriminators that judge them."""

import inspect
from collections.abc import Callable

from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import instantiate, parse_call, resolve
from lossmith.networks.base import Restorer
from lossmith.networks.discriminators.base import Discriminator
from lossmith.networks.discriminators.registry import DISCRIMINATORS, discriminator
from lossmith.networks.discriminators.unet import UNetDiscriminator
from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled
from lossmith.networks.fcn import FCN
from lossmith.networks.rrdbnet import RRDBNet
from lossmith.networks.srresnet import SRResNet, SRResNetSmall

NETWORKS: dict[str, Callable[..., nn.Module]] = {net.name: net for net in (FCN, SRResNet, SRResNetSmall, RRDBNet)}

__all__ = [
    "DISCRIMINATORS",
    "FCN",
    "NETWORKS",
    "Discriminator",
    "RRDBNet",
    "Restorer",
    "SRResNet",
    "SRResNetSmall",
    "UNetDiscriminator",
    "VGGDiscriminator",
    "VGGDiscriminatorPooled",
    "discriminator",
    "network",
]


MODEL_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".onnx")


def network(expression: str, scale: int | None = None) -> nn.Module:
    """The network that an expression describes: `srresnet`, `srresnet(blocks=8)`, `my_package.nets:MyNet`.

    `scale` is handed to the network if it takes one; without it, the expression's own counts, or else the
    network's default, or else 1. Anybody's network must map (N, 3, h, w) to (N, 3, scale h, scale w).

    Raises LossmithError, in one sentence, for what cannot be understood.

    >>> str(network("srresnet(blocks=8)", scale=2))
    'srresnet(scale=2, blocks=8)'
    """
    if expression.lower().endswith(MODEL_SUFFIXES):
        raise LossmithError(f"network '{expression}' is a file; --init begins with the weights of a model")
    call = parse_call(expression, "network")
    factory = resolve(call, NETWORKS, "network")
    # without an __init__ of its own a class inherits one that accepts any keyword, only to refuse it
    takes_none = inspect.isclass(factory) and factory.__init__ is nn.Module.__init__
    keeps_its_own = scale is None and _has_default(factory, "scale")
    given = {} if takes_none or keeps_its_own else {"scale": 1 if scale is None else scale}
    made = instantiate(call, factory, "network", **given)
    if not isinstance(made, nn.Module):
        raise LossmithError(f"network '{call.name}' gives {type(made).__name__} instead of a torch.nn.Module")
    if scale is not None and isinstance(made, Restorer) and made.scale != scale:
        raise LossmithError(f"network '{made}' enlarges by {made.scale}, but {scale} is asked for")
    return made


def _has_default(factory: Callable[..., nn.Module], option: str) -> bool:
    try:
        parameter = inspect.signature(factory).parameters.get(option)
    except ValueError:  # some builtins have no signature
        return False
    return parameter is not None and parameter.default is not parameter.empty
