"""Choosing some of many images."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly_spread(items: Sequence[T], count: int) -> list[T]:
    """So many of the items, or all where there are fewer, at equal distances and in their order.

    >>> evenly_spread("abcdefghij", 3), evenly_spread("ab", 3)
    (['b', 'f', 'i'], ['a', 'b'])
    """
    total = len(items)
    if total <= count:
        return list(items)
    return [items[(2 * place + 1) * total // (2 * count)] for place in range(count)]
