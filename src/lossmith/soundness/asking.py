"""What the checks of a few calls share: the pictures that they take, and outcomes of what they find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from lossmith.soundness.cases import first_side
from lossmith.soundness.certificate import Example, Outcome
from lossmith.soundness.check import Check, Criterion, Group, Subject
from lossmith.soundness.damage import damaged
from lossmith.soundness.examine import answer, in_words, says_why
from lossmith.soundness.examples import ERROR, printed
from lossmith.soundness.kinds import Promise

SIDE, MULTIPLE = 64, 32
"""Of pictures like photographs, where the loss takes them; such sides can be halved."""
MAX_PICTURES, PIXELS = 4, 2**15
"""Pictures at once, as many as have so many pixels; one at least."""
OUT_OF_RANGE = r"greater or equal|less or equal|values?\b.*\brange|range\b.*\bvalues?"
"""What an error says that refuses the values of a step or of a network, which may leave the range a little."""
LITTLE_SIDE = 8
"""Of pictures for what does not depend on their contents, where the loss takes them."""


class NotRun(Exception):
    """A check needs something that is not there. Its text says what, as the outcome does."""


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    says: str
    inputs: int = 1
    faults: int = 0
    """On how many of them it failed."""
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Input:
    """The images that a loss is asked about: a damaged picture and the picture."""

    shape: tuple[int, int, int, int]
    damage: str = "noise"
    amount: float = 0.1
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.damage} of {self.amount:g}, {self.shape}, float32"

    def pair(self) -> tuple[Tensor, Tensor]:
        return damaged(self.damage, self.amount, self.shape, self.seed)

    def call(self, amount: str) -> str:
        """The call that makes them, or those of another amount, which is Python."""
        seed = f", seed={self.seed}" if self.seed else ""
        return f"damaged({self.damage!r}, {amount}, {self.shape}{seed})"

    @property
    def code(self) -> str:
        """Python that makes them as `x` and `y`."""
        return f"from lossmith.testing import damaged; x, y = {self.call(repr(self.amount))}"


def picture_input(subject: Subject) -> Input:
    """Some pictures like photographs, of a side that can be halved unless it must be odd."""
    side = -(-max(SIDE, subject.min_side) // MULTIPLE) * MULTIPLE + subject.odd
    pictures = max(1, min(MAX_PICTURES, PIXELS // side**2))
    return Input((pictures, _channels(subject), side, side), seed=subject.seed)


def little_input(subject: Subject) -> Input:
    """Two little pictures."""
    side = first_side(max(LITTLE_SIDE, subject.min_side), subject.odd)
    return Input((2, _channels(subject), side, side), seed=subject.seed)


def smaller_inputs(subject: Subject, shown: Input) -> Iterator[Input]:
    """Inputs that may show the same, the smallest first, and `shown` itself at the end."""
    largest = shown.shape[-1]
    side = first_side(max(LITTLE_SIDE, subject.min_side), subject.odd)
    while side < largest:
        for channels in sorted({min(subject.channels), shown.shape[1]}):
            yield replace(shown, shape=(1, channels, side, side))
        side = 2 * side - subject.odd
    yield replace(shown, shape=(1, *shown.shape[1:]))
    yield shown


def smallest(subject: Subject, shown: Input, shows: Callable[[Input], bool]) -> Input:
    """The smallest input that shows what `shown` does."""
    return next((smaller for smaller in smaller_inputs(subject, shown) if shows(smaller)), shown)


def steady_value(criterion: Criterion, x: Tensor, y: Tensor) -> float:
    """The value with a gradient, as in training. Raises NotRun for a loss that gives another in each call."""
    first, second = (answer(criterion, x, y).value for _ in range(2))
    if abs(second - first) > tolerance(first):
        raise NotRun(f"it gives another value in each call: {first:.6g}, then {second:.6g}")
    return second


VALUE_TOLERANCE = 1e-4
"""Of values, relative to them; sums of float32 in another order differ by 1e-6."""


def tolerance(value: float, relative: float = VALUE_TOLERANCE) -> float:
    """How far another value may be from this one."""
    return relative * abs(value) + 1e-7


def example(subject: Subject, shown: Input, statements: str) -> Example:
    """What `statements`, about `criterion`, `x` and `y`, print of an input."""
    code = f"{shown.code}; {statements}"
    return Example(str(shown), printed(subject, code).removeprefix(ERROR), f"{subject.code}; {code}")


def make_check(
    name: str,
    group: Group,
    promise: Promise | None,
    question: str,
    ask: Callable[[Subject], Finding],
    statements: str,
) -> Check:
    """A check that finds something by a few calls.

    Parameters
    ----------
    name, group, promise, question
        Those of the check.
    ask
        Asks the question. A NotRun is the reason why it cannot; another exception is a fault.
    statements
        Python on one line about `criterion`, `x` and `y` that shows what is wrong where `ask` gives no example.
    """
    return Check(name, group, promise, question, partial(_run, name, group, ask, statements))


def _run(name: str, group: str, ask: Callable[[Subject], Finding], statements: str, subject: Subject) -> Outcome:
    outcome = partial(Outcome, name, group)
    try:
        finding = ask(subject)
    except NotRun as reason:
        return outcome("not run", str(reason))
    except Exception as error:  # whatever a loss may raise
        words = in_words(error)
        if says_why(words, OUT_OF_RANGE):
            return outcome("not run", f"it refuses values outside of a range: {words}")
        finding = Finding(f"it raises {words}", faults=1)
    if not finding.faults:
        return outcome("passed", finding.says, finding.inputs)
    examples = finding.examples or (example(subject, little_input(subject), statements),)
    return outcome("failed", finding.says, finding.inputs, finding.faults, examples)


def _channels(subject: Subject) -> int:
    return 3 if 3 in subject.channels else max(subject.channels)


__all__ = [
    "Finding",
    "Input",
    "NotRun",
    "example",
    "little_input",
    "make_check",
    "picture_input",
    "smallest",
    "steady_value",
    "tolerance",
]
