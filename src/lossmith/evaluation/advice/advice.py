"""Advice: for each goal the loss to take, those that are as good, and those to avoid."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from lossmith.evaluation.advice.goals import GoalMetrics, goals_of, with_goal_scores
from lossmith.evaluation.results import DEGRADED, Difference, Ranking, Row
from lossmith.evaluation.statistics.criteria import Criteria
from lossmith.evaluation.statistics.power import Plan, plan
from lossmith.evaluation.statistics.ranking import differences, ranking, rankings
from lossmith.evaluation.statistics.score_table import NothingToCompareError, ScoreTable, score_table
from lossmith.metrics.registry import GRID_METRICS, Metric

NOTABLY_CHEAPER = 2 / 3
"""Of two equivalent losses the one is taken that needs less than this of the other's time: clearly more than
chance."""


@dataclass(frozen=True)
class GoalAdvice:
    """What to do for one goal.

    The best loss by its mean score is compared with each of the others, which are then equivalent, undecided or
    to be avoided. `take` is the best one, or an equivalent one that is notably cheaper.
    """

    metrics: GoalMetrics
    ranking: Ranking
    """In the goal's score, in margins; the degraded input among the methods."""
    differences: tuple[Difference, ...]
    """All pairs in the goal's score."""
    by_metric: tuple[Difference, ...]
    """All pairs in each of the goal's metrics."""
    best: str
    take: str | None
    """None while something is undecided, or with one seed, which crowns nobody but a fixed model, or one image."""
    equivalent: tuple[str, ...]
    """To the best, which is not among them, in order of cost."""
    undecided: tuple[str, ...]
    avoid: tuple[str, ...]
    """Known to be worse than the best, the worst last."""
    plans: Mapping[str, Plan]
    """For each undecided loss, what would decide it against the best."""
    improves: bool
    """Whether the best loss is known to be better than the degraded input."""

    @property
    def contenders(self) -> tuple[str, ...]:
        """The losses that have a score here, best first."""
        return tuple(name for name in self.ranking.order if name != DEGRADED)

    @property
    def lead(self) -> tuple[Difference, ...]:
        """All pairs in the metric `metrics.lead`, in whose unit differences are told."""
        return tuple(pair for pair in self.by_metric if pair.metric == self.metrics.lead.name)

    @property
    def decided(self) -> bool:
        """Whether every other loss is known to be equivalent to the best one or worse."""
        return not self.undecided


@dataclass(frozen=True)
class Advice:
    """Which loss to take."""

    goals: tuple[GoalAdvice, ...]
    front: tuple[str, ...]
    """The losses that no other beats in fidelity and perception at once, from the most faithful one on."""
    seeds: int
    images: int
    losses: tuple[str, ...] = ()
    """All contenders."""
    criteria: Criteria = field(default=Criteria())
    costs: Mapping[str, float] = field(default_factory=dict)
    """The time of a step under each loss, in any unit, where it is known."""
    unjudged: tuple[GoalMetrics, ...] = ()
    """The goals of which no metric may judge, or in which no loss has a score for every image and seed."""
    grid: Ranking | None = None
    """The energy at the upsampling grid, in dB above the original's, where it was measured."""
    fixed_models: bool = False
    """Whether each contender is one finished model, about which only other images can tell more.

    Then the advice is on these models, not on what training again would give, and one seed is enough for it.
    """

    def of(self, goal: str) -> GoalAdvice | None:
        return next((advice for advice in self.goals if advice.metrics.goal == goal), None)


def advise(
    rows: Sequence[Row],
    losses: Sequence[str],
    criteria: Criteria = Criteria(),
    costs: Mapping[str, float] | None = None,
    *,
    trained_on: Mapping[str, str] | None = None,
    fixed_models: bool = False,
) -> Advice:
    """What the scores say of losses, goal by goal.

    Parameters
    ----------
    rows
        Scores of every image under every loss and seed, and of the degraded input. A loss may lack whole seeds.
    losses
        The contenders.
    criteria
        Margins, and how often the results are looked at.
    costs
        The time of a step under each loss, in any unit; without it none is cheaper than another.
    trained_on
        The expression of the loss of each contender whose name is none.
    fixed_models
        Whether the contenders are finished models, so that seeds are not in question.
    """
    metrics = list(dict.fromkeys(name for row in rows for name in row.scores))
    all_goals = goals_of(metrics, losses, trained_on)
    goals = [goal for goal in all_goals if goal.metrics]
    unjudged = [goal for goal in all_goals if not goal.metrics]
    scored = with_goal_scores(rows, goals, criteria)
    advice = []
    for goal in goals:
        try:
            advice.append(_advise(scored, goal, losses, criteria, costs or {}, 1 if fixed_models else 2))
        except NothingToCompareError:
            unjudged.append(goal)
    tables = [goal.ranking for goal in advice]
    return Advice(
        tuple(advice),
        front=_front(advice),
        seeds=max((table.seeds for table in tables), default=0),
        images=max((table.images for table in tables), default=0),
        losses=tuple(losses),
        criteria=criteria,
        costs=costs or {},
        unjudged=tuple(unjudged),
        grid=_grid(rows, metrics, losses),
        fixed_models=fixed_models,
    )


