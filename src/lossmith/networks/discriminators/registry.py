"""Discriminators by name, and of expressions."""

from collections.abc import Callable

from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import as_expression, instantiate, parse_call, resolve
from lossmith.networks.channels import channels_option, check_channels
from lossmith.networks.discriminators.base import Discriminator
from lossmith.networks.discriminators.unet import UNetDiscriminator
from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled

DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    discriminator.name: discriminator
    for discriminator in (VGGDiscriminator, VGGDiscriminatorPooled, UNetDiscriminator)
}
"""The discriminators by name."""

DiscriminatorLike = str | Discriminator | Callable[..., nn.Module]
"""An expression, a class or function that makes a discriminator, or a discriminator, for its architecture."""


def discriminator_expression(discriminator: DiscriminatorLike) -> str:
    """The expression of a discriminator; see `as_expression`.

    >>> discriminator_expression(UNetDiscriminator(features=32)), discriminator_expression(VGGDiscriminator)
    ('unet(features=32)', 'vgg')
    """
    return as_expression(discriminator, "discriminator", DISCRIMINATORS)


def discriminator(
    description: DiscriminatorLike, size: int | None = None, channels: int | None = None
) -> nn.Module:
    """A new discriminator of an expression: `vgg`, `unet(features=32)`, `my_package.nets:MyDiscriminator`.

    Parameters
    ----------
    description
        The expression; or a class or function that makes the discriminator; or a discriminator, of which a new one
        is made. It must map (N, channels, H, W) to logits.
    size
        Side of the square images, in pixels; passed to discriminators that take a `size`.
    channels
        Of the images; passed to the discriminator as `network` does [default: the expression's, or else 3].

    Raises
    ------
    LossmithError
        When the expression cannot be parsed, a name is not known or an option does not fit.

    Examples
    --------
    >>> str(discriminator("vgg", size=256)), str(discriminator("unet(features=32)", size=256))
    ('vgg(size=256)', 'unet(features=32)')
    """
    call = parse_call(discriminator_expression(description), "discriminator")
    factory = resolve(call, DISCRIMINATORS, "discriminator")
    options = {} if size is None else {"size": size}
    module = instantiate(call, factory, "discriminator", **options, **channels_option(factory, channels))
    if not isinstance(module, nn.Module):
        raise LossmithError(
            f"discriminator '{call.name}' gives {type(module).__name__} instead of a torch.nn.Module"
        )
    if isinstance(module, Discriminator):
        check_channels(f"discriminator '{module}'", module.channels, channels)
    return module


__all__ = ["DISCRIMINATORS", "DiscriminatorLike", "discriminator", "discriminator_expression"]
