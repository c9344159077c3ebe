"""The grammar in which losses, degradations and networks are written; parsed, never evaluated.

    timeline := sum ("until" NUMBER "%" "then" sum)*
    sum      := product ("+" product)*
    product  := factor ("*" factor)*            at most one factor is not a number
    factor   := NUMBER | call | "(" timeline ")"
    chain    := call ("|" call)*
    call     := name ["(" argument ("," argument)* ")"]
    name     := identifier | import.path:Attribute
    argument := [identifier "="] (NUMBER | true | false | none | bare word | "quoted text")

A bare word runs to the next comma or closing bracket, so file names and `vgg19:conv5_4` need no quotes.
"""

import importlib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import Any, ClassVar, NoReturn, get_args

from lossmith.errors import LossmithError, unknown

Value = int | float | bool | str | None

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NAME = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?")
_KEYWORD = re.compile(r"([A-Za-z_]\w*)\s*=\s*")
_BARE = re.compile(r"[^,()\"'\s][^,()\"']*")
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "none"}
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_TO_COME = object()


@dataclass(frozen=True)
class Call:
    """`name(arguments, key=options)`."""

    name: str
    arguments: tuple[Value, ...] = ()
    options: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Product:
    """`weight * of`."""

    weight: float
    of: "Node"


@dataclass(frozen=True)
class Sum:
    """`terms[0] + terms[1] + ...`."""

    terms: tuple["Node", ...]


@dataclass(frozen=True)
class Timeline:
    """`stages[0] until ends[0]% then stages[1] ...`; `ends` are fractions of the run."""

    stages: tuple["Node", ...]
    ends: tuple[float, ...]


Node = Call | Product | Sum | Timeline


class _Reader:
    """A text and how far it has been read."""

    def __init__(self, text: str, kind: str) -> None:
        self.text, self.kind, self.at = text, kind, 0

    def fail(self, wanted: str) -> NoReturn:
        rest = self.text[self.at :].strip()
        where = f"has '{rest}' where {wanted} was expected" if rest else f"ends where {wanted} was expected"
        raise LossmithError(f"{self.kind} expression '{self.text}' {where} (column {self.at + 1})")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip_space()
        if found := pattern.match(self.text, self.at):
            self.at = found.end()
        return found

    def take(self, symbol: str) -> bool:
        return self.match(re.compile(re.escape(symbol))) is not None

    def word(self, word: str) -> bool:
        return self.match(re.compile(rf"{word}\b")) is not None

    def number(self) -> float | None:
        found = self.match(_NUMBER)
        return float(self.finite(found[0])) if found else None

    def finite(self, text: str) -> str:
        if _NUMBER.fullmatch(text) and math.isinf(float(text)):
            raise LossmithError(f"{self.kind} expression '{self.text}': the number {text} is too large")
        return text

    def need(self, symbol: str) -> None:
        if not self.take(symbol):
            self.fail(f"'{symbol}'")

    def skip_space(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def finish(self) -> None:
        self.skip_space()
        if self.at < len(self.text):
            self.fail("the end")

    def timeline(self) -> Node:
        stages, ends = [self.sum()], []
        while self.word("until"):
            if (number := self.number()) is None:
                self.fail("a percentage")
            self.need("%")
            ends.append(number / 100)
            if not self.word("then"):
                self.fail("'then'")
            stages.append(self.sum())
        if [*ends, 1.0] != sorted({0.0, *ends, 1.0})[1:]:
            raise LossmithError(
                f"{self.kind} expression '{self.text}' needs percentages that rise between 0 and 100"
            )
        return Timeline(tuple(stages), tuple(ends)) if ends else stages[0]

    def sum(self) -> Node:
        terms = [self.product()]
        while self.take("+"):
            terms.append(self.product())
        return Sum(tuple(terms)) if len(terms) > 1 else terms[0]

    def product(self) -> Node:
        weight, node, weighted = 1.0, None, False
        while True:
            if (number := self.number()) is not None:
                weight, weighted = weight * number, True
            elif node is None:
                node = self.factor()
            else:
                self.fail("a number")
            if not self.take("*"):
                break
        if node is None:
            self.fail(f"'*' and a {self.kind}")
        return Product(weight, node) if weighted else node

    def factor(self) -> Node:
        if self.take("("):
            inner = self.timeline()
            self.need(")")
            return inner
        return self.call()

    def call(self) -> Call:
        if not (name := self.match(_NAME)):
            self.fail(f"the name of a {self.kind}")
        arguments: list[Value] = []
        options: list[tuple[str, Value]] = []
        if self.take("(") and not self.take(")"):
            while True:
                if keyword := self.match(_KEYWORD):
                    options.append((keyword[1], self.value()))
                elif options:
                    self.fail("a named argument")
                else:
                    arguments.append(self.value())
                if not self.take(","):
                    break
            self.need(")")
        return Call(name[0], tuple(arguments), tuple(options))

    def value(self) -> Value:
        if quoted := self.match(_QUOTED):
            return quoted[1] if quoted[1] is not None else quoted[2]
        if not (bare := self.match(_BARE)):
            self.fail("a value")
        return _read_value(self.finite(bare[0].strip()))


def _read_value(text: str) -> Value:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)


