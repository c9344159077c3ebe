"""Checks of a loss, of lossmith or another package: functions that describe what is wrong with its result.

Nothing here knows a loss of ours. A loss is a function of (prediction, target) that gives one number, and a fault
is a sentence; `examine` tells those of one case, `answers_to_nonsense` those of inputs that have no meaning.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, log2

import torch
from torch import Tensor

from .cases import CONSTANT_CASES, Case, Pair

Criterion = Callable[[Tensor, Tensor], Tensor]

NO_VALUE = "the value is NaN or infinite"
NO_GRADIENT = "the gradient is NaN or infinite"
DEAD = "the gradient is 0 where the images differ"
WRONG_VALUE = "the value depends on dtype or layout"
WRONG_GRADIENT = "the gradient depends on dtype or layout"
NOT_ZERO = "identical images do not give 0"
INPUT_CHANGED = "an input is changed"
RESTLESS = "a second call gives another value"
BATCH_MIXED = "a batch is not the mean of its images"
COLOR_ORDER_MATTERS = "the order of the colors matters"
UNCLEAR = "a crash that does not say why"
FAULTS = (
    *(NO_VALUE, NO_GRADIENT, DEAD, WRONG_VALUE, WRONG_GRADIENT, NOT_ZERO),
    *(INPUT_CHANGED, RESTLESS, BATCH_MIXED, COLOR_ORDER_MATTERS, UNCLEAR),
)

VALUE_TOLERANCE = 1e-4
"""Of the value, beside as much absolutely: float32 sums of squares up to 1, over constants of 9e-4."""
GRADIENT_TOLERANCE = 1e-2
"""Of the gradient's norm: bfloat16, in which it may come, rounds to 2^-9."""
NOTHING = 1e-5
"""A gradient with less than this norm counts as 0; usual ones have 1e-3 to 1."""
CLEARLY_APART = 1e-3
"""A value above it is that of different images."""
LARGEST = 16.0
"""To about this the largest number of a gradient is scaled, as one does when training in float16 ..."""
MAX_RATIO = 2.0**12
"""... as far as this factor does it: float16 has to hold the factor as well."""


