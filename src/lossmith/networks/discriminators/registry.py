"""The discriminators by name, and how an expression becomes a discriminator."""

from collections.abc import Callable

from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import instantiate, parse_call, resolve
from lossmith.networks.discriminators.unet import UNetDiscriminator
from lossmith.networks.discriminators.vgg import VGGDiscriminator, VGGDiscriminatorPooled

DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    discriminator.name: discriminator
    for discriminator in (VGGDiscriminator, VGGDiscriminatorPooled, UNetDiscriminator)
}


def discriminator(expression: str, size: int | None = None) -> nn.Module:
    """The discriminator that an expression describes: `vgg`, `unet(features=32)`, `my_package.nets:MyCritic`.

    `size` is the side of the square images that it will judge, handed to those that take one. Anybody's
    discriminator must map (N, 3, H, W) to logits.

    Raises LossmithError, in one sentence, for what cannot be understood.

    >>> str(discriminator("vgg", size=256)), str(discriminator("unet(features=32)", size=256))
    ('vgg(size=256)', 'unet(features=32)')
    """
    call = parse_call(expression, "discriminator")
    made = instantiate(
        call,
        resolve(call, DISCRIMINATORS, "discriminator"),
        "discriminator",
        **({} if size is None else {"size": size}),
    )
    if not isinstance(made, nn.Module):
        raise LossmithError(
            f"discriminator '{call.name}' gives {type(made).__name__} instead of a torch.nn.Module"
        )
    return made


__all__ = ["DISCRIMINATORS", "discriminator"]
