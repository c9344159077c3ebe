"""Building of objects from calls: finding the class or function, and checking and binding its arguments."""

import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.expressions.nodes import Call, Range
from lossmith.expressions.parser import MAX_DEPTH

_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
_KINDS[Range] = "a range such as 0..50"
_LISTS = {"loss": "losses", "network": "networks", "discriminator": "networks", "degradation": "degradations"}
"""The command that lists the entries of each kind."""
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_PENDING = object()


def resolve(call: Call, catalog: Mapping[str, Callable[..., Any]], kind: str) -> Callable[..., Any]:
    """The class or function that a call names: an entry of the catalog, or an `import.path:Attribute`.

    Parameters
    ----------
    call
        The call; only its name is used.
    catalog
        Classes and functions by name.
    kind
        What is named, such as "loss", for messages.

    Raises
    ------
    LossmithError
        If there is no such name, module or attribute, or it cannot be called. Other errors of the imported module
        keep their traceback, which its author needs.
    """
    if ":" not in call.name:
        if call.name not in catalog:
            raise unknown_name_error(kind, call.name, catalog)
        return catalog[call.name]
    path, _, attribute = call.name.partition(":")
    if path.count(".") > MAX_DEPTH:  # Python's import recurses for each of them
        raise LossmithError(f"{kind} '{call.name[:60]}...' cannot be imported: it has too many packages")
    try:
        module = importlib.import_module(path)
    except SyntaxError as error:  # it says the file and the line
        raise LossmithError(f"{kind} '{call.name}' cannot be imported: {error}") from error
    except ModuleNotFoundError as error:
        place = f" ({_place(error)})" if _frames_of_users(error) else ""
        raise LossmithError(f"{kind} '{call.name}' cannot be imported: {error}{place}") from error
    except SystemExit as error:
        raise LossmithError(
            f"{kind} '{call.name}' cannot be imported: '{path}' ends the program ({_place(error)}); "
            "move what it does as a program under if __name__ == '__main__'"
        ) from error
    if not hasattr(module, attribute):
        raise LossmithError(f"{kind} '{call.name}': module '{path}' has no '{attribute}'")
    factory = getattr(module, attribute)
    if not callable(factory):
        raise LossmithError(f"{kind} '{call.name}' is neither a class nor a function")
    return factory  # type: ignore[no-any-return]


def import_path(thing: Callable[..., Any], kind: str) -> str:
    """The path `module:name` by which `resolve` finds a function or a class.

    Raises LossmithError for one that its module does not hold under its own name, such as a lambda.

    >>> import_path(import_path, "degradation")
    'lossmith.expressions.building:import_path'
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
    if not module or getattr(sys.modules.get(module), name, None) is not thing:
        raise LossmithError(f"{kind} {thing!r} has no import path; define it at the top level of a module")
    return f"{module}:{name}"


def instantiate(call: Call, factory: Callable[..., Any], kind: str, **given: Any) -> Any:
    """The result of `factory` with the arguments of a call.

    Parameters
    ----------
    call
        The call.
    factory
        The class or function, from `resolve`.
    kind
        What is made, such as "loss", for messages.
    **given
        Further arguments, for parameters that the factory has and the call does not set.

    Raises
    ------
    LossmithError
        If the arguments do not fit, or if a factory of the user's raises anything.
    """
    make = bind_arguments(call, factory, kind, **given)
    if ":" not in call.name:
        return make()
    try:
        return make()
    except LossmithError:
        raise
    except (Exception, SystemExit) as error:
        raise LossmithError(f"{kind} '{call.name}' fails with {error_in_words(error)}") from error


def error_in_words(error: BaseException) -> str:
    """An error in code of the user's on one line: its type, its message, and the file and the line."""
    message = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    return f"{message} ({_place(error)})"


