"""What is wrong with the answer of a loss to one pair of images."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, isinf, log2

import torch
from torch import Tensor

from lossmith.soundness.cases import FLOAT32, Case
from lossmith.soundness.check import Criterion, Subject

NO_VALUE = "the value is NaN or infinite"
NO_GRADIENT = "the gradient is NaN or infinite"
DEAD = "the gradient is 0 where the images differ"
NOT_ZERO = "identical images do not give 0"
OUT_OF_RANGE = "the value is outside the declared range"
WRONG_VALUE = "the value depends on dtype or layout"
WRONG_GRADIENT = "the gradient depends on dtype or layout"
BATCH_MIXED = "a batch is not the mean of its images"
COLOR_ORDER_MATTERS = "the order of the colors matters"
RESTLESS = "a second call gives another value"
INPUT_CHANGED = "an input is changed"
TARGET_GRADIENT = "the target is made to require a gradient"
UNCLEAR = "a crash that does not say why"
FAULTS = (
    *(NO_VALUE, NO_GRADIENT, DEAD, NOT_ZERO, OUT_OF_RANGE, WRONG_VALUE, WRONG_GRADIENT),
    *(BATCH_MIXED, COLOR_ORDER_MATTERS, RESTLESS, INPUT_CHANGED, TARGET_GRADIENT, UNCLEAR),
)

VALUE_TOLERANCE = 1e-4
"""Of the value, beside as much absolutely: float32 sums of squares up to 1, over constants of 9e-4."""
GRADIENT_TOLERANCE = 1e-2
"""Of the gradient's norm: bfloat16, in which it may come, rounds to 2^-9."""
NOTHING = 1e-5
"""A gradient with less than this norm counts as 0; usual ones have 1e-3 to 1."""
CLEARLY_APART = 1e-3
"""A value above it is that of different images."""
UNALIKE = ("noisy", "unrelated")
"""Contents that every distance tells apart, whatever its value."""
LARGEST = 16.0
"""To about this the largest number of a gradient is scaled, as one does when training in float16 ..."""
MAX_RATIO = 2.0**12
"""... as far as this factor does it: float16 has to hold the factor as well."""
WRITES = "in-?place operation|written-to tensor"
"""What torch says where a loss writes into an image that is stored once for several, or that autograd needs."""


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
    dtype: torch.dtype = torch.float64
    """That in which the value came."""

    @property
    def rounding(self) -> float:
        """Of the dtype, relative to the value."""
        return torch.finfo(self.dtype).eps / 2

    @property
    def finite(self) -> bool:
        return isfinite(self.value) and bool(self.gradient.isfinite().all())


def answer(criterion: Criterion, prediction: Tensor, target: Tensor, scale: float = 1.0) -> Answer:
    """The value of a loss, and its gradient, computed with the value times `scale`."""
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(scale * value.double().sum(), leaf, allow_unused=True)
    else:
        gradient = None
    gradient = torch.zeros_like(leaf) if gradient is None else gradient
    return Answer(value.double().sum().item(), gradient.double() / scale, value.dtype)


def examine(subject: Subject, criterion: Criterion, case: Case, only: str | None = None) -> Verdict:
    """Everything that is asked about one case, whatever the kind of the loss promises.

    `only` is a fault: others need not be looked for, which saves time.

    A loss that changes its inputs, or answers differently each time, is blamed for that alone: nothing else can be
    said about it.
    """
    try:
        faults = {*_faults(subject, criterion, case, only)}
    except Exception as error:  # whatever a loss may raise
        words = in_words(error)
        if says_why(words, WRITES):
            return Verdict((INPUT_CHANGED,))
        return Verdict(() if says_why(words, _clue(case)) else (UNCLEAR,), words)
    return Verdict(tuple(fault for fault in FAULTS if fault in faults))


def in_words(error: Exception) -> str:
    """An error in one line, without addresses in memory, which are others each time."""
    return re.sub(" at 0x[0-9a-f]+", "", " ".join(f"{type(error).__name__}: {error}".split()))


def says_why(words: str, clue: str) -> bool:
    """Whether an error speaks of what a regular expression finds."""
    return re.search(clue, words, re.IGNORECASE) is not None


def _faults(subject: Subject, criterion: Criterion, case: Case, only: str | None) -> Iterator[str]:
    manners = [*_manners(criterion, case)]
    yield from manners
    if manners:
        return
    prediction, target = case.pair()
    true = _truth(criterion, prediction, target)
    scale = _gradient_scale(true)
    with torch.autocast("cpu", torch.bfloat16, enabled=case.autocast):
        actual, repeat = (answer(criterion, prediction, target, scale) for _ in range(2))
    if actual.finite and (actual.value != repeat.value or not torch.equal(actual.gradient, repeat.gradient)):
        yield RESTLESS
    elif not actual.finite:
        # excused is only what is too large in float64 as well, or for the dtype in which the value comes
        is_too_large = abs(true.value) > torch.finfo(actual.dtype).max and isinf(actual.value)
        if case.tame or (true.finite and not is_too_large):
            yield NO_GRADIENT if isfinite(actual.value) else NO_VALUE
    elif case.tame:
        yield from _off(subject, actual, true, case, scale)
        if only is None or only in (BATCH_MIXED, COLOR_ORDER_MATTERS):
            yield from _moved(criterion, prediction.float().contiguous(), target.float().contiguous())


