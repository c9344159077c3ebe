"""The sentence on top of a goal's advice: what to do."""

from collections.abc import Mapping

from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.advice.phrases import (
    INPUT,
    advantage,
    beside_input,
    capital,
    few,
    is_cheaper,
    is_one_picture,
    is_one_seed,
)


def headline(advice: Advice, goal: GoalAdvice) -> str:
    """Which loss to take for a goal, or why there is none to take."""
    scope, nothing = _limits(is_one_picture(goal), is_one_seed(advice, goal))
    name = goal.metrics.goal
    if len(goal.contenders) == 1:
        return f"{scope}{_alone(goal)}."
    if (text := _no_improvement(goal)) is not None:
        return f"{scope}{text}." if scope else capital(f"{text}.")
    if scope:
        return f"{scope}{_lead(goal)} in {name}; {nothing}."
    if goal.undecided:
        return f"For {name}{_undecided(goal)}."
    return f"For {name}, {_choice(goal, advice.costs)}."


def _limits(one_picture: bool, one_seed: bool) -> tuple[str, str]:
    """What results of one image or one seed are limited to, and what they are not good for."""
    match one_picture, one_seed:
        case True, True:
            return "On this one picture, with one seed, ", "one picture and one seed decide nothing"
        case True, False:
            return "On this one picture, ", "one picture decides nothing"
        case False, True:
            return "On these pictures, with one seed, ", "one seed decides nothing"
    return "", ""


def _lead(goal: GoalAdvice) -> str:
    if goal.undecided or not goal.equivalent:
        return f"{goal.best} leads"
    return f"{few([goal.best, *goal.equivalent])} are equally good"


def _alone(goal: GoalAdvice) -> str:
    pair = beside_input(goal)
    if pair is None:
        return f"{goal.best} has no rival in {goal.metrics.goal}"
    verb = "is not known to improve" if pair.outcome == "undecided" else "does not improve"
    return f"{goal.best} {'improves' if goal.improves else verb} on {INPUT} in {goal.metrics.goal}"


def _no_improvement(goal: GoalAdvice) -> str | None:
    """None where the best loss is better than the degraded input, or where this was not scored."""
    pair = beside_input(goal)
    if pair is None or goal.improves:
        return None
    verbs = {"undecided": "is known to improve", "equivalent": "improves notably"}
    near = "lead" if advantage(pair, goal.metrics.score) > 0 else "come nearest"
    near = f"seems to {near}" if goal.undecided else near.replace("lead", "leads").replace("come", "comes")
    return f"no loss {verbs.get(pair.outcome, 'improves')} on {INPUT} in {goal.metrics.goal}; {goal.best} {near}"


def _undecided(goal: GoalAdvice) -> str:
    if not goal.avoid and not goal.equivalent:
        return f" nothing is decided yet: {goal.best} leads"
    leaders, rivals = [goal.best, *goal.equivalent], goal.undecided
    lead = f"{few(leaders)} {'leads' if len(leaders) == 1 else 'lead'}"
    return f", {lead}; whether {few(rivals)} {'is' if len(rivals) == 1 else 'are'} as good is not decided yet"


def _choice(goal: GoalAdvice, costs: Mapping[str, float]) -> str:
    equals = [goal.best, *goal.equivalent]
    take = goal.take or goal.best
    if len(equals) == 1:
        return f"take {take}"
    names = [take, *(name for name in equals if name != take)]
    others = names[1:]
    if all(is_cheaper(costs, take, other) for other in others):
        advice = f"{take} is the {'cheaper' if len(others) == 1 else 'cheapest'}"
    elif any(is_cheaper(costs, take, other) for other in others):
        advice = f"take {take}"
    else:
        advice = "take either" if len(others) == 1 else "take any of them"
    return f"{few(names, most=4)} are equally good; {advice}"


__all__ = ["headline"]
