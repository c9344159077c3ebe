"""From values and calls back to text that the grammar reads."""

import inspect
from collections.abc import Callable
from functools import wraps
from os import PathLike, fspath
from typing import Any, ClassVar

from lossmith.expressions.building import check_kind, kinds_of
from lossmith.expressions.nodes import Call, Range
from lossmith.expressions.parser import BARE, read_value


class HasExpression:
    """Something that can be written down: `str()` gives the expression that makes it again.

    Every parameter of `__init__` must be kept in an attribute of the same name. Those without a default are
    written by position, the others by name and only when they differ from the default.

    What `__init__` is given may be numbers of numpy or torch, and paths; it gets Python's own. What is not of the
    kind that a parameter is annotated with is refused in one sentence.
    """

    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _checked(cls.__init__)  # type: ignore[method-assign]

    def __str__(self) -> str:
        parts = []
        for key, parameter in inspect.signature(type(self)).parameters.items():
            value = format_value(getattr(self, key))
            if parameter.default is parameter.empty:
                parts.append(value)
            elif value != format_value(parameter.default):
                parts.append(f"{key}={value}")
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def _checked(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @wraps(init)
    def checked(self: HasExpression, *arguments: Any, **options: Any) -> None:
        try:
            given = signature.bind(self, *arguments, **options)
        except TypeError:
            return init(self, *arguments, **options)  # which says in Python's own words what is missing
        name = getattr(self, "name", type(self).__name__)
        for key, value in given.arguments.items():
            if kinds_of(signature.parameters[key]):
                given.arguments[key] = plain(value)
                check_kind(f"{name}: {key}", given.arguments[key], signature.parameters[key])
        return init(*given.args, **given.kwargs)

    return checked


def plain(value: Any) -> Any:
    """Numbers and sequences of numpy, torch and Python as numbers and tuples of Python, paths as text.

    >>> plain([1, (2.5,)]), plain("l1")
    ((1, (2.5,)), 'l1')
    """
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "tolist") and not isinstance(value, type):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def format_call(call: Call) -> str:
    """Write a call so that the grammar reads it back.

    >>> format_call(Call("jpeg", (10,), (("subsampling", "4:4:4"),)))
    'jpeg(10, subsampling=4:4:4)'
    """
    parts = [format_value(value) for value in call.arguments]
    parts += [f"{key}={format_value(value)}" for key, value in call.options]
    return f"{call.name}({', '.join(parts)})" if parts else call.name


def format_value(value: Any) -> str:
    """Write a value so that the grammar reads it back; numbers in a row become a text of them.

    >>> format_value(0.5), format_value("vgg19"), format_value("a, b"), format_value([1, 0.5])
    ('0.5', 'vgg19', '"a, b"', '1 0.5')
    """
    value = plain(value)
    if isinstance(value, tuple):
        return format_value(" ".join(map(format_value, value)))
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
