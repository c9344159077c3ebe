"""Advice in words that a photographer understands; numbers come after them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.advice.details import (
    avoidance,
    details,
    exclusions,
    standing_beside_input,
    what_would_decide,
)
from lossmith.evaluation.advice.goals import GoalMetrics
from lossmith.evaluation.advice.headlines import headline
from lossmith.evaluation.advice.phrases import capital, few, find_pair, is_one_picture, is_one_seed, listed
from lossmith.metrics.registry import GOALS, Goal


@dataclass(frozen=True)
class Card:
    """The advice for one goal."""

    goal: Goal
    headline: str
    """What to do, in one sentence."""
    details: tuple[str, ...]
    """What is as good, what to avoid and by how much, what is undecided and what would decide it, a sentence
    each."""


def cards(advice: Advice, run_seconds: Mapping[str, float] | None = None) -> tuple[Card, ...]:
    """A card for each goal that has metrics, also where none of these may judge.

    Parameters
    ----------
    advice
        What was found.
    run_seconds
        The time of one run under each loss, for how long more seeds take.
    """
    judged = [
        Card(goal.metrics.goal, headline(advice, goal), tuple(details(advice, goal, run_seconds or {})))
        for goal in advice.goals
    ]
    unjudged = [Card(goal.goal, _why_unjudged(goal), tuple(exclusions(goal))) for goal in advice.unjudged]
    return tuple(sorted([*judged, *unjudged], key=lambda card: GOALS.index(card.goal)))


def front_sentence(advice: Advice) -> str:
    """Between fidelity and perception: the loss that is the choice for both, or the losses of the front.

    Empty where there is no front. Where the ends of the front are not known to differ, it says so.
    """
    fidelity, perception = advice.of("fidelity"), advice.of("perception")
    if not advice.front or fidelity is None or perception is None or len(advice.losses) == 1:
        return ""
    if fidelity.take and perception.take and (common := _common(fidelity, perception)):
        is_alone = not fidelity.equivalent and not perception.equivalent
        verb = "is" if is_alone else "is among" if len(common) == 1 else "are among"
        return f"Fidelity and perception agree: {few(common)} {verb} the best in both."
    if len(advice.front) == 1:
        return f"Fidelity and perception seem to agree: {advice.front[0]} leads in both."
    faithful, *between, pleasing = advice.front
    middle = f"; {listed(between)} {'lies' if len(between) == 1 else 'lie'} between" if between else ""
    ends = f"{faithful} is the most faithful, {pleasing} the best looking{middle}"
    is_known = _is_better(fidelity, faithful, pleasing) and _is_better(perception, pleasing, faithful)
    is_tentative = is_one_picture(fidelity) or is_one_seed(advice, fidelity)
    doubt = "" if is_known and not is_tentative else "; that is not certain"
    return f"Between fidelity and perception: {ends}{doubt}."


def verdict(advice: Advice, run_seconds: Mapping[str, float] | None = None) -> str:
    """The advice for a terminal: a line per goal, then the front."""
    goals = {goal.metrics.goal: goal for goal in advice.goals}
    lines = []
    for card in cards(advice, run_seconds):
        goal = goals.get(card.goal)
        lines.append(" ".join([card.headline, *(_short(advice, goal, run_seconds or {}) if goal else ())]))
    if not lines:
        return "Nothing could be compared: no loss has scores for every picture and seed."
    return "\n".join(filter(None, [*lines, front_sentence(advice)]))


def _why_unjudged(goal: GoalMetrics) -> str:
    if goal.metrics:
        return f"{capital(goal.goal)} could not be compared: no loss has a score for every picture and seed."
    return f"{capital(goal.goal)} cannot be judged here: no judge is independent of all losses."


def _short(advice: Advice, goal: GoalAdvice, run_seconds: Mapping[str, float]) -> list[str]:
    """The details that count most: how far off the degraded input is, what to avoid, and what would decide."""
    avoidances = [avoidance(advice, goal, goal.avoid[-1])] if goal.avoid else []
    steps = list(what_would_decide(advice, goal, run_seconds))
    return [*standing_beside_input(goal), *avoidances, *steps[:1]]


def _common(fidelity: GoalAdvice, perception: GoalAdvice) -> list[str]:
    """The losses that are the best, or as good, for both goals; the choices first."""
    equals = [{goal.best, *goal.equivalent} for goal in (fidelity, perception)]
    names = dict.fromkeys([fidelity.take, perception.take, *fidelity.contenders])
    return [name for name in names if name and all(name in group for group in equals)]


def _is_better(goal: GoalAdvice, better: str, worse: str) -> bool:
    pair = find_pair(goal.differences, goal.metrics.score, better, worse)
    return pair is not None and pair.outcome == "better"


__all__ = ["Card", "cards", "front_sentence", "verdict"]