def _place(error: BaseException) -> str:
    """The file and the line where an error was raised: of what the user wrote, if that is among them."""
    last = (_frames_of_users(error) or traceback.extract_tb(error.__traceback__))[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"


def _frames_of_users(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of an error that are neither of Python, nor of an installed package, nor of this one."""
    homes = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    others = (*homes, "<frozen", str(Path(__file__).parents[1]))
    return [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(others)]


def bind_arguments(
    call: Call, factory: Callable[..., Any], kind: str, ahead: int = 0, **given: Any
) -> Callable[..., Any]:
    """The factory with its arguments bound and checked; `ahead` positional arguments come first, later."""
    options = dict(call.options)
    try:
        signature = inspect.signature(factory)
    except ValueError:  # some builtins have no signature to check against
        return partial(factory, *call.arguments, **options)
    parameters = signature.parameters
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for option in options:
        if option not in parameters and not open_ended:
            known = set(list(parameters)[ahead:]) - {"self"} - set(given)
            error = unknown_name_error(f"option of {kind} {call.name}:", option, known)
            if not known:
                raise LossmithError(f"{error}{_listing(call, kind)}")
            raise error
    arguments = (*[_PENDING] * ahead, *call.arguments)
    hint = _range_hint(call, signature)
    try:
        bound = signature.bind_partial(*arguments, **options).arguments
        unset = (set(parameters) | set(given) if open_ended else set(parameters)) - set(bound) - set(options)
        given = {key: value for key, value in given.items() if key in unset}
        signature.bind(*arguments, **options, **given)
    except TypeError as error:
        hint = hint or (_listing(call, kind) if str(error).startswith("missing") else "")
        raise LossmithError(f"{kind} '{call.name}': {error}{hint}") from error
    for key, value in bound.items():
        kinds = _kinds(parameters[key])
        if key in options and isinstance(value, Range) and str in kinds and Range not in kinds:
            options[key] = str(value)  # in `mdf(file, range=0..1)` it is text
        elif value is not _PENDING:
            check_kind(f"{kind} '{call.name}': {key}", value, parameters[key], hint)
    return partial(factory, *call.arguments, **options, **given)


def _listing(call: Call, kind: str) -> str:
    """A hint to the command that lists the options of a catalog's entry."""
    in_catalog = ":" not in call.name and kind in _LISTS
    return f"; `lossmith {_LISTS[kind]}` lists the options" if in_catalog else ""


def _range_hint(call: Call, signature: inspect.Signature) -> str:
    """A hint how a range is written, for `noise(0, 50)` and `noise([0, 50])`; empty if no parameter takes one."""
    if len(call.arguments) < 2 or not any(Range in _kinds(option) for option in signature.parameters.values()):
        return ""
    numbers = sorted(value for value in call.arguments if type(value) in (int, float))  # type: ignore[type-var]
    low, high = numbers if len(numbers) == 2 else (30, 50)
    return f"; a range is written {call.name}({low}..{high})"


def _kinds(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """The types of a parameter's values, but for tuples: only Python code can pass those."""
    annotation = parameter.annotation
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return tuple(kind for kind in kinds if get_origin(kind) is not tuple)


def kinds_of(parameter: inspect.Parameter) -> tuple[type, ...]:
    """The types of a parameter's annotation, if expressions can hold values of all of them; else none."""
    kinds = _kinds(parameter)
    can_be_written = parameter.kind not in _MANY and all(
        isinstance(kind, type) and kind in _KINDS for kind in kinds
    )
    return kinds if can_be_written else ()


def check_kind(what: str, value: Any, parameter: inspect.Parameter, hint: str = "") -> None:
    """Raise LossmithError for a value of another type than the parameter's annotation."""
    if isinstance(value, Range) and Range not in _kinds(parameter):
        raise LossmithError(f"{what} must be one value, not the range {value}")
    kinds = kinds_of(parameter)
    if kinds and type(value) not in kinds and not (type(value) is int and float in kinds):
        raise LossmithError(f"{what} must be {' or '.join(_KINDS[k] for k in kinds)}, not {value!r}{hint}")
