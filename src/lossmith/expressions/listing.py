"""Descriptions of the entries of a catalog, for the commands that list them."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from lossmith.expressions.formatting import format_value


def options_of(factory: Callable[..., Any], excluded: Collection[str] = ()) -> str:
    """The parameters of a class or function with their defaults, except the `excluded` ones.

    >>> options_of(lambda file, side=9, scale=1: None, excluded=["scale"])
    'file, side=9'
    """
    return ", ".join(
        name if parameter.default is parameter.empty else f"{name}={format_value(parameter.default)}"
        for name, parameter in inspect.signature(factory).parameters.items()
        if name not in excluded
    )


def listed(catalog: Mapping[str, Callable[..., Any]], excluded: Collection[str] = ()) -> str:
    """A paragraph for each entry: its name, the summary of its docstring, and its options."""
    return "\n\n".join(
        "\n  ".join(
            filter(
                None,
                [
                    name,
                    _summary(factory),
                    f"options: {options}" if (options := options_of(factory, excluded)) else "",
                ],
            )
        )
        for name, factory in catalog.items()
    )


def _summary(factory: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(factory) or "").partition("\n\n")[0].split())
