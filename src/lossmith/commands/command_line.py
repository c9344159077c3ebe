"""The command that repeats a study."""

import shlex
from dataclasses import fields
from typing import Any

from lossmith.data import Data
from lossmith.training import Recipe


def command_line(name: str, data: Data, recipe: Recipe, **options: Any) -> str:
    """What to type to do it again; options that have their default are left out.

    >>> from pathlib import Path
    >>> command_line("compare", Data([Path("photos")]), Recipe(steps=50), losses=["l1", "mix + 0.1*tv"])
    "lossmith compare photos --losses l1 'mix + 0.1*tv' --steps 50"
    """
    words = ["lossmith", name, *map(str, data.images or ())]
    for key, value in {**changed(data), **options, **changed(recipe)}.items():
        if key != "images":
            words += [f"--{key.replace('_', '-')}", *([] if value is True else _words(value))]
    return shlex.join(words)


def changed(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that have another value than they have when nothing is said."""
    usual = type(settings)()
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value not in (None, getattr(usual, name))}


def _words(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]