def _manners(criterion: Criterion, case: Case) -> Iterator[str]:
    """What is done to the images."""
    before, after = case.pair(), case.pair()
    after[0].requires_grad_(False)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=case.autocast):
        criterion(*after)
    # a NaN is equal to none, and there are none in the images
    if not all(map(torch.equal, before, after)):
        yield INPUT_CHANGED
    if after[1].requires_grad:
        yield TARGET_GRADIENT


def _truth(criterion: Criterion, prediction: Tensor, target: Tensor) -> Answer:
    """What it gives for these images, plainly stored, in float64 (in float32 if it takes no other)."""
    try:
        return answer(criterion, prediction.double().contiguous(), target.double().contiguous())
    except Exception:  # what it has against float64, it has not against float32
        return answer(criterion, prediction.float().contiguous(), target.float().contiguous())


def training_scale(criterion: Criterion, case: Case) -> float:
    """The factor by which the value of a case is multiplied for its gradient, as one trains in float16."""
    try:
        return _gradient_scale(_truth(criterion, *case.pair()))
    except Exception:  # whatever a loss may raise
        return 1.0


def _gradient_scale(true: Answer) -> float:
    largest = float(true.gradient.abs().max())
    return min(MAX_RATIO, 2.0 ** round(log2(LARGEST / largest))) if 1e-30 < largest < 1e30 else 1.0


def _off(subject: Subject, actual: Answer, true: Answer, case: Case, scale: float) -> Iterator[str]:
    # where no two places are alike, statistics are those of one picture
    is_comparable = not (subject.kind.name == "statistics" and case.flat)
    if case.equal and is_comparable and abs(actual.value) > subject.slack:
        yield NOT_ZERO
    smallest = torch.finfo(case.dtypes[0]).smallest_normal / scale
    is_apart = actual.value > CLEARLY_APART or (case.values in UNALIKE and case.dtypes == FLOAT32)
    if is_comparable and is_apart and not case.equal and not actual.gradient.any():
        # of others it is excused where the dtype has no number so small
        yield from [DEAD] if true.gradient.abs().max() > smallest or not true.gradient.any() else []
    tolerance = VALUE_TOLERANCE + max(VALUE_TOLERANCE, actual.rounding) * abs(true.value)
    if subject.bounds and not subject.bounds[0] - tolerance <= actual.value <= subject.bounds[1] + tolerance:
        yield OUT_OF_RANGE
    if abs(actual.value - true.value) > tolerance:
        yield WRONG_VALUE
    too_small = smallest * actual.gradient.numel() ** 0.5
    if (actual.gradient - true.gradient).norm() > GRADIENT_TOLERANCE * true.gradient.norm() + NOTHING + too_small:
        yield WRONG_GRADIENT


@torch.no_grad()
def _moved(criterion: Criterion, prediction: Tensor, target: Tensor) -> Iterator[str]:
    """Images one by one or in another order, and colors in another order, should change nothing."""

    def value(*pair: Tensor) -> float:
        return criterion(*pair).double().sum().item()

    together = value(prediction, target)
    values = [value(*pair) for pair in zip(prediction[:, None], target[:, None], strict=True)]
    tolerance = VALUE_TOLERANCE * (1 + abs(together))
    pair_values = sum(values) / len(values), value(prediction.flip(0), target.flip(0))
    if any(abs(other - together) > tolerance for other in pair_values):
        yield BATCH_MIXED
    if abs(value(prediction.flip(1), target.flip(1)) - together) > tolerance:
        yield COLOR_ORDER_MATTERS


def _clue(case: Case) -> str:
    """What a refusal has to speak of: something that is not usual about the images."""
    clues = ["at least|larger than|size: |image height|image width|multiple|divisible"]
    if {*case.dtypes} != {torch.float32} or case.autocast:
        clues.append("dtype|data type|same type|scalar type|input type|not implemented for|float64|float16")
    if not case.tame or case.values == "a little outside":
        clues.append("range|values|normalized")
    if case.shape[1] != 3:
        clues.append("channels")
    return "|".join(clues)


__all__ = [
    "FAULTS",
    "Answer",
    "Verdict",
    "answer",
    "examine",
    "in_words",
    "says_why",
    "training_scale",
]
