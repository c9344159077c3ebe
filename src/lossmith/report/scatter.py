"""Scatter plots without a script: one score of every configuration against something known about it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.report.formatting import MISSING, number, significant

SMALL, LARGE, TALL = 264, 340, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 26, 42
"""A plot's widths, height and margins, in its own units, about a pixel each."""
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Point:
    """One configuration; `look` is the class of its color and `shape` its mark, as in `Method`."""

    x: float
    y: float
    title: str
    network: str
    look: str
    shape: str
    random: bool = False


@dataclass(frozen=True)
class Scale:
    """From values to places along one side of a plot."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """In the units of the plot."""
        low, high, at = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the scale, and how they are written."""
        if self.logarithmic and len(values := _round_ratios(self.low, self.high)) > 1:
            return [(self.place(value), brief_number(value)) for value in values]
        step = round_step(self.high - self.low, count=4)
        digits = max(0, -math.floor(math.log10(step)))
        values = [k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        texts = [brief_number(value) if step >= 1000 else number(value, digits) for value in values]
        return [(self.place(value), text) for value, text in zip(values, texts, strict=True)]


@dataclass(frozen=True)
class Scatter:
    """Points with their places and the scales of both sides."""

    x: Scale
    y: Scale
    marks: list[tuple[float, float, Point]]
    width: int

    @property
    def box(self) -> str:
        """As `viewBox` has it."""
        return f"0 0 {self.width} {TALL}"

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of where points lie."""
        return LEFT, TOP, self.width - RIGHT, TALL - BOTTOM


def scatter(
    points: Sequence[Point], higher_is_better: bool, logarithmic: bool = False, width: int = LARGE
) -> Scatter | None:
    """The plot, better upwards; None where fewer than two points have both numbers.

    A logarithmic plot leaves out what is not above 0.
    """
    kept = [p for p in points if math.isfinite(p.x) and math.isfinite(p.y) and (p.x > 0 or not logarithmic)]
    if len(kept) < 2:
        return None
    x = Scale(*_airy([p.x for p in kept], logarithmic), LEFT, width - RIGHT, logarithmic)
    bottom, top = (TALL - BOTTOM, TOP) if higher_is_better else (TOP, TALL - BOTTOM)
    y = Scale(*_airy([p.y for p in kept], False), bottom, top)
    return Scatter(x, y, [(x.place(p.x), y.place(p.y), p) for p in kept], width)


def brief_number(value: float) -> str:
    """A number for an axis or a table, with a prefix from 10 000 on.

    >>> [brief_number(v) for v in (0.25, -3.0, 1500.0, 61.1e6, 714e6, 37.75e9)]
    ['0.25', '−3', '1500', '61.1M', '714M', '37.8G']
    >>> brief_number(float("nan"))
    '–'
    """
    if not math.isfinite(value):
        return MISSING
    if abs(value) >= 1e4:
        factor, prefix = next((f, p) for f, p in PREFIXES if abs(value) >= f)
        value, suffix = value / factor, prefix
    else:
        suffix = ""
    text = significant(value)
    return (text.rstrip("0").rstrip(".") if "." in text else text) + suffix


def round_step(span: float, count: int = 5) -> float:
    """1, 2 or 5 times a power of ten, so that about `count` steps make the span.

    >>> round_step(1.0), round_step(0.03), round_step(7.5)
    (0.2, 0.005, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(span / count))
    factor = min((1, 2, 5, 10), key=lambda f: abs(math.log(f * power * count / span)))
    return float(f"{factor * power:.6g}")


def _round_ratios(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten, or the powers alone where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [f * 10.0**p for p in powers for f in (1, 2, 5) if low <= f * 10.0**p <= high]
    tens = [10.0**p for p in powers if low <= 10.0**p <= high]
    return tens if len(values) > 5 and len(tens) > 1 else values


def _airy(values: Sequence[float], logarithmic: bool) -> tuple[float, float]:
    """The range of the values, with some air; never empty."""
    low, high = min(values), max(values)
    if logarithmic:
        air = (high / low) ** 0.08 if high > low else 2.0
        return low / air, high * air
    margin = 0.08 * (high - low) or 0.05 * abs(low) or 1.0
    return low - margin, high + margin


__all__ = ["LARGE", "SMALL", "Point", "Scale", "Scatter", "brief_number", "round_step", "scatter"]
