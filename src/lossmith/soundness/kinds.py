"""The kinds of losses: what each promises. A loss is blamed only for what its author promises of it."""

from dataclasses import dataclass, replace
from typing import Literal

Promise = Literal["zero at identity", "slope", "direction", "colors alike", "orientations alike", "batch mean"]
"""What a check may hold against a loss.

zero at identity: equal images give 0. slope: where images differ, the gradient is not 0. direction: a picture
nearer to the target costs less. colors alike: the order of the channels does not matter. orientations alike:
images flipped or shifted together give the same value. batch mean: the value of a batch is the mean of its
images' values.
"""


@dataclass(frozen=True)
class Kind:
    """What losses of a kind promise, beside finite values and gradients, which all of them do."""

    name: str
    says: str
    promises: frozenset[Promise]


_CHAIN: tuple[Kind, ...] = (
    Kind("adversarial", "what a discriminator thinks of the pictures", frozenset()),
    Kind("prior", "looks at the prediction alone", frozenset({"batch mean"})),
    Kind(
        "statistics",
        "compares what is in the pictures, wherever it is; others than the target may give 0",
        frozenset({"zero at identity"}),
    ),
    Kind(
        "perceptual",
        "a distance that may weigh colors, directions and places differently",
        frozenset({"slope", "direction"}),
    ),
    Kind(
        "distance",
        "a distance in which channels and orientations are alike",
        frozenset({"colors alike", "orientations alike"}),
    ),
)
"""Each promises what those before it do, and in addition what is named here."""


def _kinds() -> dict[str, Kind]:
    kinds: list[Kind] = []
    for kind in _CHAIN:
        promises = kinds[-1].promises if kinds else frozenset[Promise]()
        kinds.append(replace(kind, promises=promises | kind.promises))
    return {kind.name: kind for kind in reversed(kinds)}


KINDS = _kinds()
"""By name, the one that promises most first: a sum of losses is of the last kind among those of its terms."""

__all__ = ["KINDS", "Kind", "Promise"]
