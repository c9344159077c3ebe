"""From values and calls back to text that the grammar reads."""

import inspect
from typing import Any, ClassVar

from lossmith.expressions.nodes import Call, Range
from lossmith.expressions.reading import BARE, read_value


class Spelled:
    """Something that can be written down: `str()` gives the expression that makes it again.

    Every parameter of `__init__` must be kept in an attribute of the same name. Those without a default are
    written by position, the others by name and only when they differ from the default.
    """

    name: ClassVar[str]

    def __str__(self) -> str:
        parts = []
        for key, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, key)
            if parameter.default is parameter.empty:
                parts.append(spell_value(value))
            elif value != parameter.default:
                parts.append(f"{key}={spell_value(value)}")
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def spell_call(call: Call) -> str:
    """Write a call so that the grammar reads it back.

    >>> spell_call(Call("jpeg", (10,), (("subsampling", "4:4:4"),)))
    'jpeg(10, subsampling=4:4:4)'
    """
    parts = [spell_value(value) for value in call.arguments]
    parts += [f"{key}={spell_value(value)}" for key, value in call.options]
    return f"{call.name}({', '.join(parts)})" if parts else call.name


def spell_value(value: Any) -> str:
    """Write a value so that the grammar reads it back.

    >>> spell_value(0.5), spell_value("vgg19"), spell_value("a, b")
    ('0.5', 'vgg19', '"a, b"')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, int | Range):
        return str(value)
    text = str(value)
    if BARE.fullmatch(text) and text.strip() == text and isinstance(read_value(text), str) and "=" not in text:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'
