"""How a race went: which loss ran how many seeds, why it stopped, and what each look at the results showed."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.advice.race import RaceRound
from lossmith.report.data import ReportData
from lossmith.report.formatting import duration
from lossmith.report.methods import Method


@dataclass(frozen=True)
class Lane:
    """One loss of the race."""

    method: Method
    seeds: int
    words: str
    """How it ended for this loss."""


@dataclass(frozen=True)
class GoalState:
    """What a look showed of one goal."""

    best: Method
    open: list[Method]
    """Those that might still be as good as the best; empty once the goal is decided."""


@dataclass(frozen=True)
class Look:
    """One look at the results."""

    ran: list[Method]
    """The losses that had run another seed."""
    runs: int
    """Of all losses until then."""
    time: str
    goals: dict[str, GoalState]


@dataclass(frozen=True)
class RaceView:
    """The race as the page shows it."""

    lanes: list[Lane]
    looks: list[Look]
    goals: list[str]
    least: int
    most: int
    """Seeds of a loss, at least and at most."""
    runs: int
    ending: str

    @property
    def fixed_runs(self) -> int:
        """Runs of a tournament in which all losses get the most seeds."""
        return self.most * len(self.lanes)

    @property
    def saved(self) -> int:
        """The share of these that was not needed, in percent."""
        return round(100 * (1 - self.runs / self.fixed_runs))


def race_view(contents: ReportData, methods: Sequence[Method]) -> RaceView | None:
    """None where nothing was raced."""
    if not contents.race:
        return None
    by_name = {method.name: method for method in methods}
    first, last = contents.race[0], contents.race[-1]
    names = [method.name for method in methods if method.name in last.seeds]
    least = max(first.seeds.values())
    most = max(least + last.advice.criteria.looks - 1, *last.seeds.values())
    lanes = [Lane(by_name[name], last.seeds[name], _ending(name, contents.race, most)) for name in names]
    looks = [
        Look(
            [by_name[name] for name in names if one.seeds[name] > (before.seeds.get(name, 0) if before else 0)],
            sum(one.seeds.values()),
            duration(one.seconds),
            {goal.metrics.goal: _state(goal, by_name) for goal in one.advice.goals},
        )
        for before, one in zip([None, *contents.race], contents.race, strict=False)
    ]
    goals = list(dict.fromkeys(goal for look in looks for goal in look.goals))
    return RaceView(lanes, looks, goals, least, most, sum(last.seeds.values()), last.ending)


def _state(goal: GoalAdvice, by_name: dict[str, Method]) -> GoalState:
    return GoalState(by_name[goal.best], [by_name[name] for name in goal.undecided if name in by_name])


def _ending(loss: str, rounds: Sequence[RaceRound], most: int) -> str:
    """Why a loss ran no further seed, by what was known when it had its last."""
    seeds = rounds[-1].seeds[loss]
    if seeds == most:
        return "ran all seeds"
    if seeds == max(rounds[-1].seeds.values()):
        return "ran until the end"
    complete = [one.advice for one in rounds if one.seeds.get(loss) == seeds]
    decided = (advice for advice in complete if not any(loss in goal.undecided for goal in advice.goals))
    return f"stopped: {standing_in_words(loss, next(decided, complete[-1]))}"


def standing_in_words(loss: str, advice: Advice) -> str:
    """How a loss stands in each goal, goals of one kind together.

    The words are of what is decided: a loss stops when no goal in which it might be the best is open.
    """
    kinds: dict[str, list[str]] = {}
    for goal in advice.goals:
        kinds.setdefault(_kind(loss, goal), []).append(goal.metrics.goal)
    return "; ".join(f"{kind} in {' and '.join(goals)}" for kind, goals in kinds.items())


def _kind(loss: str, goal: GoalAdvice) -> str:
    if loss == goal.best:
        return "best"
    return "as good as the best" if loss in goal.equivalent else "beaten" if loss in goal.avoid else "undecided"


__all__ = ["GoalState", "Lane", "Look", "RaceView", "race_view"]
