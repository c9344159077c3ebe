"""The networks by name, and networks from expressions."""

import inspect
from collections.abc import Callable

from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import as_expression, instantiate, parse_call, resolve
from lossmith.networks.base import Restorer
from lossmith.networks.channels import channels_option, check_channels, parameter_of
from lossmith.networks.fcn import FCN
from lossmith.networks.rrdbnet import RRDBNet
from lossmith.networks.srresnet import SRResNet, SRResNetSmall
from lossmith.networks.transform_net import TransformNet

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    net.name: net for net in (FCN, SRResNet, SRResNetSmall, RRDBNet, TransformNet)
}
"""The networks by name."""

NetworkLike = str | Restorer | Callable[..., nn.Module]
"""An expression, a class or function that makes a network, or a restorer, for its architecture alone."""

MODEL_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".onnx")
"""Files that may be taken for networks."""


def network_expression(network: NetworkLike) -> str:
    """The expression of a network; see `as_expression`.

    >>> network_expression("srresnet"), network_expression(SRResNetSmall(scale=2, blocks=1))
    ('srresnet', 'srresnet_small(scale=2, blocks=1)')
    """
    return as_expression(network, "network", NETWORKS)


def network(description: NetworkLike, scale: int | None = None, channels: int | None = None) -> nn.Module:
    """A new network of an expression: `srresnet`, `srresnet(blocks=8)`, `my_package.nets:MyNet`.

    Parameters
    ----------
    description
        The expression; or a class or function that makes the network; or a restorer, of which a new one is made.
        The network must map (N, channels, h, w) to (N, channels, scale h, scale w).
    scale
        Passed to the network if it takes a scale [default: the expression's, or else the network's own default, or
        else 1].
    channels
        Of the images; passed to the network if it takes `channels`, but 3 only if it has no default of its own
        [default: the expression's, or else 3].

    Raises
    ------
    LossmithError
        When the expression cannot be parsed, a name is not known or an option does not fit.

    Examples
    --------
    >>> str(network("srresnet(blocks=8)", scale=2))
    'srresnet(scale=2, blocks=8)'
    >>> str(network("srresnet(blocks=8)", channels=1))
    'srresnet(blocks=8, channels=1)'
    """
    expression = network_expression(description)
    if expression.lower().endswith(MODEL_SUFFIXES):
        raise LossmithError(f"network '{expression}' is a file; `init` begins with the weights of a model")
    call = parse_call(expression, "network")
    factory = resolve(call, NETWORKS, "network")
    # a class without an __init__ inherits nn.Module's, whose signature accepts any keyword though it takes none
    takes_none = inspect.isclass(factory) and factory.__init__ is nn.Module.__init__
    options = {} if takes_none else {**_scale_option(factory, scale), **channels_option(factory, channels)}
    module = instantiate(call, factory, "network", **options)
    if not isinstance(module, nn.Module):
        raise LossmithError(f"network '{call.name}' gives {type(module).__name__} instead of a torch.nn.Module")
    if scale is not None and isinstance(module, Restorer) and module.scale != scale:
        raise LossmithError(f"network '{module}' has scale {module.scale}, but scale {scale} is needed")
    if isinstance(module, Restorer):
        check_channels(f"network '{module}'", module.channels, channels)
    return module


def takes_channels(description: NetworkLike) -> bool:
    """Whether a network has an option for the channels of its images.

    >>> takes_channels("srresnet"), takes_channels("torch.nn:ReLU")
    (True, False)
    """
    call = parse_call(network_expression(description), "network")
    return parameter_of(resolve(call, NETWORKS, "network"), "channels") is not None


def _scale_option(factory: Callable[..., nn.Module], scale: int | None) -> dict[str, int]:
    option = parameter_of(factory, "scale")
    uses_default = scale is None and option is not None and option.default is not option.empty
    return {} if uses_default else {"scale": 1 if scale is None else scale}