def _grid(rows: Sequence[Row], metrics: Sequence[str], losses: Sequence[str]) -> Ranking | None:
    measured = rankings(rows, [GRID_METRICS[name] for name in metrics if name in GRID_METRICS], losses)
    return next(iter(measured), None)


def _advise(
    rows: Sequence[Row],
    goal: GoalMetrics,
    losses: Sequence[str],
    criteria: Criteria,
    costs: Mapping[str, float],
    least_seeds: int,
) -> GoalAdvice:
    methods = [DEGRADED, *losses]
    standing = ranking(rows, goal.score, methods, criteria)
    pairs = differences(rows, goal.score, methods, criteria)
    contenders = [name for name in standing.order if name != DEGRADED]
    if not contenders:
        raise NothingToCompareError(f"no loss has a score in {goal.goal}")
    best, *others = contenders
    by_pair = {frozenset((d.first, d.second)): d for d in pairs}
    outcomes = {
        name: pair.seen_from(best).outcome if (pair := by_pair.get(frozenset((best, name)))) else "undecided"
        for name in [*others, DEGRADED]
    }
    equivalent = sorted((n for n in others if outcomes[n] == "equivalent"), key=lambda n: costs.get(n, 0.0))
    undecided = [n for n in others if outcomes[n] == "undecided"]
    table = score_table(rows, goal.score, methods)
    is_sure = standing.seeds >= least_seeds and standing.images > 1 and not undecided
    take = _cheapest(best, equivalent, costs) if is_sure else None
    quantile = partial(criteria.quantile, len(losses))
    return GoalAdvice(
        goal,
        standing,
        tuple(pairs),
        tuple(pair for metric in goal.metrics for pair in _differences(rows, metric, methods, criteria)),
        best,
        take,
        tuple(equivalent),
        tuple(undecided),
        avoid=tuple(n for n in others if outcomes[n] == "better"),
        plans={n: _plan(table, best, n, goal, quantile) for n in undecided},
        improves=outcomes[DEGRADED] == "better",
    )


def _differences(
    rows: Sequence[Row], metric: Metric, methods: Sequence[str], criteria: Criteria
) -> list[Difference]:
    """None where no method has a score."""
    try:
        return differences(rows, metric, methods, criteria)
    except NothingToCompareError:
        return []


def _plan(table: ScoreTable, best: str, other: str, goal: GoalMetrics, quantile: Callable[[float], float]) -> Plan:
    return plan(table.difference(best, other), goal.score.margin, quantile, least=table.seed_ratio)


def _cheapest(best: str, equivalent: Sequence[str], costs: Mapping[str, float]) -> str:
    cheaper = [n for n in equivalent if costs.get(n, 1.0) < NOTABLY_CHEAPER * costs.get(best, 1.0)]
    return min(cheaper, key=lambda n: costs[n], default=best)


def _front(goals: Sequence[GoalAdvice]) -> tuple[str, ...]:
    """The losses for which no other is better in fidelity or perception without being worse in the other."""
    by_goal = {goal.metrics.goal: goal.ranking.means for goal in goals}
    if not {"fidelity", "perception"} <= by_goal.keys():
        return ()
    fidelity, perception = by_goal["fidelity"], by_goal["perception"]
    common = [name for name in fidelity if name in perception and name != DEGRADED]
    return tuple(
        name
        for name in common
        if not any(
            fidelity[other] >= fidelity[name]
            and perception[other] >= perception[name]
            and (fidelity[other], perception[other]) != (fidelity[name], perception[name])
            for other in common
        )
    )


__all__ = ["Advice", "GoalAdvice", "advise"]
