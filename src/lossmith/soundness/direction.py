"""The checks of direction: a better picture costs less, and the gradient leads there."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import torch
from torch import Tensor

from lossmith.soundness.asking import (
    Finding,
    Input,
    NotRun,
    example,
    make_check,
    picture_input,
    smallest,
)
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.damage import DAMAGES
from lossmith.soundness.examine import answer

SHIFT_TOLERANCE = 0.1
"""Of the largest value: by so much it may fall with a larger shift, as where networks take every second pixel."""
PACKAGES_OF_JPEG = {"numpy": "NumPy", "PIL": "Pillow"}
STEPS = (0.1, 0.01, 0.001)
"""Lengths of a step against the gradient, relative to the distance of the images: one of them has to help."""


def _cost_rises(damage: str, subject: Subject) -> Finding:
    """Whether more of a damage costs more, from none on."""
    for package, name in PACKAGES_OF_JPEG.items() if damage == "jpeg" else ():
        if find_spec(package) is None:
            raise NotRun(f"{name} is not installed")
    criterion, amounts = subject.make(), DAMAGES[damage].amounts
    may_fall = SHIFT_TOLERANCE if damage == "shift" else 0.0
    shown = replace(picture_input(subject), damage=damage, amount=amounts[0])

    def values(shown: Input) -> list[float]:
        return _values(criterion, shown, amounts)

    def falls(shown: Input) -> int:
        found = values(shown)
        slack = may_fall * max(map(abs, found))
        return sum(not later > earlier - slack for earlier, later in pairwise(found))

    faults = falls(shown)
    if not faults:
        return Finding(
            f"{DAMAGES[damage].says} costs more, from none to {_amount(damage, amounts[-1])}", len(amounts)
        )
    simplest = smallest(subject, shown, lambda smaller: falls(smaller) > 0)
    statements = f"print([criterion(y, y).item()] + [criterion(*{simplest.call('a')}).item() for a in {amounts}])"
    costs = "costs less" if faults == len(amounts) else "does not always cost more"
    return Finding(
        f"{DAMAGES[damage].says} {costs}: from none to {_amount(damage, amounts[-1])} it costs "
        + ", ".join(f"{value:.4g}" for value in values(shown)),
        len(amounts),
        faults,
        (example(subject, simplest, statements),),
    )


@torch.no_grad()
def _values(criterion: Criterion, shown: Input, amounts: tuple[float, ...]) -> list[float]:
    """The value of the picture itself, and of copies with rising damage."""
    _, target = shown.pair()
    pairs = [(target.clone(), target), *(replace(shown, amount=amount).pair() for amount in amounts)]
    return [criterion(*pair).double().sum().item() for pair in pairs]


def _amount(damage: str, amount: float) -> str:
    unit = DAMAGES[damage].unit
    return f"quality {amount:g}" if unit == "quality" else f"{amount:g} {unit}"


def _descends(subject: Subject) -> Finding:
    """Whether a step against the gradient lowers the value."""
    criterion = subject.make()

    def change(shown: Input) -> float:
        """The least change of the value after a step.

        Pixels stay in [0, 1], since some losses take no others; a step that is cut off still descends.
        """
        x, y = shown.pair()
        start = answer(criterion, x, y)
        length = float(start.gradient.norm())
        if length == 0:
            return 0.0
        direction = start.gradient / length
        steps = [ratio * float((x - y).norm()) for ratio in STEPS]
        values = [_value(criterion, (x - step * direction).clamp(0, 1).to(x), y) for step in steps]
        return min(value - start.value for value in values)

    shown = picture_input(subject)
    if change(shown) < 0:
        return Finding("a small step against the gradient lowers the value")
    simplest = smallest(subject, shown, lambda smaller: not change(smaller) < 0)
    statements = (
        "g = gradient(criterion, x, y); g = g / g.norm() * (x - y).norm(); "
        "print(criterion(x, y).item(), "
        f"[criterion((x - step * g).clamp(0, 1).float(), y).item() for step in {STEPS}])"
    )
    return Finding(
        "no step against the gradient lowers the value: the gradient is not that of the value",
        faults=1,
        examples=(example(subject, simplest, f"from lossmith.testing import gradient; {statements}"),),
    )


@torch.no_grad()
def _value(criterion: Criterion, x: Tensor, y: Tensor) -> float:
    return criterion(x, y).double().sum().item()


LEADING = ("noise", "blur", "color cast")
"""Damages that a step toward the picture lessens; half of a shift is no smaller shift, but a ghost."""


def _leads_to_the_target(subject: Subject) -> Finding:
    """Whether the value falls, by its gradient, from a damaged picture toward the picture."""
    criterion = subject.make()

    def slope(shown: Input) -> float:
        x, y = shown.pair()
        return float((answer(criterion, x, y).gradient * (y - x)).sum())

    inputs = [replace(picture_input(subject), damage=name, amount=DAMAGES[name].amounts[1]) for name in LEADING]
    wrong = [shown for shown in inputs if not slope(shown) < 0]
    if not wrong:
        return Finding("from a damaged picture the way to the picture goes down", len(inputs))
    simplest = smallest(subject, wrong[0], lambda smaller: not slope(smaller) < 0)
    statements = (
        "from lossmith.testing import gradient; print((gradient(criterion, x, y) * (y - x)).sum().item(), '>= 0')"
    )
    return Finding(
        f"from {' and from '.join(shown.damage for shown in wrong)} the way to the picture does not go down",
        len(inputs),
        len(wrong),
        (example(subject, simplest, statements),),
    )


VALUE = "print(criterion(x, y).item())"


def _title(damage: str) -> str:
    return "JPEG" if damage == "jpeg" else damage


_ask: dict[str, Callable[[Subject], Finding]] = {name: partial(_cost_rises, name) for name in DAMAGES}

CHECKS = (
    *(
        make_check(
            _title(name),
            "direction",
            "direction",
            f"Does {DAMAGES[name].says} cost more?",
            ask,
            VALUE,
        )
        for name, ask in _ask.items()
    ),
    make_check(
        "descent",
        "direction",
        None,
        "Does a small step against the gradient lower the value?",
        _descends,
        "from lossmith.testing import gradient; print(gradient(criterion, x, y).norm())",
    ),
    make_check(
        "way to the target",
        "direction",
        "direction",
        "Does the value fall on the way from a damaged picture to the picture?",
        _leads_to_the_target,
        "from lossmith.testing import gradient; print((gradient(criterion, x, y) * (y - x)).sum().item())",
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS"]
