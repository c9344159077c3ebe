"""Numbers as they are read: fixed digits, a real minus sign, a dash where nothing was measured."""

import math
import re

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
INFINITE = "\N{INFINITY}"


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A value with so many decimals.

    >>> number(-0.256, 2), number(0.256, 2, signed=True), number(-0.001, 2), number(float("nan"), 2)
    ('−0.26', '+0.26', '0.00', '–')
    """
    if math.isnan(value):
        return MISSING
    text = INFINITE if math.isinf(value) else f"{abs(value):.{digits}f}"
    if text.strip("0.") == "":
        return text
    return f"{MINUS}{text}" if value < 0 else f"+{text}" if signed else text


def interval(low: float, high: float, digits: int) -> str:
    """Both ends of an interval; empty when it was not measured.

    >>> interval(28.1, 30.25, 1), interval(-0.1, 0.2, 1), interval(float("nan"), 1.0, 1)
    ('28.1–30.2', '−0.1 to 0.2', '')
    """
    if math.isnan(low) or math.isnan(high):
        return ""
    joint = " to " if low < 0 else "\N{EN DASH}"
    return f"{number(low, digits)}{joint}{number(high, digits)}"


def significant(value: float, figures: int = 3) -> str:
    """A value with so many significant figures, without an exponent.

    >>> significant(1234.5), significant(12.345), significant(0.012345), significant(0.0)
    ('1234', '12.3', '0.0123', '0')
    """
    if not math.isfinite(value) or value == 0:
        return number(value, 0)
    return number(value, max(0, figures - 1 - math.floor(math.log10(abs(value)))))


def typeset(text: str) -> str:
    """A sentence with real minus signs.

    >>> typeset("rho = -0.12 [-0.67, 0.49] of a x4-well")
    'rho = −0.12 [−0.67, 0.49] of a x4-well'
    """
    return re.sub(r"(?<![\w.:])-(?=\d)", MINUS, text)


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> duration(42.0), duration(250.0), duration(9000.0), duration(float("nan"))
    ('42 s', '4.2 min', '2.5 h', '–')
    """
    if not math.isfinite(seconds):
        return MISSING
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (math.inf, 3600, "h")):
        if seconds < limit:
            value = seconds / divisor
            return f"{value:.0f} {unit}" if unit == "s" and value >= 10 else f"{value:.1f} {unit}"
    raise AssertionError("unreachable")


def percent(share: float) -> str:
    """A share in percent, with a decimal where it is nearly nothing or nearly all.

    >>> percent(0.832), percent(0.0042), percent(0.0), percent(0.00001), percent(0.99999), percent(1.0)
    ('83 %', '0.4 %', '0 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    percents = 100 * share
    if 0 < percents < 0.05:
        return "< 0.1 %"
    if 99.95 < percents < 100:
        return "> 99.9 %"
    return f"{number(percents, 1 if 0 < percents < 0.95 or 99.05 < percents < 100 else 0)} %"


def finite(value: float) -> float | None:
    """What JSON can hold: None for anything that is not a finite number, six figures otherwise."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
