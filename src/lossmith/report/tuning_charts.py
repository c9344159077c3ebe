"""The charts of a search: goals against each other, over the trials, and against what was searched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lossmith.metrics.registry import Metric
from lossmith.report.methods import look
from lossmith.report.tuning_data import FrontMember, SearchRange, TrialState, TuningContents, TuningTrial
from lossmith.report.tuning_front import leading, measured, scored_members, signed, undominated
from lossmith.report.tuning_sides import Ends, Side, Tick, goal_side, number_side, search_side
from lossmith.report.tuning_words import describe_member, describe_trial, titled, trend

LARGE, SMALL = (560, 420), (320, 224)
"""Width and height of a chart, in its own units, about a pixel each."""
MARGINS = {LARGE: (66, 18, 30, 50), SMALL: (54, 14, 24, 40)}
"""Left, right, top and bottom."""

Place = tuple[float, float]


@dataclass(frozen=True)
class TrialDot:
    """One trial."""

    x: float
    y: float
    state: TrialState
    words: str
    is_beyond: bool
    """Whether it lies beyond the edge at which it is drawn."""


@dataclass(frozen=True)
class MemberMark:
    """One member of the front, with the ends of its intervals or None."""

    x: float
    y: float
    across: Ends | None
    up: Ends | None
    index: int
    """In the order of the front."""
    style: str
    shape: str
    on_front: bool
    words: str
    origin: Place | None
    """Where its trial is."""


@dataclass(frozen=True)
class TuningChart:
    """Everything that is drawn, in the chart's own units."""

    title: str
    x_title: str
    y_title: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    dots: Sequence[TrialDot]
    members: Sequence[MemberMark]
    size: tuple[int, int]
    line: Sequence[Place] = ()
    """The front of the trials, or the best so far."""
    front: Sequence[Place] = ()
    """The members that stay and that none beats by its means, from the first to the last."""
    trend: str = ""
    """How the goal follows what was searched, in words."""

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of where points lie."""
        return _frame(self.size)


def front_charts(contents: TuningContents, members: Sequence[FrontMember]) -> list[TuningChart]:
    """The first axis across and each other upwards, better to the right and up; none where nothing is measured."""
    left, top, right, bottom = _frame(LARGE)
    across, *others = contents.axes
    charts = []
    for up in others:
        if trials := measured(contents.trials, [across, up]):
            x = goal_side(contents, across, left, right, f"{titled(across)}, better →")
            y = goal_side(contents, up, bottom, top, f"↑ better, {titled(up)}")
            chart = _chart(f"{up.label} against {across.label}", x, y, trials, members, contents.axes, LARGE)
            line = [(x.trial(t), y.trial(t)) for t in undominated(trials, [across, up])]
            best = leading(members, [across, up])
            front = [(mark.x, mark.y) for mark in chart.members if members[mark.index] in best]
            charts.append(replace(chart, line=line, front=front))
    return charts


def history_chart(contents: TuningContents, members: Sequence[FrontMember]) -> TuningChart | None:
    """The first axis over the trials, with the best so far; None where nothing is measured."""
    left, top, right, bottom = _frame(LARGE)
    goal = contents.axes[0]
    trials = measured(contents.trials, [goal])
    if not trials:
        return None
    x = number_side(contents.trials, left, right)
    y = goal_side(contents, goal, bottom, top, f"↑ better, {titled(goal)}")
    line = [(x.trial(at), y.trial(best)) for at, best in _best_so_far(trials, goal)]
    return replace(_chart(f"{goal.label} over the trials", x, y, trials, members, [goal], LARGE), line=line)


def search_charts(
    contents: TuningContents, members: Sequence[FrontMember]
) -> list[tuple[SearchRange, list[TuningChart]]]:
    """Each goal against everything that was searched; none where nothing is measured."""
    left, top, right, bottom = _frame(SMALL)
    rows = []
    for searched in contents.ranges:
        charts = []
        for goal in contents.axes:
            if trials := measured(contents.trials, [goal]):
                x = search_side(trials, searched, left, right)
                y = goal_side(contents, goal, bottom, top, f"↑ better, {titled(goal)}")
                title = f"{goal.label} against {searched.name}"
                chart = _chart(title, x, y, trials, members, [goal], SMALL)
                charts.append(replace(chart, trend=trend(trials, searched, goal)))
        if charts:
            rows.append((searched, charts))
    return rows


def _chart(
    title: str,
    x: Side,
    y: Side,
    trials: Sequence[TuningTrial],
    members: Sequence[FrontMember],
    goals: Sequence[Metric],
    size: tuple[int, int],
) -> TuningChart:
    """Every trial and every member that has a mean in these goals."""
    dots = {t.number: _dot(t, x, y, goals) for t in trials}
    drawn = scored_members(members, goals)
    marks = [_mark(m, index, x, y, goals, dots.get(m.trial)) for index, m in enumerate(members) if m in drawn]
    return TuningChart(title, x.title, y.title, x.ticks, y.ticks, list(dots.values()), marks, size)


def _dot(trial: TuningTrial, x: Side, y: Side, goals: Sequence[Metric]) -> TrialDot:
    is_beyond = not (x.reaches(trial) and y.reaches(trial))
    words = describe_trial(trial, goals) + " (beyond the edge)" * is_beyond
    return TrialDot(x.trial(trial), y.trial(trial), trial.state, words, is_beyond)


def _mark(
    member: FrontMember, index: int, x: Side, y: Side, goals: Sequence[Metric], trial: TrialDot | None
) -> MemberMark:
    return MemberMark(
        x.member(member),
        y.member(member),
        x.interval(member),
        y.interval(member),
        index,
        *look(index),
        member.on_front,
        describe_member(member, index, goals),
        (trial.x, trial.y) if trial else None,
    )


def _best_so_far(trials: Sequence[TuningTrial], goal: Metric) -> list[tuple[TuningTrial, TuningTrial]]:
    """The corners of a staircase: the trial at which each is, and the best one until then."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        return []
    best = complete[0]
    corners = [(best, best)]
    for trial in complete[1:]:
        if signed(trial.scores[goal.name], goal) > signed(best.scores[goal.name], goal):
            corners += [(trial, best), (trial, trial)]
            best = trial
    return [*corners, (complete[-1], best)]


def _frame(size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, right, top, bottom = MARGINS[size]
    return left, top, size[0] - right, size[1] - bottom


__all__ = ["MemberMark", "TrialDot", "TuningChart", "front_charts", "history_chart", "search_charts"]