def parse_loss(text: str) -> Node:
    """Parse a sum of weighted calls, or a timeline of them.

    >>> parse_loss("l1 + 0.1*tv")
    Sum(terms=(Call(name='l1', arguments=(), options=()), Product(weight=0.1, of=Call(name='tv', \
arguments=(), options=()))))
    """
    reader = _Reader(text, "loss")
    node = reader.timeline()
    reader.finish()
    return node


def parse_chain(text: str, kind: str = "degradation") -> tuple[Call, ...]:
    """Parse calls that are applied one after the other.

    >>> [call.name for call in parse_chain("bicubic(2) | noise(5) | jpeg(50)")]
    ['bicubic', 'noise', 'jpeg']
    """
    reader = _Reader(text, kind)
    calls = [reader.call()]
    while reader.take("|"):
        calls.append(reader.call())
    reader.finish()
    return tuple(calls)


def parse_call(text: str, kind: str) -> Call:
    """Parse one call, such as the name of a network with its options."""
    reader = _Reader(text, kind)
    call = reader.call()
    reader.finish()
    return call


def resolve(call: Call, catalogue: Mapping[str, Callable[..., Any]], kind: str) -> Callable[..., Any]:
    """What a call names: an entry of the catalogue, or anybody's `import.path:Attribute`."""
    if ":" not in call.name:
        if call.name not in catalogue:
            raise unknown(kind, call.name, catalogue)
        return catalogue[call.name]
    path, _, attribute = call.name.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise LossmithError(f"{kind} '{call.name}' cannot be imported: {error}") from error
    if not hasattr(module, attribute):
        raise LossmithError(f"{kind} '{call.name}': module '{path}' has no '{attribute}'")
    found = getattr(module, attribute)
    if not callable(found):
        raise LossmithError(f"{kind} '{call.name}' is neither a class nor a function")
    return found  # type: ignore[no-any-return]


def invoke(call: Call, factory: Callable[..., Any], kind: str, **given: Any) -> Any:
    """Call `factory` with the call's arguments; a misfit is one sentence.

    Those `given` are added where the factory takes them and the call itself says nothing about them.
    """
    return fit(call, factory, kind, **given)()


def fit(call: Call, factory: Callable[..., Any], kind: str, ahead: int = 0, **given: Any) -> Callable[..., Any]:
    """What `invoke` would call, checked; `ahead` positional arguments are still to come."""
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
            raise unknown(f"option of {kind} {call.name}:", option, known)
    arguments = (*[_TO_COME] * ahead, *call.arguments)
    try:
        said = signature.bind_partial(*arguments, **options).arguments
        silent = (set(parameters) | set(given) if open_ended else set(parameters)) - set(said) - set(options)
        given = {key: value for key, value in given.items() if key in silent}
        signature.bind(*arguments, **options, **given)
    except TypeError as error:
        raise LossmithError(f"{kind} '{call.name}': {error}") from error
    for key, value in said.items():
        _check_kind(f"{kind} '{call.name}': {key}", value, parameters[key])
    return partial(factory, *call.arguments, **options, **given)


def _check_kind(what: str, value: Any, parameter: inspect.Parameter) -> None:
    """Refuse a value of another kind than the parameter is annotated with, if that kind can be written at all."""
    annotation = parameter.annotation
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    if parameter.kind in _MANY or value is _TO_COME or not all(isinstance(k, type) and k in _KINDS for k in kinds):
        return
    if type(value) not in kinds and not (type(value) is int and float in kinds):
        raise LossmithError(f"{what} must be {' or '.join(_KINDS[k] for k in kinds)}, not {value!r}")


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
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.strip() == text and isinstance(_read_value(text), str) and "=" not in text:
        return text
    return f"'{text}'" if '"' in text else f'"{text}"'
