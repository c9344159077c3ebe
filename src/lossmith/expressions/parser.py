"""The parser of expressions, whose errors say in one sentence where a text cannot be read."""

import math
import re
from typing import Literal, NoReturn

from lossmith.core.errors import LossmithError
from lossmith.expressions.nodes import Call, Node, Product, Range, Shares, Sum, Timeline, Value

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_END = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"({_END})\s*\.\.\s*({_END})")
NAME = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?")
KEYWORD = re.compile(r"([A-Za-z_]\w*)\s*=\s*")
BARE = re.compile(r"[^,()\"'\s][^,()\"']*")
QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'")
REST = re.compile(r"rest\b(?![.:(])")  # and not a name that begins so
CONSTANTS: dict[str, Value] = {"true": True, "false": False, "none": None}
MAX_DEPTH = 50
"""The most nested parentheses: more are not useful, and thousands overflow Python's stack."""


SHARE_TOLERANCE = 0.01
"""By how much the percentages of a sum may miss 100%: thirds are written with two digits."""
ONE_SHARE = "a product has one percentage at most"
Share = float | Literal["rest"]
"""The percentage of a term: a number, or what the others leave of 100%."""


def parse_loss(text: str) -> Node:
    """The syntax tree of a loss: a sum of weighted calls, or a timeline of such sums.

    >>> parse_loss("80%*l1 + 20%*tv").shares, parse_loss("70%*l1 + rest*tv").shares
    ((0.8, 0.2), (0.7, 0.3))
    >>> parse_loss("l1 + 0.1*tv")
    Sum(terms=(Call(name='l1', arguments=(), options=()), Product(weight=0.1, node=Call(name='tv', \
arguments=(), options=()))))
    """
    parser = Parser(text, "loss")
    node = parser.timeline()
    parser.finish()
    return node


def parse_chain(text: str, kind: str = "degradation") -> tuple[Call, ...]:
    """The calls of a chain, which are applied one after the other.

    >>> [call.name for call in parse_chain("bicubic(2) | noise(5) | jpeg(50)")]
    ['bicubic', 'noise', 'jpeg']
    """
    parser = Parser(text, kind)
    calls = [parser.call()]
    while parser.take("|"):
        calls.append(parser.call())
    parser.finish()
    return tuple(calls)


def parse_call(text: str, kind: str) -> Call:
    """The single call of an expression, such as the name of a network with its options."""
    parser = Parser(text, kind)
    call = parser.call()
    parser.finish()
    return call


class Parser:
    """A recursive-descent parser: a text and the position up to which it has been read."""

    def __init__(self, text: str, kind: str) -> None:
        if not isinstance(text, str):
            raise LossmithError(f"the expression of a {kind} is text, not {type(text).__name__}")
        self.text, self.kind, self.at = text, kind, 0
        self.depth = 0

    def fail(self, expected: str) -> NoReturn:
        rest = self.text[self.at :].strip()
        where = f"has '{rest}' where {expected} was expected" if rest else f"ends where {expected} was expected"
        raise LossmithError(f"{self.kind} expression '{self.text}' {where} (column {self.at + 1})")

    def refuse(self, why: str) -> NoReturn:
        raise LossmithError(f"{self.kind} expression '{self.text}': {why}")

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip_space()
        if match := pattern.match(self.text, self.at):
            self.at = match.end()
        return match

    def take(self, symbol: str) -> bool:
        return self.match(re.compile(re.escape(symbol))) is not None

    def word(self, word: str) -> bool:
        return self.match(re.compile(rf"{word}\b")) is not None

    def number(self) -> float | None:
        match = self.match(NUMBER)
        return float(self.finite(match[0])) if match else None

    def finite(self, text: str) -> str:
        if NUMBER.fullmatch(text) and math.isinf(float(text)):
            self.refuse(f"the number {text} is too large")
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
            raise LossmithError(f"{self.kind} expression '{self.text}' needs rising percentages between 0 and 100")
        return Timeline(tuple(stages), tuple(ends)) if ends else stages[0]

    def sum(self) -> Node:
        products = [self.product()]
        while self.take("+"):
            products.append(self.product())
        always = self.word("always")
        shares = [share for share, _ in products if share is not None]
        terms = tuple(term for _, term in products)
        if shares:
            percentages = self.percentages(shares, len(terms))
            return Shares(terms, tuple(percentage / 100 for percentage in percentages), always)
        if always:
            self.refuse("`always` keeps percentages, as in `80%*l1 + 20%*tv always`, and stands behind their sum")
        return Sum(terms) if len(terms) > 1 else terms[0]

    def percentages(self, shares: list[Share], terms: int) -> list[float]:
        """The percentages of a sum of so many terms, with a number for the rest."""
        numbers = [share for share in shares if isinstance(share, float)]
        total, least = sum(numbers), min(numbers, default=0.0)
        if not numbers:
            self.refuse("`rest` is what other percentages leave of 100%, as in `20%*tv + rest*l1`")
        if len(shares) < terms:
            self.refuse("either all terms of a sum have percentages or none; parentheses make a term of a sum")
        if least <= 0:
            self.refuse(f"a percentage must be above 0%, not {least:g}%; leave out terms that have no share")
        if len(shares) > len(numbers) + 1:
            self.refuse("one term of a sum may have the `rest`, not several")
        if len(shares) > len(numbers):
            rest = round(100 - total, 10)  # without the rounding of sums such as 33.3 + 33.3
            if rest <= 0:
                self.refuse(f"percentages of {total:.6g}% leave no `rest`")
            return [share if isinstance(share, float) else rest for share in shares]
        if abs(total - 100) > SHARE_TOLERANCE * (1 + 1e-6):
            self.refuse(f"the percentages of a sum must add up to 100%, not to {total:.6g}%")
        return numbers

    def product(self) -> tuple[Share | None, Node]:
        """The percentage, if it has one, and what it is of."""
        share: Share | None = None
        weight, node = 1.0, None
        while True:
            if (number := self.number()) is not None:
                if not self.take("%"):
                    weight *= number
                elif share is None:
                    share = number
                else:
                    self.refuse(ONE_SHARE)
            elif self.match(REST):
                if share is not None:
                    self.refuse(ONE_SHARE)
                share = "rest"
            elif node is None:
                node = self.factor()
            else:
                self.fail("a number")
            if not self.take("*"):
                break
        if node is None:
            self.fail(f"'*' and a {self.kind}")
        return share, node if weight == 1 else Product(weight, node)

    def factor(self) -> Node:
        if not self.take("("):
            return self.call()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise LossmithError(f"{self.kind} expression has more than {MAX_DEPTH} nested parentheses")
        inner = self.timeline()
        self.need(")")
        self.depth -= 1
        return inner

    def call(self) -> Call:
        if not (name := self.match(NAME)):
            self.fail(f"the name of a {self.kind}")
        arguments: list[Value] = []
        options: list[tuple[str, Value]] = []
        if self.take("(") and not self.take(")"):
            while True:
                if keyword := self.match(KEYWORD):
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
        if quoted := self.match(QUOTED):
            return quoted[1] if quoted[1] is not None else quoted[2]
        if not (bare := self.match(BARE)):
            self.fail("a value")
        return read_value(self.finite(bare[0].strip()))


def read_value(text: str) -> Value:
    if text.lower() in CONSTANTS:
        return CONSTANTS[text.lower()]
    if ends := RANGE.fullmatch(text):
        return Range(float(ends[1]), float(ends[2]))
    if not NUMBER.fullmatch(text):
        return text
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
