"""The names of the kinds of losses, which `lossmith.soundness.KINDS` describes."""

from collections.abc import Iterable

KIND_NAMES = ("distance", "perceptual", "statistics", "prior", "adversarial")
"""That which promises most first."""


def weakest_kind(kinds: Iterable[str]) -> str:
    """The kind of a sum of losses: that which promises least, or one that is not known.

    >>> weakest_kind(["distance", "statistics", "perceptual"])
    'statistics'
    """
    return max(kinds, key=lambda kind: (*KIND_NAMES, kind).index(kind))


__all__ = ["KIND_NAMES", "weakest_kind"]
