"""Which trials of a search no other beats, and the members of its front in the order in which they are shown."""

import math
from collections.abc import Iterable, Sequence

from lossmith.metrics.registry import Metric
from lossmith.report.tuning_data import FrontMember, TuningContents, TuningTrial


def undominated(trials: Sequence[TuningTrial], goals: Sequence[Metric]) -> list[TuningTrial]:
    """The complete trials that no other equals in all goals and beats in one, best in the first goal first."""
    complete = [trial for trial in measured(trials, goals) if trial.state == "complete"]
    gains = {trial.number: [signed(trial.scores[goal.name], goal) for goal in goals] for trial in complete}
    front = [trial for trial in complete if not _is_beaten(gains[trial.number], gains.values())]
    return sorted(front, key=lambda trial: (-gains[trial.number][0], trial.number))


def along_front(contents: TuningContents) -> list[FrontMember]:
    """The members from the best in the first axis to the worst; those without a score last."""
    axis = contents.axes[0]

    def place(member: FrontMember) -> tuple[bool, float]:
        value = signed(member.validation[axis.name].value, axis) if axis.name in member.validation else math.nan
        return (True, 0.0) if math.isnan(value) else (False, -value)

    return sorted(contents.members, key=place)


def leading(members: Sequence[FrontMember], goals: Sequence[Metric]) -> list[FrontMember]:
    """The members on the front whose means no other of them equals in all goals and beats in one.

    A member that is beaten by the means stays on the front where that may be chance, but is not what to take.
    """
    front = [member for member in scored_members(members, goals) if member.on_front]
    gains = {m.name: [signed(m.validation[goal.name].value, goal) for goal in goals] for m in front}
    return [member for member in front if not _is_beaten(gains[member.name], gains.values())]


def measured(trials: Sequence[TuningTrial], goals: Sequence[Metric]) -> list[TuningTrial]:
    """The trials that have a finite score in all of these goals."""
    return [t for t in trials if all(math.isfinite(t.scores.get(goal.name, math.nan)) for goal in goals)]


def scored_members(members: Sequence[FrontMember], goals: Sequence[Metric]) -> list[FrontMember]:
    """The members that have a finite mean in all of these goals."""
    return [
        member
        for member in members
        if all(
            goal.name in member.validation and math.isfinite(member.validation[goal.name].value) for goal in goals
        )
    ]


def signed(value: float, goal: Metric) -> float:
    """A score of which larger is better."""
    return value if goal.higher_is_better else -value


def _is_beaten(own: Sequence[float], others: Iterable[Sequence[float]]) -> bool:
    return any(o != own and all(a >= b for a, b in zip(o, own, strict=True)) for o in others)


__all__ = ["along_front", "leading", "measured", "scored_members", "signed", "undominated"]
