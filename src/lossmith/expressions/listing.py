"""What a catalog has, for people to read."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from lossmith.expressions.formatting import format_value


def options_of(factory: Callable[..., Any], given: Collection[str] = ()) -> str:
    """The parameters of what a name stands for, with their defaults; without those that are `given` by others.

    >>> options_of(lambda file, side=9, scale=1: None, given=["scale"])
    'file, side=9'
    """
    return ", ".join(
        name if parameter.default is parameter.empty else f"{name}={format_value(parameter.default)}"
        for name, parameter in inspect.signature(factory).parameters.items()
        if name not in given
    )


def listed(catalog: Mapping[str, Callable[..., Any]], given: Collection[str] = ()) -> str:
    """A paragraph for each: its name, the first sentence that it says of itself, its options."""
    return "\n\n".join(
        "\n  ".join(
            filter(
                None,
                [
                    name,
                    _summary(factory),
                    f"options: {options}" if (options := options_of(factory, given)) else "",
                ],
            )
        )
        for name, factory in catalog.items()
    )


def _summary(factory: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(factory) or "").partition("\n\n")[0].split())