@dataclass(frozen=True)
class Subject:
    """A loss, and which images it takes."""

    name: str
    make: Callable[[], Criterion]
    channels: tuple[int, ...] = (1, 2, 3, 4)
    min_side: int = 1
    odd: bool = False
    """Whether sides must be odd."""
    default_side: int = 0
    """The side of images without a fault, where it is more than a little above the least."""
    color_blind: bool = True
    """Whether it treats all channels alike."""
    slack: float = 0.0
    """How far from 0 the value of identical images may be."""
    distance: bool = True
    """Whether it is 0 for identical images only."""
    needs_texture: bool = False
    """Whether that, and a slope, is promised only where no two places of the images are alike."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Verdict:
    """What came of a case: the faults, or why it was refused in so many words."""

    faults: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Answer:
    """A value and the gradient to the prediction, in float64."""

    value: float
    gradient: Tensor
    rounding: float
    """Of the dtype in which the value came, relative to it."""

    @property
    def finite(self) -> bool:
        return isfinite(self.value) and bool(self.gradient.isfinite().all())


def answer(criterion: Criterion, prediction: Tensor, target: Tensor, scale: float = 1.0) -> Answer:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(scale * value.double().sum(), leaf)
    else:
        gradient = torch.zeros_like(leaf)
    return Answer(value.double().sum().item(), gradient.double() / scale, torch.finfo(value.dtype).eps / 2)


def examine(subject: Subject, criterion: Criterion, case: Case) -> Verdict:
    """Everything that is asked of one case."""
    prediction, target = case.pair()
    before = prediction.clone(), target.clone()
    try:
        true = _truth(criterion, prediction, target)
        scale = _scale(true)
        with torch.autocast("cpu", torch.bfloat16, enabled=case.autocast):
            actual, second_answer = (answer(criterion, prediction, target, scale) for _ in range(2))
        faults = {*_unsteady(before, (prediction, target), actual, second_answer)}
        if not actual.finite:
            # excused is only what is too large in float64 as well
            failure = NO_GRADIENT if isfinite(actual.value) else NO_VALUE
            faults |= {failure} if case.tame or true.finite else set()
        elif case.tame:
            faults |= {*_off(subject, actual, true, case, scale)}
            faults |= {*_move_faults(subject, criterion, prediction.float(), target.float())}
    except Exception as error:  # whatever a loss may raise
        words = " ".join(f"{type(error).__name__}: {error}".split())
        clear = re.search(_clue(case), words, re.IGNORECASE)
        return Verdict((), words) if clear else Verdict((UNCLEAR,), words)
    return Verdict(tuple(fault for fault in FAULTS if fault in faults))


def _truth(criterion: Criterion, prediction: Tensor, target: Tensor) -> Answer:
    """What it gives for these images, plainly stored, in float64 (in float32 if it takes no other)."""
    try:
        return answer(criterion, prediction.double().contiguous(), target.double().contiguous())
    except RuntimeError:
        return answer(criterion, prediction.float().contiguous(), target.float().contiguous())


def _scale(true: Answer) -> float:
    largest = float(true.gradient.abs().max())
    return min(MAX_RATIO, 2.0 ** round(log2(LARGEST / largest))) if 1e-30 < largest < 1e30 else 1.0


def _unsteady(before: Pair, after: Pair, actual: Answer, repeat: Answer) -> Iterator[str]:
    if not all(map(torch.equal, before, after)):
        yield INPUT_CHANGED
    if actual.finite and (actual.value != repeat.value or not torch.equal(actual.gradient, repeat.gradient)):
        yield RESTLESS


def _off(subject: Subject, actual: Answer, true: Answer, case: Case, scale: float) -> Iterator[str]:
    is_comparable = subject.distance and not (subject.needs_texture and case.values in CONSTANT_CASES)
    if case.equal and is_comparable and abs(actual.value) > subject.slack:
        yield NOT_ZERO
    smallest = torch.finfo(case.dtypes[0]).smallest_normal / scale
    if is_comparable and actual.value > CLEARLY_APART and not actual.gradient.any():
        # of others it is excused where the dtype has no number so small
        yield from [DEAD] if true.gradient.abs().max() > smallest or not true.gradient.any() else []
    if abs(actual.value - true.value) > VALUE_TOLERANCE + max(VALUE_TOLERANCE, actual.rounding) * abs(true.value):
        yield WRONG_VALUE
    too_small = smallest * actual.gradient.numel() ** 0.5
    if (actual.gradient - true.gradient).norm() > GRADIENT_TOLERANCE * true.gradient.norm() + NOTHING + too_small:
        yield WRONG_GRADIENT


@torch.no_grad()
def _move_faults(subject: Subject, criterion: Criterion, prediction: Tensor, target: Tensor) -> Iterator[str]:
    """Images one by one or in another order, and colors in another order, should change nothing."""

    def value(*pair: Tensor) -> float:
        return criterion(*pair).double().sum().item()

    together = value(prediction, target)
    values = [value(*pair) for pair in zip(prediction.split(1), target.split(1), strict=True)]
    tolerance = VALUE_TOLERANCE * (1 + abs(together))
    pair_values = sum(values) / len(values), value(prediction.flip(0), target.flip(0))
    if any(abs(other - together) > tolerance for other in pair_values):
        yield BATCH_MIXED
    if subject.color_blind and abs(value(prediction.flip(1), target.flip(1)) - together) > tolerance:
        yield COLOR_ORDER_MATTERS


def _clue(case: Case) -> str:
    """What a refusal has to speak of: something that is not usual about the images."""
    clues = ["at least|larger than|size: |image height|image width"]
    if {*case.dtypes} != {torch.float32} or case.autocast:
        clues.append("dtype|data type|same type|scalar type|input type|not implemented for|float64|float16")
    if not case.tame or case.values == "a little outside":
        clues.append("range|values|normalized")
    if case.shape[1] != 3:
        clues.append("channels")
    return "|".join(clues)


# --- inputs without a meaning ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nonsense:
    """An input that has no loss, made of a usual pair, and what a refusal has to speak of."""

    says: str
    make_pair: Callable[[Tensor, Tensor], Pair]
    clue: str


def nonsense(subject: Subject) -> list[Nonsense]:
    """Those that are none for this loss."""
    shapes = "shape|size|dimension"
    actual = [
        Nonsense("bytes", lambda x, y: ((255 * x).byte(), (255 * y).byte()), "float|type|values"),
        Nonsense("whole numbers", lambda x, y: ((9 * x).long(), (9 * y).long()), "float|type|values"),
        Nonsense("width differs by one", lambda x, y: (x, y[..., :-1]), shapes),
        Nonsense("height differs by one", lambda x, y: (x[..., :-1, :], y), shapes),
        Nonsense("batch of 2 against 1", lambda x, y: (x, y[:1]), f"{shapes}|batch"),
        Nonsense("batch of 1 against 2", lambda x, y: (x[:1], y), f"{shapes}|batch"),
        Nonsense("an empty batch", lambda x, y: (x[:0], y[:0]), "batch|empty"),
    ]
    if max(subject.channels) > 1:
        fewer = "channels against 1"
        actual.append(Nonsense(f"3 {fewer}", lambda x, y: (x, y[:, :1]), f"{shapes}|channels"))
    if 1 not in subject.channels:
        actual.append(
            Nonsense("gray to a network of colors", lambda x, y: (x[:, :1], y[:, :1]), f"{shapes}|channels")
        )
    if subject.min_side > 1:
        small = "at least|larger than|input size: |must be larger|too small"
        side = subject.min_side - 1
        actual.append(Nonsense("too small", lambda x, y: (x[..., :side, :], y[..., :side, :]), small))
    return actual


def answer_to_a_nan(subject: Subject, criterion: Criterion) -> str:
    """ "NaN", which is right, for a pixel that is none; or what was made of it."""
    prediction, target = _default_pair(subject)
    prediction[0, 0, 2, 2] = torch.nan
    try:
        actual = answer(criterion, prediction, target)
    except Exception as error:  # whatever a loss may raise
        clear = re.search("nan|finite|values", str(error), re.IGNORECASE)
        return "refused" if clear else "unclear"
    if isfinite(actual.value):
        return f"{actual.value:.4g}"
    return "NaN" if actual.gradient.any() else "NaN, gradient 0"


def _default_pair(subject: Subject) -> Pair:
    side = max(subject.default_side, subject.min_side + (6 if subject.odd else 5))
    prediction, target = torch.rand(2, 2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return prediction, target


def answers_to_nonsense(subject: Subject, criterion: Criterion) -> dict[str, tuple[str, str]]:
    """For each input without a meaning: "refused", "unclear" or "answered", and in what words."""
    actual = {}
    for input in nonsense(subject):
        prediction, target = input.make_pair(*_default_pair(subject))
        leaf = prediction.requires_grad_() if prediction.is_floating_point() else prediction
        try:
            actual[input.says] = "answered", f"{criterion(leaf, target).double().sum().item():.4g}"
        except Exception as error:  # whatever a loss may raise
            words = " ".join(f"{type(error).__name__}: {error}".split())
            clear = re.search(input.clue, words, re.IGNORECASE)
            actual[input.says] = "refused" if clear else "unclear", words
    return actual
