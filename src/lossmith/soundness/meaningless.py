"""The checks on inputs that have no loss: too small, without a meaning, with a pixel that is no number."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from lossmith.soundness.cases import FLOAT32, PLAIN, Case, Pair, first_side
from lossmith.soundness.certificate import Example, Outcome
from lossmith.soundness.check import Check, Criterion, Subject
from lossmith.soundness.examine import answer, in_words, says_why
from lossmith.soundness.examples import example

INTEGERS = "float|type|values|not implemented for"
SHAPES = "shape|size|dimension|broadcast"
TOO_SMALL = "at least|(larger|less|greater|smaller) than|input size|too small|reduced to less"
NOT_A_NUMBER = "nan|finite|values"


@dataclass(frozen=True)
class Nonsense:
    """An input that has no loss, made of a usual pair, and what a refusal has to speak of."""

    says: str
    arguments: str
    """Python, of images `x` and `y`."""
    clue: str

    def pair(self, x: Tensor, y: Tensor) -> Pair:
        pair: Pair = eval(f"({self.arguments})", {"x": x, "y": y, "torch": torch})
        return pair


NONSENSE = (
    Nonsense("bytes", "(255 * x).byte(), (255 * y).byte()", INTEGERS),
    Nonsense("whole numbers", "(9 * x).long(), (9 * y).long()", INTEGERS),
    Nonsense("width differs by one", "x, y[..., :-1]", SHAPES),
    Nonsense("height differs by one", "x[..., :-1, :], y", SHAPES),
    Nonsense("batch of 2 against 1", "x, y[:1]", f"{SHAPES}|batch"),
    Nonsense("batch of 1 against 2", "x[:1], y", f"{SHAPES}|batch"),
    Nonsense("an empty batch", "x[:0], y[:0]", "batch|empty"),
)
CHANNELS = Nonsense("3 channels against 1", "x, y[:, :1]", f"{SHAPES}|channels")
GRAY = Nonsense("gray to a network of colors", "x[:, :1], y[:, :1]", f"{SHAPES}|channels")


def nonsense(subject: Subject) -> list[Nonsense]:
    """The inputs without a meaning for a loss."""
    several = [CHANNELS] if max(subject.channels) > 1 else []
    return [*NONSENSE, *several, *([GRAY] if 1 not in subject.channels else [])]


def default_case(subject: Subject) -> Case:
    """Two images that the loss takes, a little above the least side."""
    side = first_side(subject.min_side, subject.odd) + 6
    return Case((2, 3 if 3 in subject.channels else max(subject.channels), side, side), "noisy", FLOAT32, PLAIN, 0)


def answers_to_nonsense(subject: Subject, criterion: Criterion) -> dict[str, tuple[str, str]]:
    """The `reaction` to each input without a meaning."""
    x, y = default_case(subject).pair()
    return {input.says: reaction(criterion, *input.pair(x, y), input.clue) for input in nonsense(subject)}


def reaction(criterion: Criterion, prediction: Tensor, target: Tensor, clue: str) -> tuple[str, str]:
    """What a loss makes of an input that has none, and in what words.

    It is "refused" by an error, or "warned" of, in words that say why (`clue`); or the error is "unclear"; or the
    answer is "NaN", which is noticed; or it is "answered".
    """
    leaf = prediction.clone().requires_grad_() if prediction.is_floating_point() else prediction
    try:
        with catch_warnings(record=True) as warned:
            simplefilter("always")
            value = criterion(leaf, target).double().sum().item()
    except Exception as error:  # whatever a loss may raise
        words = in_words(error)
        return "refused" if says_why(words, clue) else "unclear", words
    told = [words for words in (str(warning.message) for warning in warned) if says_why(words, clue)]
    if told:
        return "warned", told[0]
    return "answered" if isfinite(value) else "NaN", f"{value:.4g}"


def answer_to_a_nan(subject: Subject, criterion: Criterion) -> str:
    """ "NaN", which is right, for a pixel that is none; or what was made of it."""
    prediction, target = default_case(subject).pair()
    prediction[0, 0, 2, 2] = torch.nan
    try:
        actual = answer(criterion, prediction, target)
    except Exception as error:  # whatever a loss may raise
        return "refused" if says_why(str(error), NOT_A_NUMBER) else "unclear"
    if isfinite(actual.value):
        return f"{actual.value:.4g}"
    return "NaN" if actual.gradient.any() else "NaN, gradient 0"


def _refusal_of_default(subject: Subject) -> str:
    """Why the usual images are refused, which a loss should not do, or nothing."""
    outcome, words = reaction(subject.make(), *default_case(subject).pair(), ".")
    return words if outcome == "refused" else ""


def _run_nonsense(subject: Subject) -> Outcome:
    if words := _refusal_of_default(subject):
        return Outcome("refusal of nonsense", "pictures", "not run", f"usual images are refused: {words}")
    criterion, inputs = subject.make(), nonsense(subject)
    answers = answers_to_nonsense(subject, criterion)
    faulty = [input for input in inputs if answers[input.says][0] not in _tolerated(input)]
    examples = tuple(
        example(
            subject,
            default_case(subject),
            f"print(criterion({input.arguments}).item())",
            _described(subject, input),
        )
        for input in faulty
    )
    wrong = [_wrong(input.says, answers[input.says][0]) for input in faulty]
    says = "; ".join(wrong) if wrong else "what has no loss is refused in words"
    return _outcome("refusal of nonsense", "pictures", says, len(inputs), examples)


def _tolerated(input: Nonsense) -> tuple[str, ...]:
    """The mean of nothing is NaN, as everywhere in torch."""
    return ("refused", "warned", "NaN") if input.says == "an empty batch" else ("refused", "warned")


def _described(subject: Subject, input: Nonsense) -> str:
    return f"{input.says}, of {default_case(subject)}"


def _wrong(what: str, reaction: str) -> str:
    return f"{what}: {'an error that does not say why' if reaction == 'unclear' else reaction}"


def _run_least_side(subject: Subject) -> Outcome:
    if subject.min_side == 1:
        return Outcome("least side", "pictures", "passed", "images of any size are taken")
    criterion, examples, wrong = subject.make(), [], []
    sizes = [*_too_small(subject)]
    for case in sizes:
        outcome, _ = reaction(criterion, *case.pair(), TOO_SMALL)
        if outcome != "refused":
            examples.append(example(subject, case, "print(criterion(x, y).item())"))
            wrong.append(_wrong("{} x {} pixels".format(*case.shape[2:]), outcome))
    says = f"images below {subject.min_side} x {subject.min_side} pixels are refused in words"
    return _outcome("least side", "pictures", "; ".join(wrong) or says, len(sizes), tuple(examples))


def _too_small(subject: Subject) -> Iterator[Case]:
    usual = default_case(subject)
    images, channels, large, _ = usual.shape
    step = 2 if subject.odd and subject.min_side > 2 else 1
    small = first_side(subject.min_side, subject.odd) - step
    for height, width in dict.fromkeys([(small, small), (small, large), (large, small), (1, 1)]):
        yield Case((images, channels, height, width), *(usual.values, FLOAT32, PLAIN, 0))


def _run_nan(subject: Subject) -> Outcome:
    if words := _refusal_of_default(subject):
        return Outcome("NaN pixel", "pictures", "not run", f"usual images are refused: {words}")
    actual = answer_to_a_nan(subject, subject.make())
    if actual in ("NaN", "refused", "NaN, gradient 0"):
        says = "is refused" if actual == "refused" else "makes the value NaN, so that it is noticed"
        return Outcome("NaN pixel", "pictures", "passed", f"a pixel that is NaN {says}", inputs=1)
    says = (
        "a pixel that is NaN is refused in words that do not say so"
        if actual == "unclear"
        else f"a pixel that is NaN goes unnoticed: the value is {actual}"
    )
    statements = "x[0, 0, 2, 2] = float('nan'); print(criterion(x, y).item())"
    shown = example(subject, default_case(subject), statements, f"a NaN in {default_case(subject)}")
    return _outcome("NaN pixel", "pictures", says, 1, (shown,))


def _outcome(name: str, group: str, says: str, inputs: int, examples: tuple[Example, ...]) -> Outcome:
    return Outcome(name, group, "failed" if examples else "passed", says, inputs, len(examples), examples)


CHECKS = (
    Check(
        "least side",
        "pictures",
        None,
        "Are pictures too small for the loss refused in a clear sentence, and not answered?",
        _run_least_side,
    ),
    Check(
        "refusal of nonsense",
        "pictures",
        None,
        "Are whole numbers, shapes that differ and an empty batch refused in words?",
        _run_nonsense,
    ),
    Check(
        "NaN pixel",
        "pictures",
        None,
        "Does a pixel that is NaN give NaN, or an error that says so?",
        _run_nan,
    ),
)

__all__ = ["CHECKS", "answer_to_a_nan", "answers_to_nonsense", "default_case", "nonsense", "reaction"]
