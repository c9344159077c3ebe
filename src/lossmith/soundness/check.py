"""A check: a question that is asked of a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from lossmith.soundness.certificate import Outcome
from lossmith.soundness.kinds import Kind, Promise

Criterion = Callable[[Tensor, Tensor], Tensor]
"""A loss: one number of a prediction and a target, (N, C, H, W) both."""


Group = Literal["pictures", "direction", "symmetry", "precision", "manners", "tools"]
"""What a check is about."""


@dataclass(frozen=True)
class Subject:
    """A loss, and which images it takes."""

    name: str
    make: Callable[[], Criterion]
    """Makes it anew, the same each time."""
    kind: Kind
    code: str
    """Python statements on one line that make it, as in "from lossmith import loss; criterion = loss('l1')"."""
    channels: tuple[int, ...] = (1, 2, 3, 4)
    min_side: int = 1
    odd: bool = False
    """Whether sides must be odd."""
    bounds: tuple[float, float] | None = None
    """The range that it declares, where it declares one."""
    slack: float = 1e-5
    """How far from 0 the value of equal images may be."""
    small: bool = False
    """Whether it is so slow, as a large network is, that checks keep to few pictures near the least side."""
    seed: int = 0
    cases: int = 100
    """How many pairs of images the checks on pictures draw."""


@dataclass(frozen=True)
class Check:
    """A question, by a name that is never used again for another."""

    name: str
    group: Group
    promise: Promise | None
    """What the kind must promise for a failure to count; None for what every loss must do."""
    question: str
    """What it asks, in one sentence, for the page."""
    run: Callable[[Subject], Outcome]
    """Never raises for what a loss does."""


__all__ = ["Check", "Criterion", "Group", "Subject"]
