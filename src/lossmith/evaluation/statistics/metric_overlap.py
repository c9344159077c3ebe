"""Whether a loss was trained on what a metric measures: then its score says less than that of others.

A network that was trained on the features of another does well by these features whether its images are good or
not. So the independent metrics share neither the measure nor the architecture of a network with the loss.
"""

import inspect
from collections.abc import Iterator
from contextlib import suppress

from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import Call, Node, Product, Shares, Sum, Timeline, parse_loss
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.lpips import NETWORKS
from lossmith.losses.registry import CATALOGUE
from lossmith.metrics.deep import DEEP_METRICS

MEASURED = {
    "l1": {"l1"},
    "l2": {"l2", "psnr"},
    "ssim": {"ssim"},
    "ms_ssim": {"ms_ssim"},
    "ms_ssim_sigmas": {"ssim", "ms_ssim"},
    "mix": {"l1", "ssim", "ms_ssim"},
    "mix_pl4nn": {"l1", "ssim", "ms_ssim"},
    "lpips": {"lpips"},
    "dists": {"dists"},
}
"""For each loss of the catalog, the metrics that it contains, up to windows, scales and networks."""

FIXED_NETWORKS = {
    "dists": ("vgg16",),
    "johnson": ("vgg16",),
    "johnson_at_hand": ("vgg16", "squeezenet1_1"),  # whichever is at hand
    "srgan": ("vgg19",),
    "esrgan": ("vgg19",),
    "minc": ("minc",),
}
"""The networks of the losses that have no option for it."""


def is_independent(metric: str, loss: str) -> bool:
    """Whether a metric may judge what was trained with a loss: it shares neither measure nor network with it.

    >>> is_independent("lpips_squeeze", "l1 + 0.01*features(vgg19, relu2_2)")
    True
    >>> is_independent("dists", "l1 + 0.01*features(vgg19, relu2_2)")
    False
    """
    return not optimizes_metric(loss, metric) and not any(
        shares_architecture(metric, network) for network in loss_networks(loss)
    )


def shares_architecture(metric: str, network: str | nn.Module) -> bool:
    """Whether a metric compares features of a network of this one's family, whatever the weights.

    Parameters
    ----------
    metric
        A metric by name.
    network
        A network as `features` takes it.

    >>> shares_architecture("lpips_vgg", "vgg19"), shares_architecture("dists", "minc")
    (True, True)
    >>> shares_architecture("lpips_squeeze", "vgg19"), shares_architecture("psnr", "vgg19")
    (False, False)
    """
    return metric in DEEP_METRICS and is_of_family(network, DEEP_METRICS[metric].family)


def is_of_family(network: str | nn.Module, family: str) -> bool:
    """Whether a family is in the name of a network, or in those of the classes of its modules.

    Of a name that is not known, or of a package that is not installed, the name alone decides.

    >>> is_of_family("vgg11", "vgg"), is_of_family("minc", "vgg"), is_of_family("alexnet", "vgg")
    (True, True, False)
    """
    names = [network] if isinstance(network, str) else []
    with suppress(LossmithError, ImportError):
        names += [type(module).__name__ for module in backbone(network).network.modules()]
    return any(family in name.lower() for name in names)


def loss_networks(loss: str) -> set[str]:
    """The networks whose features a loss compares, as it is written; none for objects and import paths.

    >>> sorted(loss_networks("l1 + 0.1*lpips(vgg) until 50% then features(squeezenet1_1, fire3)"))
    ['squeezenet1_1', 'vgg16']
    """
    try:
        return {network for call in _calls(parse_loss(loss)) for network in _networks(call)}
    except LossmithError:  # the name of an object
        return set()


def optimizes_metric(loss: str, metric: str) -> bool:
    """Whether a loss, as it is written, contains what a metric of this name measures.

    LPIPS counts with any network, and a schedule's losses at any time of a run. Objects and losses given by an
    import path are unknown, so the answer for them is no.

    >>> optimizes_metric("l1 + 0.1*lpips(vgg)", "lpips_alex"), optimizes_metric("l1 + 0.1*lpips(vgg)", "ssim")
    (True, False)
    """
    try:
        names = {call.name for call in _calls(parse_loss(loss))}
    except LossmithError:  # the name of an object
        return False
    measure = "lpips" if metric.startswith("lpips_") else metric
    return any(measure in MEASURED.get(name, ()) for name in names)


def is_known_loss(text: str) -> bool:
    """Whether a text is an expression of losses in the catalog, so that it is known what it measures.

    >>> is_known_loss("l1 + 0.1*tv"), is_known_loss("new"), is_known_loss("results (2)")
    (True, False, False)
    """
    try:
        return all(call.name in CATALOGUE for call in _calls(parse_loss(text)))
    except LossmithError:
        return False


def _calls(node: Node) -> Iterator[Call]:
    match node:
        case Call():
            yield node
        case Product(weight, of):
            yield from _calls(of) if weight else ()
        case Sum(parts) | Shares(parts) | Timeline(parts):
            for part in parts:
                yield from _calls(part)


def _networks(call: Call) -> tuple[str, ...]:
    """Those of one loss, by its options or their defaults."""
    if call.name in FIXED_NETWORKS or call.name not in CATALOGUE:
        return FIXED_NETWORKS.get(call.name, ())
    signature = inspect.signature(CATALOGUE[call.name])
    if "network" not in signature.parameters:
        return ()
    try:
        arguments = signature.bind_partial(*call.arguments, **dict(call.options))
    except TypeError:  # options that the loss does not have
        return ()
    arguments.apply_defaults()
    network = str(arguments.arguments.get("network", ""))
    return (NETWORKS[network][0] if call.name == "lpips" and network in NETWORKS else network,)


__all__ = [
    "FIXED_NETWORKS",
    "MEASURED",
    "is_independent",
    "is_known_loss",
    "is_of_family",
    "loss_networks",
    "optimizes_metric",
    "shares_architecture",
]
