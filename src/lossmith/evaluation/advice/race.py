"""A race: which losses get another seed, so that seeds go where they decide something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossmith.core.errors import LossmithError
from lossmith.evaluation.advice.advice import Advice, GoalAdvice

FUTILE = 0.1
"""A pair that more seeds decide with less than this probability gets no more of them."""
LEAST_FOR_FUTILITY = 3
"""The seeds after which that can be judged."""


@dataclass(frozen=True)
class Race:
    """The least and the greatest number of seeds of a loss; equal where all get as many."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise LossmithError(
                f"a race goes from 1 seed or more to as many or more, not {self.least}:{self.most}"
            )

    @property
    def looks(self) -> int:
        """How many times the results are looked at, at most; see `Criteria`."""
        return self.most - self.least + 1


@dataclass(frozen=True)
class RaceRound:
    """What one look at the results showed."""

    seeds: Mapping[str, int]
    """How many seeds of each loss were finished."""
    advice: Advice
    seconds: float
    """Of training, by all runs until then."""
    ending: str = ""
    """Why the race ended here, in one sentence; empty where it went on."""


def next_seeds(
    race: Race,
    losses: Sequence[str],
    seeds: Mapping[str, int],
    advice: Advice | None,
    seen: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The seed that each loss runs next: {} when the race is over.

    Until every loss has the least number of seeds, those that have the fewest run. Then, goal by goal, the best
    loss and those of which it is undecided whether they are as good, unless it is unlikely that any number of
    seeds up to the greatest decides that: then more of them are futile, and only other test images would tell. A
    loss that was dropped runs the seeds it missed when it is needed again. All is a function of results, so that a
    race that was stopped, or that runs on a cluster, goes the same way.

    Parameters
    ----------
    race
        The least and the greatest number of seeds.
    losses
        Those that did not fail.
    seeds
        How many seeds of each are finished, or are to be in this round: seeds 0, 1, ...
    advice
        What the results say; None before all losses have the least number.
    seen
        How many seeds of each `advice` rests on, where these are fewer than `seeds`.
    """
    seen = seeds if seen is None else seen
    fewest = min((seeds.get(loss, 0) for loss in losses), default=race.least)
    if fewest < race.least:
        return {loss: fewest for loss in losses if seeds.get(loss, 0) == fewest}
    if advice is None:
        return {}
    needed = {
        loss
        for goal in advice.goals
        for other in goal.undecided
        if {goal.best, other} <= set(losses) and not _is_futile(race, goal, other, seen)
        for loss in (goal.best, other)
    }
    behind = min((seeds[loss] for loss in needed), default=race.most)
    if behind >= race.most:
        return {}
    return {loss: behind for loss in losses if loss in needed and seeds[loss] == behind}


def _is_futile(race: Race, goal: GoalAdvice, other: str, seeds: Mapping[str, int]) -> bool:
    """Whether no number of seeds is likely to decide between the best loss and another."""
    common = min(seeds[goal.best], seeds[other])
    plan = goal.plans.get(other)
    if plan is None or common < LEAST_FOR_FUTILITY or not plan.chances:
        return False
    return max(plan.chances[: race.most - common], default=0.0) < FUTILE


__all__ = ["Race", "next_seeds"]
