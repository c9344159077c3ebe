"""The front of a search: the trials that no other beats in all goals, and which of them stay there.

All that is here is arithmetic on scores.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from lossmith.evaluation import Criteria, Metric, Row, differences
from lossmith.evaluation.advice.phrases import listed
from lossmith.evaluation.results import Outcome
from lossmith.evaluation.statistics.score_table import NothingToCompareError

MAX_MEMBERS = 5
"""The most trials of a front that are trained again."""
BEST = 3
"""The trials that are trained again where there is one goal."""

Scores = Mapping[str, float]
Outcomes = Mapping[tuple[str, str], Mapping[str, Outcome]]
"""By two methods, and by goal: what is known of the first beside the second."""


def gains(scores: Scores, goals: Sequence[Metric]) -> tuple[float, ...]:
    """The goals as numbers of which more is better."""
    return tuple(scores[goal.name] * (1 if goal.higher_is_better else -1) for goal in goals)


def undominated(points: Sequence[Scores], goals: Sequence[Metric]) -> list[int]:
    """The places of the points that no other equals in all goals and beats in one.

    >>> from lossmith.evaluation import find_metric
    >>> psnr, gmsd = find_metric("psnr"), find_metric("gmsd")
    >>> points = [{"psnr": 30, "gmsd": 0.1}, {"psnr": 31, "gmsd": 0.2}, {"psnr": 30, "gmsd": 0.2}]
    >>> undominated(points, [psnr, gmsd])
    [0, 1]
    """
    own = [gains(point, goals) for point in points]
    return [place for place, one in enumerate(own) if not any(_beats(other, one) for other in own)]


def _beats(other: tuple[float, ...], one: tuple[float, ...]) -> bool:
    return other != one and all(a >= b for a, b in zip(other, one, strict=True))


def spread(points: Sequence[Scores], goals: Sequence[Metric], most: int = MAX_MEMBERS) -> list[int]:
    """The places of so many points that are far from each other, in rising order: the best in each goal, and then
    always the one that is farthest from those that are chosen, with each goal on the scale of its range."""
    if len(points) <= most:
        return list(range(len(points)))
    columns = list(zip(*(gains(point, goals) for point in points), strict=True))
    scales = [max(column) - min(column) or 1.0 for column in columns]
    scaled = [
        [value / scale for value, scale in zip(point, scales, strict=True)] for point in zip(*columns, strict=True)
    ]
    chosen = list(dict.fromkeys(column.index(max(column)) for column in columns))[:most]
    while len(chosen) < most:
        others = [place for place in range(len(points)) if place not in chosen]
        chosen.append(max(others, key=lambda p: min(math.dist(scaled[p], scaled[c]) for c in chosen)))
    return sorted(chosen)


def candidates(points: Sequence[Scores], goals: Sequence[Metric]) -> list[int]:
    """The places of those that are trained again: some of the front, best in the first goal first, or the best
    few of one goal."""

    def by_first(places: Iterable[int]) -> list[int]:
        return sorted(places, key=lambda place: (-gains(points[place], goals)[0], place))

    if len(goals) == 1:
        return by_first(range(len(points)))[:BEST]
    front = undominated(points, goals)
    return by_first(front[place] for place in spread([points[place] for place in front], goals))


def outcomes(rows: Sequence[Row], methods: Sequence[str], goals: Sequence[Metric], criteria: Criteria) -> Outcomes:
    """What is known of each method beside each other one, in each goal; "undecided" where nothing is."""
    known: dict[tuple[str, str], dict[str, Outcome]] = {
        pair: {goal.name: "undecided" for goal in goals} for pair in permutations(methods, 2)
    }
    for goal in goals:
        try:
            pairs = differences(rows, goal, methods, criteria)
        except NothingToCompareError:
            continue
        for pair in pairs:
            for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
                known[one, other][goal.name] = pair.seen_from(one).outcome
    return known


def dominates(outcome: Mapping[str, Outcome]) -> bool:
    """Whether a method with these outcomes is known to dominate the other: better in one goal, as good in all.

    >>> dominates({"psnr": "better", "gmsd": "equivalent"}), dominates({"psnr": "better", "gmsd": "undecided"})
    (True, False)
    """
    return "better" in outcome.values() and set(outcome.values()) <= {"better", "equivalent"}


def may_dominate(outcome: Mapping[str, Outcome]) -> bool:
    """Whether that is open, so that further seeds may show it.

    >>> may_dominate({"psnr": "better", "gmsd": "undecided"}), may_dominate({"psnr": "worse", "gmsd": "undecided"})
    (True, False)
    """
    return "undecided" in outcome.values() and "worse" not in outcome.values()


def dominated(known: Outcomes, methods: Sequence[str], goals: Sequence[Metric]) -> dict[str, str]:
    """The methods that are off the front, with the reason, a sentence without its full stop.

    >>> from lossmith.evaluation import find_metric
    >>> psnr, gmsd = find_metric("psnr"), find_metric("gmsd")
    >>> known = {("a", "b"): {"psnr": "better", "gmsd": "equivalent"}, ("b", "a"): {"psnr": "worse", "gmsd": \
"equivalent"}}
    >>> dominated(known, ["a", "b"], [psnr, gmsd])
    {'b': 'a is better in PSNR and as good in GMSD'}
    """
    reasons = {}
    for one in methods:
        winner = next((other for other in methods if other != one and dominates(known[other, one])), None)
        if winner:
            reasons[one] = f"{winner} is {_how(known[winner, one], goals)}"
    return reasons


def _how(outcome: Mapping[str, Outcome], goals: Sequence[Metric]) -> str:
    labels = {kind: [g.label for g in goals if outcome[g.name] == kind] for kind in ("better", "equivalent")}
    if len(goals) > 1 and not labels["equivalent"]:
        return "better in every goal"
    alike = f" and as good in {listed(labels['equivalent'])}" if labels["equivalent"] else ""
    return f"better in {listed(labels['better'])}{alike}"


def is_decided(known: Outcomes, methods: Sequence[str]) -> bool:
    """Whether further seeds cannot show that one of the methods dominates another, unless what is known is
    wrong."""
    return not any(may_dominate(known[pair]) for pair in permutations(methods, 2))


__all__ = [
    "BEST",
    "MAX_MEMBERS",
    "candidates",
    "dominated",
    "dominates",
    "gains",
    "is_decided",
    "may_dominate",
    "outcomes",
    "spread",
    "undominated",
]
