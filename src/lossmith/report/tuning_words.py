"""A search in words: what to take for which need, what a trial was, whether a goal follows a weight."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from lossmith.metrics.registry import Metric
from lossmith.report.formatting import interval, number
from lossmith.report.tuning_data import FrontMember, ScoreMean, SearchRange, TuningContents, TuningTrial, Value
from lossmith.report.tuning_front import leading, scored_members, signed

LEAST_FOR_TREND = 6
"""Complete trials."""
SIGNIFICANCE = 0.05
"""Of a rank correlation that is called a trend."""
STATES = {"complete": "", "pruned": ", stopped early", "failed": ", failed"}


@dataclass(frozen=True)
class Recommendation:
    """What to take for one need."""

    need: str
    """Such as "the best PSNR"."""
    member: FrontMember
    index: int
    """Of the member, in the order of the front."""
    details: list[str]
    """Sentences."""


def recommendations(contents: TuningContents, members: Sequence[FrontMember]) -> list[Recommendation]:
    """The best member of the front for every goal, and a compromise where another one is left.

    A member that is best in several goals is named once. Each goal is measured in parts of what the front spans,
    and the compromise is the member whose worst goal is the best. What another member beats by its means is not
    recommended, even if that may be chance.
    """
    front = leading(members, contents.goals)
    if not front:
        return []
    needs: dict[str, list[Metric]] = {}
    for goal in contents.axes:
        best = max(front, key=lambda member: signed(member.validation[goal.name].value, goal))
        needs.setdefault(best.name, []).append(goal)
    chosen = [(f"the best {_listed([goal.label for goal in needs[m.name]])}", m) for m in front if m.name in needs]
    left = [member for member in front if member.name not in needs]
    if left:
        middle = max(left, key=lambda member: min(_shares(member, front, contents.axes)))
        chosen.append(("a compromise", middle))
    return [
        Recommendation(need, member, members.index(member), _details(contents, member, front))
        for need, member in chosen
    ]


def remarks(contents: TuningContents) -> list[str]:
    """What is worth saying of the front as a whole: goals in which its members are as good as equal.

    Of one goal these are all that were trained again.
    """
    several, words = len(contents.goals) > 1, []
    front = [m for m in scored_members(contents.members, contents.goals) if m.on_front or not several]
    whose, so = ("members of the front", ": choose by the rest") if several else ("candidates", "")
    for goal in contents.axes if len(front) > 1 else ():
        values = [member.validation[goal.name].value for member in front]
        spread = max(values) - min(values)
        if spread < goal.margin:
            words.append(
                f"In {goal.label} the {whose} differ by {_amount(goal, spread)} at most, and less "
                f"than {f'{goal.margin:g} {goal.unit}'.strip()} matters to nobody{so}."
            )
    return words


def why_off(member: FrontMember, members: Sequence[FrontMember]) -> str:
    """Why a member is off the front, with the numbers that members have on the page."""
    numbers = {f"trial {other.trial}": f"number {place}" for place, other in enumerate(members, 1)}
    reason = re.sub(r"\btrial \d+\b", lambda match: numbers.get(match[0], match[0]), member.reason)
    return _capitalized(reason or "not on the front")


def why_ended(trial: TuningTrial) -> str:
    """Why a trial was stopped or failed, without the marks of what is a parameter in Python."""
    return _capitalized(trial.note.replace("`", ""))


def describe_trial(trial: TuningTrial, goals: Sequence[Metric]) -> str:
    """What is read when a trial is pointed at: its number, the goals and its values."""
    scores = ", ".join(_scored(goal, trial.scores[goal.name]) for goal in goals if goal.name in trial.scores)
    values = ", ".join(f"{name} = {typed(value)}" for name, value in trial.values.items())
    return f"trial {trial.number}{STATES[trial.state]}: " + "; ".join(filter(None, [scores, values]))


def describe_member(member: FrontMember, index: int, goals: Sequence[Metric]) -> str:
    """What is read when a member is pointed at: its place on the front, the goals and the expression."""
    scores = ", ".join(score_words(goal, member.validation[goal.name]) for goal in goals)
    return f"{index + 1}{'' if member.on_front else ', not on the front'}: {scores}; {member.loss}"


def score_words(goal: Metric, mean: ScoreMean) -> str:
    """A mean score with its metric, its unit and its interval where there is one."""
    ends = interval(mean.low, mean.high, goal.digits)
    return _scored(goal, mean.value) + (f" ({ends})" if ends else "")


def typed(value: Value) -> str:
    """A value as it is read.

    >>> typed(0.00123456), typed(12345), typed("relu")
    ('0.001235', '12345', 'relu')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def titled(goal: Metric) -> str:
    """A goal as the title of an axis or a column."""
    return f"{goal.label} in {goal.unit}" if goal.unit else goal.label


