"""Numbers and lists in sentences."""

import math
from collections.abc import Sequence

from lossmith.metrics.registry import Metric
from lossmith.studies.analysis.results import Estimate


def score_text(metric: Metric, value: float) -> str:
    """A score with its metric.

    >>> score_text(Metric("psnr", "PSNR", True, 2, "dB"), 26.123)
    'PSNR 26.12 dB'
    """
    return f"{metric.label} {amount(metric, value)}"


def amount(metric: Metric, value: float) -> str:
    """A number in the metric's unit, with more digits where it would look like 0.

    >>> amount(Metric("psnr", "PSNR", True, 2, "dB"), 0.0012)
    '0.001 dB'
    """
    return f"{value:.{_digits(metric, value)}f} {metric.unit}".strip()


def lead(metric: Metric, gain: Estimate) -> str:
    """How far one is from another, without its sign, and the interval if there is one.

    >>> lead(Metric("psnr", "PSNR", True, 2, "dB"), Estimate(-0.8, -1.0, -0.6))
    '0.80 dB [0.60, 1.00]'
    """
    digits = _digits(metric, gain.value)
    low, high = (gain.low, gain.high) if gain.value >= 0 else (-gain.high, -gain.low)
    ends = f" [{low:.{digits}f}, {high:.{digits}f}]" if gain.has_interval else ""
    return f"{amount(metric, abs(gain.value))}{ends}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "network"), counted(3, "network"), counted(0, "network")
    ('1 network', '3 networks', 'no networks')
    """
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], word: str = "and", most: int = 3) -> str:
    """Names in a row, the first few of many.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"])
    ('a, b and c', 'a, b and 3 others')
    """
    shown = list(names) if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} others"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {word} {shown[-1]}"


def _digits(metric: Metric, value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return metric.digits
    return min(max(metric.digits, math.ceil(-math.log10(abs(value)))), metric.digits + 3)


__all__ = ["amount", "counted", "lead", "listed", "score_text"]
