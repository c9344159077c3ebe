"""From a call to what it names, called with arguments that fit."""

import importlib
import inspect
import sys
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
_LISTS = {"loss": "losses", "network": "networks", "critic": "networks", "degradation": "degradations"}
"""The commands that list what there is of a kind."""
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_TO_COME = object()


def resolve(call: Call, catalog: Mapping[str, Callable[..., Any]], kind: str) -> Callable[..., Any]:
    """What a call names: an entry of the catalog, or anybody's `import.path:Attribute`.

    An error in the code of a module that is imported is not hidden: its traceback is what its author needs.
    """
    if ":" not in call.name:
        if call.name not in catalog:
            raise unknown_name_error(kind, call.name, catalog)
        return catalog[call.name]
    path, _, attribute = call.name.partition(":")
    if path.count(".") > MAX_DEPTH:  # for each of which Python's import goes deeper
        raise LossmithError(f"{kind} '{call.name[:60]}...' cannot be imported: nobody has so many packages")
    try:
        module = importlib.import_module(path)
    except (ModuleNotFoundError, SyntaxError) as error:  # a SyntaxError says the file and the line
        raise LossmithError(f"{kind} '{call.name}' cannot be imported: {error}") from error
    except SystemExit as error:
        raise LossmithError(
            f"{kind} '{call.name}' cannot be imported: '{path}' ends the program ({_place(error)}); "
            "what it does as a program belongs under if __name__ == '__main__'"
        ) from error
    if not hasattr(module, attribute):
        raise LossmithError(f"{kind} '{call.name}': module '{path}' has no '{attribute}'")
    found = getattr(module, attribute)
    if not callable(found):
        raise LossmithError(f"{kind} '{call.name}' is neither a class nor a function")
    return found  # type: ignore[no-any-return]


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
    """Call `factory` with the call's arguments; a misfit is one sentence.

    Those `given` are added where the factory takes them and the call itself says nothing about them. What
    anybody's own factory raises may be its answer to these arguments, and is said in one sentence too.
    """
    make = bind_arguments(call, factory, kind, **given)
    if ":" not in call.name:
        return make()
    try:
        return make()
    except LossmithError:
        raise
    except (Exception, SystemExit) as error:
        name = type(error).__name__
        raise LossmithError(f"{kind} '{call.name}' fails with {name}: {error} ({_place(error)})") from error


def _place(error: BaseException) -> str:
    """The file and the line where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"


def bind_arguments(
    call: Call, factory: Callable[..., Any], kind: str, ahead: int = 0, **given: Any
) -> Callable[..., Any]:
    """What `instantiate` would call, checked; `ahead` positional arguments are still to come."""
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
    arguments = (*[_TO_COME] * ahead, *call.arguments)
    hint = _range_hint(call, signature)
    try:
        said = signature.bind_partial(*arguments, **options).arguments
        silent = (set(parameters) | set(given) if open_ended else set(parameters)) - set(said) - set(options)
        given = {key: value for key, value in given.items() if key in silent}
        signature.bind(*arguments, **options, **given)
    except TypeError as error:
        hint = hint or (_listing(call, kind) if str(error).startswith("missing") else "")
        raise LossmithError(f"{kind} '{call.name}': {error}{hint}") from error
    for key, value in said.items():
        kinds = _kinds(parameters[key])
        if key in options and isinstance(value, Range) and str in kinds and Range not in kinds:
            options[key] = str(value)  # `mdf(file, range=0..1)` names a range, of which nothing is drawn
        elif value is not _TO_COME:
            check_kind(f"{kind} '{call.name}': {key}", value, parameters[key], hint)
    return partial(factory, *call.arguments, **options, **given)


def _listing(call: Call, kind: str) -> str:
    """Where the options of what we have ourselves are listed."""
    ours = ":" not in call.name and kind in _LISTS
    return f"; `lossmith {_LISTS[kind]}` lists the options" if ours else ""


def _range_hint(call: Call, signature: inspect.Signature) -> str:
    """How a range is written, for who writes `noise(0, 50)` or `noise([0, 50])`; nothing where none is taken."""
    if len(call.arguments) < 2 or not any(Range in _kinds(each) for each in signature.parameters.values()):
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
    """The kinds of values that the parameter is annotated with, if all of them can be written; else none."""
    kinds = _kinds(parameter)
    written = parameter.kind not in _MANY and all(isinstance(kind, type) and kind in _KINDS for kind in kinds)
    return kinds if written else ()


def check_kind(what: str, value: Any, parameter: inspect.Parameter, hint: str = "") -> None:
    """Refuse a value of another kind than the parameter is annotated with."""
    if isinstance(value, Range) and Range not in _kinds(parameter):
        raise LossmithError(f"{what} must be one value, not the range {value}")
    kinds = kinds_of(parameter)
    if kinds and type(value) not in kinds and not (type(value) is int and float in kinds):
        raise LossmithError(f"{what} must be {' or '.join(_KINDS[k] for k in kinds)}, not {value!r}{hint}")
