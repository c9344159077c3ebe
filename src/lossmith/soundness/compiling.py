"""The check of torch.compile."""

from typing import cast

import torch

from lossmith.soundness.asking import (
    Finding,
    NotRun,
    example,
    little_input,
    make_check,
    steady_value,
    tolerance,
)
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.examine import GRADIENT_TOLERANCE, answer

BACKEND = "aot_eager"
"""Traces value and gradient as the usual backend does, and needs no compiler of C++."""
COMPILED = f"import torch; print(torch.compile(criterion, backend={BACKEND!r})(x, y).item())"


def _can_be_compiled(subject: Subject) -> Finding:
    """Whether value and gradient are the same when compiled."""
    criterion, shown = subject.make(), little_input(subject)
    x, y = shown.pair()
    try:
        torch.compiler.reset()
        compiled = cast(Criterion, torch.compile(subject.make(), backend=BACKEND))
    except RuntimeError as error:  # where this Python or this system cannot
        raise NotRun(f"torch.compile is not there: {error}") from None
    expected_value = steady_value(criterion, x, y)
    expected = answer(criterion, x, y)
    try:
        actual = answer(compiled, x, y)
    finally:
        torch.compiler.reset()
    if not abs(actual.value - expected_value) <= tolerance(expected_value):
        return Finding(
            f"compiled it gives {actual.value:.6g} instead of {expected_value:.6g}",
            faults=1,
            examples=(example(subject, shown, f"print(criterion(x, y).item()); {COMPILED}"),),
        )
    distance = float((actual.gradient - expected.gradient).norm() / expected.gradient.norm().clamp(min=1e-30))
    if not distance <= GRADIENT_TOLERANCE:
        statements = (
            "import torch; from lossmith.testing import gradient; "
            f"compiled = torch.compile(criterion, backend={BACKEND!r}); "
            "print((gradient(compiled, x, y) - gradient(criterion, x, y)).norm().item())"
        )
        return Finding(
            f"compiled, its gradient is off by {distance:.2g} of its norm",
            faults=1,
            examples=(example(subject, shown, statements),),
        )
    return Finding("value and gradient are the same when compiled")


CHECKS = (
    make_check(
        "torch.compile",
        "tools",
        None,
        "Are value and gradient the same under torch.compile?",
        _can_be_compiled,
        COMPILED,
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS"]
