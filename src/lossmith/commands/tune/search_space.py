"""The space of a search: the names in the expression of a loss, and what is tried in the place of each."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossmith.core.errors import LossmithError

Value = int | float | str
"""Of one name: a number of a range, or a text of a choice."""
Values = Mapping[str, Value]
"""Of every name: a point of the space."""

LEARNING_RATE = "learning_rate"
"""The name that stands for the setting, and not for a place in the expression."""
DIGITS = 3
"""Significant digits of what is tried: an expression that is to be pasted needs no more."""
MAX_CORNERS = 16
"""The most points that are checked before the first trial, if they are all combinations of ends."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})((?:\s+(?:log|int))*)")
_FORMS = "NAME=LOW..HIGH, with log or int behind it where that is wanted, or NAME=a|b|c"


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, both included; `str()` is what is typed behind the name.

    >>> str(Interval("W", 0.001, 1, log=True)), str(Interval("N", 1, 8, whole=True))
    ('0.001..1 log', '1..8 int')
    """

    name: str
    low: float
    high: float
    log: bool = False
    """Whether each factor of ten is tried as often as any other."""
    whole: bool = False
    """Whether only whole numbers are tried."""

    @property
    def ends(self) -> tuple[Value, ...]:
        return self.nearest(self.low), self.nearest(self.high)

    @property
    def middle(self) -> Value:
        """The number in the middle, or the geometric mean of the ends where it is logarithmic."""
        return self.nearest(math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2)

    def nearest(self, number: float) -> Value:
        """The number to a few digits, within the ends.

        >>> Interval("W", 0, 0.12345).nearest(0.0123456), Interval("W", 0, 0.12345).nearest(0.1234)
        (0.0123, 0.123)
        >>> Interval("W", 0, 0.12345).nearest(0.12345), Interval("N", 1, 8, whole=True).nearest(3.0)
        (0.12345, 3)
        """
        if self.whole:
            return int(min(max(round(number), self.low), self.high))
        if number in (self.low, self.high):
            return float(number)
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)

    def __str__(self) -> str:
        words = [f"{text_of(self.low)}..{text_of(self.high)}", *["log"] * self.log, *["int"] * self.whole]
        return " ".join(words)


@dataclass(frozen=True)
class Choice:
    """Some texts; `str()` is what is typed behind the name."""

    name: str
    options: tuple[str, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        return self.options

    @property
    def middle(self) -> Value:
        return self.options[0]

    def __str__(self) -> str:
        return "|".join(self.options)


Dimension = Interval | Choice


@dataclass(frozen=True)
class SearchSpace:
    """An expression with names in it, and what is tried in their places."""

    loss: str
    dimensions: tuple[Dimension, ...]

    def expression(self, values: Values) -> str:
        """The expression with values in the place of names; it need not be one of a loss.

        >>> space("l1 + W*tv", "W=0..1").expression({"W": 0.25})
        'l1 + 0.25*tv'
        """
        return substitute(self.loss, {name: v for name, v in values.items() if name != LEARNING_RATE})

    def learning_rate(self, values: Values) -> float | None:
        """The learning rate, where that is searched for."""
        return float(values[LEARNING_RATE]) if LEARNING_RATE in values else None

    def corners(self) -> list[dict[str, Value]]:
        """The points between which all others lie: every combination of ends, or of many each end once.

        >>> [tuple(corner.values()) for corner in space("l1 + W*NAME", "W=0..1", "NAME=tv|l2").corners()]
        [(0.0, 'tv'), (0.0, 'l2'), (1.0, 'tv'), (1.0, 'l2')]
        """
        names = [dimension.name for dimension in self.dimensions]
        ends = [dimension.ends for dimension in self.dimensions]
        if math.prod(map(len, ends)) <= MAX_CORNERS:
            return [dict(zip(names, point, strict=True)) for point in itertools.product(*ends)]
        return self.ends()

    def ends(self) -> list[dict[str, Value]]:
        """The point of all first ends, and those that differ from it in one other end.

        >>> [tuple(end.values()) for end in space("l1 + W*NAME", "W=0..1", "NAME=tv|l2").ends()]
        [(0.0, 'tv'), (1.0, 'tv'), (0.0, 'l2')]
        """
        first = {dimension.name: dimension.ends[0] for dimension in self.dimensions}
        others = [{**first, each.name: value} for each in self.dimensions for value in each.ends[1:]]
        return [first, *others]

    def first_points(self) -> list[dict[str, Value]]:
        """What is tried first: for every range that begins at 0 this end of it, and of all else the middle.

        A sampler draws from such a range, and would never leave a term out.

        >>> space("l1 + W*tv + V*l2", "W=0.01..1 log", "V=0..1").first_points()
        [{'W': 0.1, 'V': 0.0}]
        """
        middle = {dimension.name: dimension.middle for dimension in self.dimensions}
        ranges = [each for each in self.dimensions if isinstance(each, Interval) and each.low == 0]
        return [{**middle, each.name: each.nearest(0)} for each in ranges]


def space(loss: str, *searches: str) -> SearchSpace:
    """The space of texts such as "W=0.001..1 log", "N=1..8 int" and "LAYER=fire3|fire5".

    Raises LossmithError for texts of another form, a name that is given twice, and names that the expression does
    not have.
    """
    if not isinstance(loss, str):
        raise LossmithError(f"the `loss` of a search is text with names in it, such as 'l1 + W*tv', not {loss!r}")
    dimensions = tuple(map(parse_dimension, searches))
    if occurs(loss, LEARNING_RATE):
        raise LossmithError(f"'{LEARNING_RATE}' stands for the setting; take another name in the `loss` '{loss}'")
    if not dimensions:
        raise LossmithError("a search needs at least one `search`, such as 'W=0.001..1 log'")
    names = [dimension.name for dimension in dimensions]
    for name in names:
        if names.count(name) > 1:
            raise LossmithError(f"`search` has '{name}' twice; each name may be given once")
        if name != LEARNING_RATE and not occurs(loss, name):
            raise LossmithError(
                f"`search` has the name '{name}', which is nowhere in the loss '{loss}'; write it where a number, "
                "a name or the value of an option stands"
            )
    return SearchSpace(loss, dimensions)


def parse_dimension(text: str) -> Dimension:
    """One name, and what is tried in its place.

    >>> parse_dimension("W=0.001..1 log"), parse_dimension("LAYER = fire3 | fire5")
    (Interval(name='W', low=0.001, high=1.0, log=True, whole=False), Choice(name='LAYER', options=('fire3', \
'fire5')))
    """
    name, equals, rest = (part.strip() for part in text.partition("=")) if isinstance(text, str) else ("", "", "")
    if not equals or not _NAME.fullmatch(name):
        raise LossmithError(f"`search` is {_FORMS}, not {text!r}")
    dimension = _interval(text, name, rest) or _choice(text, name, rest)
    if name == LEARNING_RATE:
        _check_learning_rate(text, dimension)
    return dimension


def _interval(text: str, name: str, rest: str) -> Interval | None:
    if not (match := _RANGE.fullmatch(rest)):
        return None
    low, high, words = float(match[1]), float(match[2]), match[3].split()
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise LossmithError(f"`search='{text}'` must go from a lower number to a higher one")
    if "log" in words and low <= 0:
        raise LossmithError(f"`search='{text}'` is logarithmic, so it must begin above 0")
    if "int" in words and not (low.is_integer() and high.is_integer()):
        raise LossmithError(f"`search='{text}'` is of whole numbers, and so must be its ends")
    return Interval(name, low, high, "log" in words, "int" in words)


def _choice(text: str, name: str, rest: str) -> Choice:
    options = tuple(option.strip() for option in rest.split("|"))
    if len(options) < 2 or not all(options):
        raise LossmithError(f"`search` is {_FORMS}, not {text!r}")
    if len(set(options)) < len(options):
        raise LossmithError(f"`search='{text}'` has an option twice")
    return Choice(name, options)


def _check_learning_rate(text: str, dimension: Dimension) -> None:
    try:
        rates = [float(end) for end in dimension.ends]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise LossmithError(f"`search='{text}'`: learning rates are numbers above 0")


def substitute(expression: str, values: Values) -> str:
    """The expression with values in the place of whole words: not inside quotes, paths or names of options.

    >>> substitute("l1 + W*ssim(sigma=sigma) + W2*'my W':f", {"W": 0.5, "sigma": 3})
    "l1 + 0.5*ssim(sigma=3) + W2*'my W':f"
    """

    def text(match: re.Match[str]) -> str:
        return text_of(values[match[1]]) if match[1] else match[0]

    return _words(values).sub(text, expression) if values else expression


def occurs(expression: str, name: str) -> bool:
    """Whether a name stands where a value may be put.

    >>> occurs("l1 + W*tv", "W"), occurs("ssim(W=3)", "W"), occurs("my.module:W", "W")
    (True, False, False)
    """
    return any(match[1] for match in _words([name]).finditer(expression))


def _words(names: Mapping[str, Value] | Sequence[str]) -> re.Pattern[str]:
    """Quoted texts, or one of these words, which is the group."""
    any_name = "|".join(map(re.escape, names))
    return re.compile(rf"\"[^\"]*\"|'[^']*'|(?<![\w.:/\\-])({any_name})(?![\w.:/\\]|\s*=)")


def text_of(value: Value) -> str:
    """A value as it stands in an expression.

    >>> text_of(1.0), text_of(0.0123), text_of(1e-5), text_of(3), text_of("fire5")
    ('1', '0.0123', '1e-05', '3', 'fire5')
    """
    return f"{value:.12g}" if isinstance(value, float) else str(value)


__all__ = [
    "LEARNING_RATE",
    "Choice",
    "Dimension",
    "Interval",
    "SearchSpace",
    "Value",
    "Values",
    "occurs",
    "parse_dimension",
    "space",
    "substitute",
    "text_of",
]
