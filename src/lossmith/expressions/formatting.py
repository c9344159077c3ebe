"""Values and calls as text that the parser reads back, and the base class of objects that have an expression."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from os import PathLike, fspath
from typing import Any, ClassVar

from lossmith.core.errors import LossmithError
from lossmith.expressions.building import check_kind, import_path, kinds_of
from lossmith.expressions.nodes import Call, Range
from lossmith.expressions.parser import BARE, read_value


class HasExpression:
    """Base class of objects whose `str()` is the expression that makes them again.

    Every parameter of `__init__` must be kept in an attribute of the same name. In the expression, parameters
    without a default go by position, the others by name and only when they differ from the default.

    Arguments may also be numbers of NumPy or torch, and paths: `__init__` receives Python numbers and text. An
    argument of another type than its annotation raises a LossmithError.
    """

    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _checked(cls.__init__)  # type: ignore[method-assign]

    def __str__(self) -> str:
        arguments = []
        for key, parameter in inspect.signature(type(self)).parameters.items():
            value = format_value(getattr(self, key))
            if parameter.default is parameter.empty:
                arguments.append(value)
            elif value != format_value(parameter.default):
                arguments.append(f"{key}={value}")
        return f"{self.name}({', '.join(arguments)})" if arguments else self.name

    def extra_repr(self) -> str:
        """All options with their values, for `repr()`, where PyTorch lists the modules within by itself."""
        options = {key: getattr(self, key, None) for key in inspect.signature(type(self)).parameters}
        return ", ".join(
            f"{key}={value!r}"
            for key, value in options.items()
            if isinstance(value, int | float | str | tuple | list | None)
        )


def _checked(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @wraps(init)
    def checked_init(self: HasExpression, *arguments: Any, **options: Any) -> None:
        try:
            bound = signature.bind(self, *arguments, **options)
        except TypeError:
            return init(self, *arguments, **options)  # raises Python's own message
        name = getattr(self, "name", type(self).__name__)
        for key, value in bound.arguments.items():
            if kinds_of(signature.parameters[key]):
                bound.arguments[key] = plain(value)
                check_kind(f"{name}: {key}", bound.arguments[key], signature.parameters[key])
        return init(*bound.args, **bound.kwargs)

    return checked_init


def plain(value: Any) -> Any:
    """The Python number, tuple or text that a value of NumPy, torch or Python stands for.

    >>> plain([1, (2.5,)]), plain("l1")
    ((1, (2.5,)), 'l1')
    """
    if isinstance(value, PathLike):
        return fspath(value)
    if hasattr(value, "tolist") and not isinstance(value, type):
        value = value.tolist()
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def format_call(call: Call) -> str:
    """The text of a call, which the parser reads back.

    >>> format_call(Call("jpeg", (10,), (("subsampling", "4:4:4"),)))
    'jpeg(10, subsampling=4:4:4)'
    """
    arguments = [format_value(value) for value in call.arguments]
    arguments += [f"{key}={format_value(value)}" for key, value in call.options]
    return f"{call.name}({', '.join(arguments)})" if arguments else call.name


def format_value(value: Any) -> str:
    """The text of a value, which the parser reads back; a sequence becomes a text of its numbers.

    >>> format_value(0.5), format_value("vgg19"), format_value("a, b"), format_value([1, 0.5])
    ('0.5', 'vgg19', '"a, b"', '1 0.5')
    """
    value = plain(value)
    if isinstance(value, tuple):
        return format_value(" ".join(map(format_value, value)))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        value += 0.0  # -0 is 0
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, int | Range):
        return str(value)
    text = str(value)
    if BARE.fullmatch(text) and text.strip() == text and isinstance(read_value(text), str) and "=" not in text:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'


def as_expression(thing: Any, kind: str, catalog: Mapping[str, Callable[..., Any]]) -> str:
    """The expression of something that Python code passed instead of one.

    Parameters
    ----------
    thing
        An expression, an object that has one, or a class or function that makes such objects: its name in the
        catalog, or else its import path, is the expression.
    kind
        What it is, for errors: "network".
    catalog
        The classes and functions with names.

    Raises
    ------
    LossmithError
        For any other object, and for a class or function without an import path.
    """
    if isinstance(thing, str):
        return thing
    if isinstance(thing, HasExpression):
        return str(thing)
    if inspect.isclass(thing) or inspect.isroutine(thing):
        names = {factory: name for name, factory in catalog.items()}
        return names.get(thing) or import_path(thing, kind)
    raise LossmithError(
        f"a {kind} is given as an expression, or as a class or function that makes it, not as a "
        f"{type(thing).__name__}"
    )
