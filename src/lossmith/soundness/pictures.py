"""The checks on fuzzed pairs of images: what is wrong with a loss, and the smallest pair that shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from lossmith.soundness import examine as faults
from lossmith.soundness.cases import Case, planned_cases
from lossmith.soundness.certificate import Example, Outcome
from lossmith.soundness.check import Check, Group, Subject
from lossmith.soundness.examine import Verdict, answer, examine, training_scale
from lossmith.soundness.examples import example
from lossmith.soundness.kinds import Promise
from lossmith.soundness.meaningless import default_case
from lossmith.soundness.shrink import shrink

VALUE = "print(criterion(x, y).item())"
GRADIENT = "print('norm', gradient(criterion, x, y).norm().item())"
IN_FLOAT64 = "x.double().contiguous(), y.double().contiguous()"
"""For `reference`, the loss without autocast."""


@dataclass(frozen=True)
class PictureCheck:
    """A question that is asked about each pair of images; a fault is one of `examine.FAULTS`."""

    name: str
    group: Group
    promise: Promise | None
    question: str
    fault: str
    holds: str
    statements: str
    """What shows the fault of images `x` and `y`."""
    concerns: Callable[[Subject, Case], bool] = lambda subject, case: True
    """Whether the question makes sense of a case."""


def _differs(subject: Subject, case: Case) -> bool:
    return case.tame and not case.equal and not _is_pointless(subject, case)


def _is_equal(subject: Subject, case: Case) -> bool:
    return case.equal and not _is_pointless(subject, case)


def _is_pointless(subject: Subject, case: Case) -> bool:
    return subject.kind.name == "statistics" and case.flat


PICTURE_CHECKS = (
    PictureCheck(
        "zero at identity",
        "pictures",
        "zero at identity",
        "Do equal pictures give 0?",
        faults.NOT_ZERO,
        "equal pictures give 0",
        VALUE,
        _is_equal,
    ),
    PictureCheck(
        "finite value",
        "pictures",
        None,
        "Is the value a finite number?",
        faults.NO_VALUE,
        "the value is finite, on flat, black, white, anti-correlated and extreme pictures too",
        VALUE,
    ),
    PictureCheck(
        "finite gradient",
        "pictures",
        None,
        "Is the gradient finite?",
        faults.NO_GRADIENT,
        "the gradient is finite, on flat, black, white, anti-correlated and extreme pictures too",
        GRADIENT,
    ),
    PictureCheck(
        "live gradient",
        "pictures",
        "slope",
        "Is there a gradient wherever the pictures differ?",
        faults.DEAD,
        "wherever the pictures differ, there is a gradient",
        "print('value', criterion(x, y).item(), 'largest gradient', gradient(criterion, x, y).abs().max().item())",
        _differs,
    ),
    PictureCheck(
        "declared range",
        "pictures",
        None,
        "Does the value keep to the range that the loss declares?",
        faults.OUT_OF_RANGE,
        "the value keeps to the declared range",
        VALUE,
        lambda subject, case: case.tame and subject.bounds is not None,
    ),
    PictureCheck(
        "batch mean",
        "symmetry",
        "batch mean",
        "Is the value of a batch the mean of its images' values, in any order?",
        faults.BATCH_MIXED,
        "the value of a batch is the mean of its images' values",
        "print('together', criterion(x, y).item(), 'one by one', "
        "[criterion(a[None], b[None]).item() for a, b in zip(x, y)])",
        lambda subject, case: case.tame and case.shape[0] > 1,
    ),
    PictureCheck(
        "order of channels",
        "symmetry",
        "colors alike",
        "Is the value the same when the channels of both pictures are in another order?",
        faults.COLOR_ORDER_MATTERS,
        "the order of the channels does not matter",
        "print(criterion(x, y).item(), 'reversed', criterion(x.flip(1), y.flip(1)).item())",
        lambda subject, case: case.tame and case.shape[1] > 1,
    ),
    PictureCheck(
        "precise value",
        "precision",
        None,
        "Is the value that of float64, in float16, bfloat16, under autocast, channels-last and other strides?",
        faults.WRONG_VALUE,
        "the value does not depend on dtype and layout",
        f"print(criterion(x, y).item(), 'in float64', reference({IN_FLOAT64}).item())",
        lambda subject, case: case.tame,
    ),
    PictureCheck(
        "precise gradient",
        "precision",
        None,
        "Is the gradient that of float64, in float16, bfloat16, under autocast, channels-last and other strides?",
        faults.WRONG_GRADIENT,
        "the gradient does not depend on dtype and layout",
        f"a, b = gradient(criterion, x, y), gradient(reference, {IN_FLOAT64}); "
        "print('norm', b.norm().item(), 'off by', (a - b).norm().item())",
        lambda subject, case: case.tame,
    ),
    PictureCheck(
        "repeatable",
        "manners",
        None,
        "Does a second call give the same bits?",
        faults.RESTLESS,
        "a second call gives the same bits",
        "print(*(criterion(x, y).item() for _ in range(2)), "
        "*(gradient(criterion, x, y).norm().item() for _ in range(2)))",
    ),
    PictureCheck(
        "inputs untouched",
        "manners",
        None,
        "Are prediction and target the same after the call?",
        faults.INPUT_CHANGED,
        "prediction and target are the same after the call",
        "a, b = x.clone(), y.clone(); criterion(x, y); "
        "print('changed by', (x - a).abs().max().item(), (y - b).abs().max().item())",
    ),
    PictureCheck(
        "no gradient to the target",
        "manners",
        None,
        "Is a target that requires no gradient left so?",
        faults.TARGET_GRADIENT,
        "a target that requires no gradient is left so",
        "criterion(x, y); print(y.requires_grad)",
    ),
    PictureCheck(
        "clear refusals",
        "manners",
        None,
        "Does an error say what it is about the pictures that the loss does not take?",
        faults.UNCLEAR,
        "what the loss does not take it refuses in words",
        GRADIENT,
    ),
)
"""In the order of the page."""


@dataclass(frozen=True)
class Survey:
    """The verdicts on all pairs of images."""

    verdicts: tuple[tuple[Case, Verdict], ...]

    @property
    def answered(self) -> list[tuple[Case, Verdict]]:
        return [(case, verdict) for case, verdict in self.verdicts if not verdict.refusal]

    @property
    def refused(self) -> int:
        """How many were refused in words that say why."""
        return sum(bool(verdict.refusal) and not verdict.faults for _, verdict in self.verdicts)


@lru_cache(maxsize=1)
def survey(subject: Subject) -> Survey:
    """The loss on all pairs of images; the checks of one subject share it."""
    criterion = subject.make()
    cases = planned_cases(
        subject.cases, subject.seed, subject.channels, subject.min_side, subject.odd, subject.small
    )
    return Survey(tuple((case, examine(subject, criterion, case)) for case in cases))


def run_picture_check(check: PictureCheck, subject: Subject) -> Outcome:
    """The outcome of a check, with the smallest inputs that show what is wrong."""
    taken = survey(subject)
    verdicts = taken.verdicts if check.fault == faults.UNCLEAR else taken.answered
    concerned = [(case, verdict) for case, verdict in verdicts if check.concerns(subject, case)]
    faulty = [case for case, verdict in concerned if check.fault in verdict.faults]
    outcome = partial(Outcome, check.name, check.group, inputs=len(concerned), faults=len(faulty))
    if check.fault == faults.OUT_OF_RANGE and subject.bounds is None:
        return outcome("not run", "the loss declares no range")
    if not concerned:
        return outcome("not run", _why_none(taken))
    if not faulty:
        return outcome("passed", check.holds + _refusals(taken, check))
    examples = tuple(_examples(check, subject, faulty))
    says = f"{check.fault}: {len(faulty)} of {len(concerned)} pairs of pictures"
    if check.fault == faults.NOT_ZERO and _is_similarity(subject):
        says = "equal pictures give 1, and others less: this is a similarity, whose loss is 1 - it"
    return outcome("failed", says, examples=examples)


def _is_similarity(subject: Subject) -> bool:
    """Whether a picture is worth 1 beside itself, and less beside another."""
    criterion, (x, y) = subject.make(), default_case(subject).pair()
    try:
        return abs(answer(criterion, y.clone(), y).value - 1) < 1e-3 and answer(criterion, x, y).value < 1 - 1e-3
    except Exception:  # whatever a loss may raise
        return False


def _why_none(taken: Survey) -> str:
    return "every pair of pictures was refused" if not taken.answered else "no pair of pictures is of the kind"


def _refusals(taken: Survey, check: PictureCheck) -> str:
    is_told = taken.refused and check.group in ("precision", "manners")
    return f"; {taken.refused} of {len(taken.verdicts)} pairs of pictures were refused" if is_told else ""


MAX_EXAMPLES = 3


def _examples(check: PictureCheck, subject: Subject, faulty: list[Case]) -> list[Example]:
    """One for each way of failing: in a dtype, or under autocast."""
    criterion = subject.make()

    def shows(case: Case) -> bool:
        is_concerned = check.concerns(subject, case)
        return is_concerned and check.fault in examine(subject, criterion, case, check.fault).faults

    smallest: dict[object, Case] = {}
    for case in sorted(faulty, key=lambda case: case.numbers):
        smallest.setdefault((case.dtypes[0], case.autocast), case)
    ways: dict[object, Case] = {}
    for case in [*smallest.values()][: 1 if subject.small else MAX_EXAMPLES]:
        simplest = shrink(case, shows, subject)
        ways.setdefault((simplest.dtypes, simplest.autocast, simplest.layouts), simplest)
    return [
        example(subject, case, check.statements, scale=training_scale(criterion, case)) for case in ways.values()
    ]


CHECKS = tuple(
    Check(check.name, check.group, check.promise, check.question, partial(run_picture_check, check))
    for check in PICTURE_CHECKS
)

__all__ = ["CHECKS", "PICTURE_CHECKS", "Survey", "survey"]
