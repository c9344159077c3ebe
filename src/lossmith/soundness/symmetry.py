"""The checks of symmetry: pictures that are turned or shifted together cost the same."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from lossmith.soundness.asking import Finding, Input, example, make_check, picture_input, smallest, tolerance
from lossmith.soundness.check import Subject

TURNS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "left to right": ("flip(-1)", lambda x: x.flip(-1)),
    "upside down": ("flip(-2)", lambda x: x.flip(-2)),
    "half turn": ("rot90(2, (-2, -1))", lambda x: x.rot90(2, (-2, -1))),
    "quarter turn": ("rot90(1, (-2, -1))", lambda x: x.rot90(1, (-2, -1))),
}
"""By name, as Python and as a function."""


def ramp(height: int, width: int) -> Tensor:
    """The share of the damage, (height, width), from 0 to 1 at the lower right: no turn leaves it alike."""
    rows, columns = (torch.linspace(0, 1, side, dtype=torch.float32) for side in (height, width))
    return rows.square()[:, None] * columns


@torch.no_grad()
def _is_the_same_when_turned(turn: str, subject: Subject) -> Finding:
    criterion = subject.make()
    code, move = TURNS[turn]

    def values(shown: Input) -> tuple[float, float]:
        x, y = shown.pair()
        x = y.lerp(x, ramp(*shown.shape[2:]))
        return criterion(x, y).double().sum().item(), criterion(move(x), move(y)).double().sum().item()

    def shows(shown: Input) -> bool:
        before, after = values(shown)
        return not abs(after - before) <= tolerance(before)

    shown = picture_input(subject)
    if not shows(shown):
        return Finding("the value stays")
    before, after = values(shown)
    simplest = smallest(subject, shown, shows)
    statements = (
        f"from lossmith.soundness.symmetry import ramp; x = y.lerp(x, ramp{simplest.shape[2:]}); "
        f"print(criterion(x, y).item(), criterion(x.{code}, y.{code}).item())"
    )
    return Finding(
        f"the value goes from {before:.6g} to {after:.6g}",
        faults=1,
        examples=(example(subject, simplest, statements),),
    )


SHIFTS = ((0, 1), (3, 0), (-4, 4), (8, 8))
"""Rows and columns."""
FRAME = 8
"""The largest shift."""
SHIFT_TOLERANCE = 0.15
"""Of the value: losses that halve their pictures have grids, and those with windows have borders."""


@torch.no_grad()
def _is_the_same_when_shifted(subject: Subject) -> Finding:
    """Whether it matters where in the picture a damaged square is."""
    criterion = subject.make()

    def cuts(shown: Input) -> dict[tuple[int, int], float]:
        """The value by shift."""
        x, y = shown.pair()
        start, end = _square(shown)
        spot = y.clone()
        spot[..., start:end, start:end] = x[..., start:end, start:end]
        side = shown.shape[-1] - 2 * FRAME
        windows = {
            (rows, columns): (
                ...,
                slice(FRAME - rows, FRAME - rows + side),
                slice(FRAME - columns, FRAME - columns + side),
            )
            for rows, columns in ((0, 0), *SHIFTS)
        }
        return {
            shift: criterion(spot[window].contiguous(), y[window].contiguous()).double().sum().item()
            for shift, window in windows.items()
        }

    def worst(shown: Input) -> tuple[tuple[int, int], float, float]:
        values = cuts(shown)
        still = values.pop((0, 0))
        shift = max(values, key=lambda shift: abs(values[shift] - still))
        return shift, still, values[shift]

    def shows(shown: Input) -> bool:
        _, still, moved = worst(shown)
        return not abs(moved - still) <= tolerance(still, SHIFT_TOLERANCE)

    inner = picture_input(subject)
    count, channels, height, width = inner.shape
    framed = replace(inner, shape=(count, channels, height + 2 * FRAME, width + 2 * FRAME))
    if not shows(framed):
        return Finding(f"the value stays within {SHIFT_TOLERANCE:.0%}", len(SHIFTS))
    simplest = replace(framed, shape=(1, *framed.shape[1:]))  # a smaller square is lost in the borders
    simplest = simplest if shows(simplest) else framed
    (rows, columns), still, moved = worst(simplest)
    start, end = _square(simplest)
    here, there = (
        f"[..., {FRAME - r}:{simplest.shape[-1] - FRAME - r}, {FRAME - c}:{simplest.shape[-1] - FRAME - c}]"
        for r, c in ((0, 0), (rows, columns))
    )
    statements = (
        f"z = y.clone(); z[..., {start}:{end}, {start}:{end}] = x[..., {start}:{end}, {start}:{end}]; "
        f"print(criterion(z{here}, y{here}).item(), criterion(z{there}, y{there}).item())"
    )
    return Finding(
        f"where both pictures move by {rows} rows and {columns} columns, a damaged square costs {moved:.6g} "
        f"instead of {still:.6g}",
        len(SHIFTS),
        1,
        (example(subject, simplest, statements),),
    )


def _square(shown: Input) -> tuple[int, int]:
    """Where the middle half of the side begins and ends."""
    side = shown.shape[-1] - 2 * FRAME
    return FRAME + side // 4, FRAME + 3 * side // 4


CHECKS = (
    *(
        make_check(
            turn,
            "symmetry",
            "orientations alike",
            f"Do pictures that are {how} cost the same?",
            partial(_is_the_same_when_turned, turn),
            f"print(criterion(x.{TURNS[turn][0]}, y.{TURNS[turn][0]}))",
        )
        for turn, how in {
            "left to right": "both flipped from left to right",
            "upside down": "both flipped upside down",
            "half turn": "both turned by 180°",
            "quarter turn": "both turned by 90°",
        }.items()
    ),
    make_check(
        "translation",
        "symmetry",
        "orientations alike",
        "Does it not matter where in the pictures a difference is?",
        _is_the_same_when_shifted,
        "print(criterion(x[..., 1:, 1:], y[..., 1:, 1:]))",
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS", "ramp"]
