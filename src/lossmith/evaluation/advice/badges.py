"""The badge of a method in a table of results, and the reason for it."""

from collections.abc import Sequence
from typing import Literal

from lossmith.evaluation.advice.phrases import INPUT, find_pair, reason
from lossmith.evaluation.results import DEGRADED, Difference, Ranking

Badge = Literal["best", "as good", "unsure", ""]


def badge(
    ranking: Ranking, differences: Sequence[Difference], name: str, *, fixed_models: bool = False
) -> tuple[Badge, str]:
    """The badge of a method in a metric or a goal, and why it has this one, in a few words or none.

    "best" is the best loss if it is known which these are; "as good" are those that are equivalent to it, and
    "unsure" are those of which it is not known whether they are, the best one itself among them. A loss that is
    known to be worse has none, and neither has a loss without a rival, or any where the degraded input scores
    best.

    Parameters
    ----------
    ranking
        All methods in the metric or goal.
    differences
        Its pairs; those of other metrics may be among them.
    name
        The method.
    fixed_models
        Whether these are finished models, so that one seed is enough; see `Advice`.
    """
    contenders = [method for method in ranking.order if method != DEGRADED]
    if name not in contenders or len(contenders) < 2:
        return "", ""
    best, *rivals = contenders
    pairs = [find_pair(differences, ranking.metric, best, rival) for rival in rivals]
    own = [pair for rival, pair in zip(rivals, pairs, strict=True) if name in (best, rival)]
    undecided = [pair for pair in own if pair is None or pair.outcome == "undecided"]
    if name != best and own[0] and own[0].outcome == "better":
        return "", ""
    few = _too_few(ranking, fixed_models)
    if undecided:
        return "unsure", few or _reason(ranking, undecided[0])
    if few:
        return "unsure", few
    if ranking.order[0] == DEGRADED:
        beside = find_pair(differences, ranking.metric, best, DEGRADED)
        is_open = beside is None or beside.outcome == "undecided"
        return "", f"{'not known to be' if is_open else 'no'} better than {INPUT}"
    return ("best" if name == best else "as good"), ""


def _reason(ranking: Ranking, pair: Difference | None) -> str:
    if pair is None:
        return "no seed in common"
    return reason(pair.variation, ranking.metric) if pair.variation else ""


def _too_few(ranking: Ranking, fixed_models: bool) -> str:
    """What nothing can be concluded from."""
    one_seed = ranking.seeds == 1 and not fixed_models
    return " and ".join(["one test picture"] * (ranking.images == 1) + ["one seed"] * one_seed)


__all__ = ["Badge", "badge"]
