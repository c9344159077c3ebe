"""The shell command that repeats a call of a public function, for pages and receipts."""

import shlex
from collections.abc import Iterable
from dataclasses import fields
from typing import Any


def command_line(command: str, arguments: Iterable[object], *settings: Any, **options: Any) -> str:
    """The shell command that repeats a call.

    Parameters
    ----------
    command
        The name of the command, such as "compare".
    arguments
        Its positional arguments.
    settings
        Dataclasses of options, such as `Data` and `Recipe`; fields that have their default are left out, and so is
        `images`, which is positional.
    options
        Other options: None, False and "" are left out, True is a flag, and a list stands for several values.

    >>> from pathlib import Path
    >>> from lossmith.training import Recipe
    >>> command_line("compare", [Path("photos")], Recipe(steps=50), losses=["l1", "mix + 0.1*tv"])
    "lossmith compare photos --losses l1 'mix + 0.1*tv' --steps 50"
    """
    words = ["lossmith", command, *map(str, arguments)]
    for part in settings:
        options |= {name: value for name, value in changed(part).items() if name != "images"}
    for name, value in options.items():
        if value is not None and value is not False and value != "":
            words += [f"--{name.replace('_', '-')}", *_words(value)]
    return shlex.join(words)


def changed(settings: Any) -> dict[str, Any]:
    """The fields of a settings dataclass whose values are not None and differ from their defaults."""
    defaults = type(settings)()
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value not in (None, getattr(defaults, name))}


def _words(value: Any) -> list[str]:
    if value is True:
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
