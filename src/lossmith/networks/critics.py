"""The critics by name, and how an expression becomes a critic."""

from collections.abc import Callable

from torch import nn

from lossmith.errors import LossmithError
from lossmith.expressions import invoke, parse_call, resolve
from lossmith.networks.unet_critic import UNetCritic
from lossmith.networks.vgg_critic import VGGCritic, VGGCriticAnySize

CRITICS: dict[str, Callable[..., nn.Module]] = {
    critic.name: critic for critic in (VGGCritic, VGGCriticAnySize, UNetCritic)
}


def critic(expression: str, size: int | None = None) -> nn.Module:
    """The critic that an expression describes: `vgg`, `unet(features=32)`, `my_package.nets:MyCritic`.

    `size` is the side of the square pictures that it will judge, handed to those that take one. Anybody's critic
    must map (N, 3, H, W) to logits.

    Raises LossmithError, in one sentence, for what cannot be understood.

    >>> str(critic("vgg", size=256)), str(critic("unet(features=32)", size=256))
    ('vgg(size=256)', 'unet(features=32)')
    """
    call = parse_call(expression, "critic")
    made = invoke(call, resolve(call, CRITICS, "critic"), "critic", **({} if size is None else {"size": size}))
    if not isinstance(made, nn.Module):
        raise LossmithError(f"critic '{call.name}' gives {type(made).__name__} instead of a torch.nn.Module")
    return made


__all__ = ["CRITICS", "critic"]
