"""How networks and discriminators are told the number of channels of the images."""

import inspect
from collections.abc import Callable
from typing import Any

from lossmith.core.errors import LossmithError

RGB = 3


def channels_option(factory: Callable[..., Any], channels: int | None) -> dict[str, int]:
    """The option by which a network is built for so many channels; for RGB, only where it changes no default.

    Networks of the user's that were written for RGB may mean another thing by `channels`.
    """
    if channels is not None and channels != RGB:
        return {"channels": channels}
    option = parameter_of(factory, "channels")
    return {"channels": RGB} if option and option.default in (option.empty, RGB) else {}


def check_channels(network: str, channels: int, needed: int | None) -> None:
    """Raise LossmithError for a network whose expression sets another number of channels than is needed."""
    if needed is not None and channels != needed:
        raise LossmithError(f"{network} has channels={channels}, but channels={needed} is needed")


def parameter_of(factory: Callable[..., Any], name: str) -> inspect.Parameter | None:
    """The parameter of a class or function; None where there is none, or no signature, as of some builtins."""
    try:
        return inspect.signature(factory).parameters.get(name)
    except ValueError:
        return None