def trend(trials: Sequence[TuningTrial], searched: SearchRange, goal: Metric) -> str:
    """Whether a goal follows a number over the complete trials, by Spearman's rank correlation.

    Empty for choices, and for fewer trials than `LEAST_FOR_TREND`.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    if searched.choices or len(complete) < LEAST_FOR_TREND:
        return ""
    values = [float(trial.values[searched.name]) for trial in complete]
    gains = [signed(trial.scores[goal.name], goal) for trial in complete]
    if len(set(values)) < 2 or len(set(gains)) < 2:
        return "no trend"
    result = stats.spearmanr(values, gains)
    rho = f"ρ = {number(float(result.statistic), 2)}"
    if result.pvalue > SIGNIFICANCE:
        return f"no clear trend, {rho}"
    return f"{'better' if result.statistic > 0 else 'worse'} the larger {searched.name} is, {rho}"


def _details(contents: TuningContents, member: FrontMember, front: Sequence[FrontMember]) -> list[str]:
    scores = _listed([score_words(goal, member.validation[goal.name]) for goal in contents.axes])
    seeds = f"mean of {len(member.seeds)} fresh seeds" if len(member.seeds) > 1 else "one fresh seed"
    behind = []
    for goal in contents.axes:
        best = max(front, key=lambda other: signed(other.validation[goal.name].value, goal))
        lag = abs(best.validation[goal.name].value - member.validation[goal.name].value)
        if best is not member and lag:
            behind.append(f"{_amount(goal, lag)} of {goal.label}")
    sentences = [f"{scores} on validation crops, {seeds}."]
    if behind:
        sentences.append(f"That is {_listed(behind)} behind the best of the front.")
    rate = member.values.get("learning_rate")
    return [*sentences, f"Trained with a learning rate of {typed(rate)}."] if rate is not None else sentences


def _shares(member: FrontMember, front: Sequence[FrontMember], goals: Sequence[Metric]) -> list[float]:
    """How good a member is in every goal, from 0 for the worst of the front to 1 for the best."""
    shares = []
    for goal in goals:
        values = [signed(other.validation[goal.name].value, goal) for other in front]
        span = max(values) - min(values)
        own = signed(member.validation[goal.name].value, goal)
        shares.append((own - min(values)) / span if span else 1.0)
    return shares


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _scored(goal: Metric, value: float) -> str:
    return f"{goal.label} {number(value, goal.digits)} {goal.unit}".strip()


def _amount(goal: Metric, value: float) -> str:
    """A difference with its unit; its digits are those of the metric, or one more where these would be zeros."""
    digits = goal.digits if value >= 10.0**-goal.digits or not value else goal.digits + 1
    return f"{number(value, digits)} {goal.unit}".strip()


def _listed(words: Sequence[str]) -> str:
    """Words with commas, the last two joined by "and".

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


__all__ = [
    "Recommendation",
    "describe_member",
    "describe_trial",
    "recommendations",
    "remarks",
    "score_words",
    "titled",
    "trend",
    "typed",
    "why_ended",
    "why_off",
]
