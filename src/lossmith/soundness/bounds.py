"""The range that a loss declares, as numbers."""

import re
from math import inf

from lossmith.losses.base import Loss, SumLoss, WeightedLoss
from lossmith.losses.schedule import Schedule

Bounds = tuple[float, float]


def declared_bounds(loss: object) -> Bounds | None:
    """The least and the largest value, or None for a loss that does not say.

    Losses of ours say it in words (`Loss.bounds`), sums by their terms; an object of another class may have an
    attribute `bounds` of two numbers.

    >>> from lossmith import loss
    >>> declared_bounds(loss("0.5*ssim + l1")), declared_bounds(loss("-1*ssim")), declared_bounds(print)
    ((0.0, inf), (-2.0, -0.0), None)
    """
    match loss:
        case WeightedLoss():
            return _scaled(declared_bounds(loss.loss), loss.weight)
        case SumLoss():
            every = [declared_bounds(term) for term in loss.losses]
            ends = [bounds for bounds in every if bounds]
            return (
                (sum(low for low, _ in ends), sum(high for _, high in ends)) if len(ends) == len(every) else None
            )
        case Schedule():
            return declared_bounds(loss.current)
        case Loss():
            return bounds_in_words(loss.bounds)
    stated = getattr(loss, "bounds", None)
    if isinstance(stated, str):
        return bounds_in_words(stated)
    if isinstance(stated, tuple | list) and len(stated) == 2:
        try:
            return float(stated[0]), float(stated[1])
        except (TypeError, ValueError):
            return None
    return None


def _scaled(bounds: Bounds | None, weight: float) -> Bounds | None:
    if bounds is None or weight == 0:
        return (0.0, 0.0) if weight == 0 else None
    low, high = sorted(weight * end for end in bounds)
    return low, high


def bounds_in_words(words: str) -> Bounds | None:
    """The numbers in "0 to 2" or "0 and up", with whatever follows; None for other words.

    >>> [bounds_in_words(words) for words in ("0 to 2 (above 1 where ...)", "0 and up; ...", "any number")]
    [(0.0, 2.0), (0.0, inf), None]
    """
    number = r"(-?\d+(?:\.\d+)?)"
    if ends := re.match(rf"{number} to {number}", words):
        return float(ends[1]), float(ends[2])
    if end := re.match(rf"{number} and up", words):
        return float(end[1]), inf
    return None


__all__ = ["declared_bounds"]
