"""What would be found out only after hours of training is found out before."""

from collections.abc import Sequence

from lossmith.devices import best_device
from lossmith.errors import LossmithError, remark
from lossmith.evaluation import Protocol, check_border, restore_pictures, scored
from lossmith.evaluation.restoring import Whole
from lossmith.images import Pair
from lossmith.networks import network
from lossmith.room import amount, free_memory

SCORING = 480
"""Bytes for each pixel of a picture while it is scored by all metrics; measured at 6 megapixels."""
STAND_IN = 64
"""Pixels of the sides of the small pictures that stand for large ones: so many to twice as many, as much over a
multiple of it as theirs."""


def rehearse_test(expression: str, tests: Sequence[Pair], protocol: Protocol) -> None:
    """Restore a picture of every size that is tested, by a network that has not been trained; score the smallest.

    Large pictures are stood for by small parts of them. That the largest fits into memory is estimated.

    Raises LossmithError when the network takes no picture of such a size, there is nothing to score, or too little
    memory to score it.
    """
    check_border(tests, protocol)
    _check_memory(tests)
    smallest = min(tests, key=lambda pair: min(pair.clean.shape[1:]))
    fresh = network(expression, smallest.scale).eval().to(best_device())
    for restored in restore_pictures(fresh, [smallest]):
        scored(smallest.name, "untrained", restored, smallest.clean, protocol)
    whole = Whole(fresh, smallest.scale)
    stood_for: dict[tuple[int, int], Pair] = {}
    for pair in tests:
        whole.rows_at_once(*pair.degraded.shape[1:])
        part = _part(pair)
        stood_for.setdefault((part.degraded.shape[1], part.degraded.shape[2]), part)
    for _ in restore_pictures(fresh, list(stood_for.values())):
        pass
    if grown := [part.name for part in stood_for.values() if whole.refuses(part.degraded[None])]:
        others = f" and {len(grown) - 1} more" if len(grown) > 1 else ""
        remark(
            f"network '{expression}' takes sides that are multiples of {whole.sizes.multiple}, from "
            f"{whole.sizes.least} on; test pictures of other sizes are mirrored at their edges, and what is made "
            f"beyond them is cut off: '{grown[0]}'{others}"
        )


def _check_memory(tests: Sequence[Pair]) -> None:
    free = free_memory()
    need, name = max((SCORING * pair.clean[0].numel(), pair.name) for pair in tests)
    if free is not None and need > free:
        raise LossmithError(
            f"to score test picture '{name}' takes about {amount(need)} of memory, and {amount(free)} are free; "
            "name smaller ones with --test"
        )


def _part(pair: Pair) -> Pair:
    height, width = (_short(side) for side in pair.degraded.shape[1:])
    clean = pair.clean[:, : height * pair.scale, : width * pair.scale]
    return Pair(pair.name, pair.degraded[:, :height, :width], clean, pair.scale)


def _short(side: int) -> int:
    """A small side that is as much over a multiple of whatever a network may ask for.

    >>> _short(100), _short(1003) % 64 == 1003 % 64
    (100, True)
    """
    return side if side < 2 * STAND_IN else STAND_IN + side % STAND_IN
