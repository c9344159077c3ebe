"""The sides of a chart of a search: a goal, what was searched, or the number of the trial."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lossmith.metrics.registry import Metric
from lossmith.report.scatter import Scale
from lossmith.report.tuning_data import FrontMember, SearchRange, TuningContents, TuningTrial
from lossmith.report.tuning_front import measured, scored_members, undominated

FAR = 4.0
"""Trials further from the front than so many times its extent are drawn at the edge of a chart."""

Ends = tuple[float, float]
Tick = tuple[float, str]

CHARACTER = 7.0
"""The width of one in a label, in the units of the chart."""


def _everything(trial: TuningTrial) -> bool:
    return True


def _no_interval(member: FrontMember) -> None:
    return None


@dataclass(frozen=True)
class Side:
    """Where trials and members lie along one side, in the units of the chart."""

    title: str
    ticks: Sequence[Tick]
    trial: Callable[[TuningTrial], float]
    member: Callable[[FrontMember], float]
    interval: Callable[[FrontMember], Ends | None] = _no_interval
    """From the lower to the upper end; None where there is none."""
    reaches: Callable[[TuningTrial], bool] = _everything
    """Whether a trial is where it is drawn; otherwise it lies beyond the edge."""


def goal_side(contents: TuningContents, goal: Metric, worse: float, better: float, title: str) -> Side:
    """A goal from its worse end to its better one."""
    scale = _goal_scale(contents, goal, worse, better)

    def held(trial: TuningTrial) -> float:
        return min(max(trial.scores[goal.name], scale.low), scale.high)

    def interval(member: FrontMember) -> Ends | None:
        mean = member.validation[goal.name]
        return (scale.place(mean.low), scale.place(mean.high)) if mean.has_interval else None

    return Side(
        title,
        scale.ticks,
        trial=lambda trial: scale.place(held(trial)),
        member=lambda member: scale.place(member.validation[goal.name].value),
        interval=interval,
        reaches=lambda trial: trial.scores[goal.name] == held(trial),
    )


def search_side(trials: Sequence[TuningTrial], searched: SearchRange, start: float, end: float) -> Side:
    """What was searched, over the values that these trials have; choices beside each other."""
    name = searched.name
    if searched.choices:
        step = (end - start) / len(searched.choices)
        places = {choice: round(start + (i + 0.5) * step, 1) for i, choice in enumerate(searched.choices)}
        return Side(
            name,
            [(place, shortened(choice, int(step / CHARACTER))) for choice, place in places.items()],
            trial=lambda trial: places[str(trial.values[name])],
            member=lambda member: places[str(member.values[name])],
        )
    values = [float(trial.values[name]) for trial in trials]
    scale = _wide_scale(min(values), max(values), start, end, searched.logarithmic and min(values) > 0)
    return Side(
        name,
        scale.ticks,
        trial=lambda trial: scale.place(float(trial.values[name])),
        member=lambda member: scale.place(float(member.values[name])),
    )


def shortened(text: str, most: int) -> str:
    """A text of so many characters at most, without its middle where it is longer.

    >>> shortened("ssim", 8), shortened("0.1*ms_ssim(levels=2)", 8)
    ('ssim', '0.1*…=2)')
    """
    most = max(most, 3)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


def number_side(trials: Sequence[TuningTrial], start: float, end: float) -> Side:
    """The trials in the order in which they were asked for."""
    numbers = [trial.number for trial in trials]
    scale = Scale(min(numbers) - 0.8, max(numbers) + 0.8, start, end)
    return Side(
        "trial",
        [(place, text) for place, text in scale.ticks if text.isdecimal()],
        trial=lambda trial: scale.place(trial.number),
        member=lambda member: scale.place(member.trial),
    )


def _goal_scale(contents: TuningContents, goal: Metric, worse: float, better: float) -> Scale:
    """All of the front and its intervals, and the trials that are not far from it."""
    means = [member.validation[goal.name] for member in scored_members(contents.members, [goal])]
    front = [value for mean in means for value in (mean.value, mean.low, mean.high) if math.isfinite(value)]
    front += [trial.scores[goal.name] for trial in undominated(contents.trials, contents.goals)]
    values = [trial.scores[goal.name] for trial in measured(contents.trials, [goal])]
    front = front or values
    reach = FAR * (max(front) - min(front)) or math.inf
    near = [value for value in values if min(front) - reach <= value <= max(front) + reach]
    start, end = (worse, better) if goal.higher_is_better else (better, worse)
    return _wide_scale(min(front + near), max(front + near), start, end)


def _wide_scale(low: float, high: float, start: float, end: float, logarithmic: bool = False) -> Scale:
    """A scale with some air; never empty."""
    if logarithmic:
        air = (high / low) ** 0.06 if high > low else 2.0
        return Scale(low / air, high * air, start, end, logarithmic=True)
    margin = 0.06 * (high - low) or 0.05 * abs(low) or 1.0
    return Scale(low - margin, high + margin, start, end)


__all__ = ["Ends", "Side", "Tick", "goal_side", "number_side", "search_side"]
