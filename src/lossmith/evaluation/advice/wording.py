"""Advice in words that a photographer understands; numbers come after them."""

from collections.abc import Mapping
from dataclasses import dataclass

from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.advice.details import avoidance, details, exclusions, what_would_decide
from lossmith.evaluation.advice.headlines import headline
from lossmith.evaluation.advice.phrases import capital, find_pair, is_one_picture, is_one_seed, listed
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
    unjudged = [
        Card(
            goal.goal,
            f"{capital(goal.goal)} cannot be judged here: no judge is independent of all losses.",
            tuple(exclusions(goal)),
        )
        for goal in advice.unjudged
    ]
    return tuple(sorted([*judged, *unjudged], key=lambda card: GOALS.index(card.goal)))


def front_sentence(advice: Advice) -> str:
    """The losses on the front of distortion and perception, in a sentence; empty where there is no front.

    Where the ends of the front are not known to differ, it says so.
    """
    if not advice.front or len(advice.losses) == 1:
        return ""
    faithful, *between, pleasing = advice.front if len(advice.front) > 1 else advice.front * 2
    is_tentative = any(is_one_picture(goal) or is_one_seed(advice, goal) for goal in advice.goals)
    scope = ", on these pictures and seeds" if is_tentative else ""
    if faithful == pleasing:
        return f"Fidelity and perception agree{scope}: {faithful} comes first in both."
    middle = f"; {listed(between)} {'lies' if len(between) == 1 else 'lie'} between" if between else ""
    ends = f"{faithful} is the most faithful, {pleasing} the best looking{middle}"
    if not _is_known(advice, "fidelity", faithful, pleasing) or not _is_known(
        advice, "perception", pleasing, faithful
    ):
        return f"Between fidelity and perception{scope}: {ends}; that is not certain yet."
    return f"Between fidelity and perception{scope}: {ends}."


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


def _short(advice: Advice, goal: GoalAdvice, run_seconds: Mapping[str, float]) -> list[str]:
    """The one loss to avoid most, and what would decide the first question that is open."""
    sentences = [avoidance(advice, goal, goal.avoid[-1])] if goal.avoid else []
    return sentences + [what_would_decide(advice, goal, loss, run_seconds) for loss in goal.undecided[:1]]


def _is_known(advice: Advice, goal: Goal, better: str, worse: str) -> bool:
    found = advice.of(goal)
    pair = found and find_pair(found.differences, found.metrics.score, better, worse)
    return bool(pair and pair.outcome == "better")


__all__ = ["Card", "cards", "front_sentence", "verdict"]
