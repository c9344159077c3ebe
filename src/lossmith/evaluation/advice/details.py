"""The sentences under a goal's headline: what is as good, what to avoid, and what would decide the rest."""

from collections.abc import Iterator, Mapping, Sequence

from lossmith.evaluation.advice.advice import Advice, GoalAdvice
from lossmith.evaluation.advice.goals import GoalMetrics
from lossmith.evaluation.advice.phrases import (
    INPUT,
    advantage,
    amount,
    beside_input,
    capital,
    cost_beside,
    count,
    duration,
    find_pair,
    gap,
    is_one_picture,
    is_one_seed,
    listed,
    name_of,
    number,
)
from lossmith.evaluation.results import DEGRADED, Difference
from lossmith.evaluation.statistics.metric_overlap import is_independent, optimizes_metric
from lossmith.evaluation.statistics.power import POWER, Plan
from lossmith.metrics.registry import Metric, known_metric

MOST = 4
"""Losses of one kind that get a sentence each; the others share one."""


def details(advice: Advice, goal: GoalAdvice, run_seconds: Mapping[str, float]) -> Iterator[str]:
    """What a person may want to know after the headline, a sentence each, the most useful first."""
    yield from standing_beside_input(goal)
    for loss in goal.equivalent[:MOST]:
        yield _as_good(goal, loss, advice.costs)
    if rest := goal.equivalent[MOST:]:
        yield f"As good, too: {listed(rest)}."
    for loss in goal.avoid[::-1][:MOST]:
        yield avoidance(advice, goal, loss)
    if rest := goal.avoid[::-1][MOST:]:
        yield f"Worse than {goal.best}, too: {listed(rest)}."
    for loss in goal.undecided[:MOST]:
        yield _doubt(goal, loss)
    if rest := goal.undecided[MOST:]:
        yield f"Undecided, too: {listed(rest)}."
    yield from what_would_decide(advice, goal, run_seconds)
    yield from _objections(goal)
    yield from _pattern(advice, goal)
    yield from exclusions(goal.metrics)
    if missing := [loss for loss in advice.losses if loss not in goal.contenders]:
        yield f"Not compared, for want of a score for every picture and seed: {listed(missing)}."


def avoidance(advice: Advice, goal: GoalAdvice, loss: str) -> str:
    """Which loss to avoid, and how far it is behind."""
    metric, pair = _telling_pair(goal, loss)
    is_tentative = is_one_picture(goal) or is_one_seed(advice, goal)
    start = f"{loss} is worse" if is_tentative else f"Avoid {loss}"
    if pair is None:
        return f"{start}."
    if advantage(pair, metric) < 0:
        return f"{start}: {gap(pair, metric, goal.best)}."
    whole = f"behind {goal.best} in {goal.metrics.goal} as a whole"
    return f"{start}: it is {whole}, though {gap(pair, metric)}."


def what_would_decide(advice: Advice, goal: GoalAdvice, run_seconds: Mapping[str, float]) -> Iterator[str]:
    """What it takes to decide what is undecided: seeds, with their time, or test pictures; the least first."""
    if is_one_picture(goal):
        yield "More test pictures would tell: one says nothing of others."
    elif is_one_seed(advice, goal):
        yield "A second seed would tell: only that shows how much seeds differ."
    else:
        by_kind: dict[tuple[bool, ...], list[str]] = {}
        for loss in goal.undecided:
            by_kind.setdefault(_kind(goal.plans[loss]), []).append(loss)
        for _, losses in sorted(by_kind.items()):
            yield _plan(advice, goal, losses, run_seconds)


def _kind(plan: Plan) -> tuple[bool, ...]:
    """Seeds before images, before both of them, before nothing that would do."""
    if plan.seeds is not None:
        return (False,)
    return True, plan.images is None, plan.images is None and plan.both is None


def _plan(advice: Advice, goal: GoalAdvice, losses: Sequence[str], run_seconds: Mapping[str, float]) -> str:
    """What decides the best loss against each of others, for which the same is needed, more of it or less."""
    plans = [goal.plans[loss] for loss in losses]
    pair = f"{goal.best} against {listed(losses)}"
    end = f"would decide {pair} with {100 * POWER:.0f} % probability{' each' if len(losses) > 1 else ''}"
    images = _more([plan.images for plan in plans], "test picture")
    if seeds := _more([plan.seeds for plan in plans], "seed"):
        seeds += _time(goal, {loss: goal.plans[loss].seeds or 0 for loss in losses}, run_seconds)
        return f"{f'{seeds} or {images}' if images else seeds} {end}."
    if images:
        return f"{images} {end}{'' if advice.fixed_models else '; more seeds will not'}."
    both = {loss: plan for loss in losses if (plan := goal.plans[loss].both)}
    if len(both) == len(losses):
        seeds = _more([seeds for seeds, _ in both.values()], "seed")
        seeds += _time(goal, {loss: seeds for loss, (seeds, _) in both.items()}, run_seconds)
        return (
            f"{seeds} together with {_more([i for _, i in both.values()], 'test picture')} {end}; neither alone."
        )
    return f"Nothing within reach is likely to decide {pair}."


def _more(numbers: Sequence[int | None], noun: str) -> str:
    """From the least to the greatest number; empty where one of them is out of reach."""
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return ""
    least, most = min(known), max(known)
    return f"{f'{least} to ' if least < most else ''}{count(most, f'more {noun}')}"


def exclusions(goal: GoalMetrics) -> Iterator[str]:
    """Which metrics may not judge, and why."""
    for name, loss in goal.excluded.items():
        if optimizes_metric(loss, name):
            cause = "this very measure"
        else:
            cause = "its measure or its network" if is_independent(name, loss) else "the same network"
        yield f"{known_metric(name).label} may not judge: {loss} was trained on {cause}."


def _lead_pair(goal: GoalAdvice, loss: str) -> Difference | None:
    """The loss minus the best one in the metric in which differences are told."""
    return find_pair(goal.lead, goal.metrics.lead, loss, goal.best)


def _telling_pair(goal: GoalAdvice, loss: str) -> tuple[Metric, Difference | None]:
    """A loss that is worse, minus the best one: in the lead metric, or the first other one if that alone shows
    it."""
    for metric in (goal.metrics.lead, *goal.metrics.metrics):
        pair = find_pair(goal.by_metric, metric, loss, goal.best)
        if pair is not None and pair.outcome == "worse":
            return metric, pair
    return goal.metrics.lead, _lead_pair(goal, loss)


def standing_beside_input(goal: GoalAdvice) -> Iterator[str]:
    """How far the best loss is from the degraded input, where that is what counts."""
    if goal.improves and len(goal.contenders) > 1:
        return
    metric = goal.metrics.lead
    if pair := find_pair(goal.lead, metric, goal.best, DEGRADED):
        whole = beside_input(goal)
        is_clear = pair.outcome == "better" and not goal.improves
        is_reverse = whole is not None and advantage(pair, metric) * advantage(whole, goal.metrics.score) < 0
        start = capital(f"{_alone(metric)}, though, ") if is_clear or is_reverse else ""
        yield f"{start}{goal.best} is {gap(pair, metric, INPUT)}."


def _as_good(goal: GoalAdvice, loss: str, costs: Mapping[str, float]) -> str:
    metric, pair = goal.metrics.lead, _lead_pair(goal, loss)
    parts = [f"{loss} is as good as {goal.best}", gap(pair, metric) if pair else ""]
    if cost := cost_beside(costs, loss, goal.best):
        parts.append(cost)
    return f"{', '.join(part for part in parts if part)}."


def _doubt(goal: GoalAdvice, loss: str) -> str:
    """That it is undecided which of two losses is better, and why."""
    metric, pair = goal.metrics.lead, _lead_pair(goal, loss)
    start = f"Whether {loss} is as good as {goal.best} is undecided"
    if pair is None:
        return f"{start}: they have no seed in common."
    if pair.outcome != "undecided":
        verb = "is as good" if pair.outcome == "equivalent" else f"is {pair.outcome}"
        return f"{start}, though {_alone(metric)} it {verb}: {gap(pair, metric)}."
    if pair.variation is None:
        return f"{start}: it is {gap(pair, metric)}, from one picture and one seed."
    return f"{start}: it is {gap(pair, metric)}, and {_cause(pair, goal)}."


def _alone(metric: Metric) -> str:
    """Naming the metric, where its numbers do not."""
    return f"in {metric.label} alone" if metric.unit else "by one metric alone"


def _cause(pair: Difference, goal: GoalAdvice) -> str:
    """Why a difference is not known better."""
    variation, metric = pair.variation, goal.metrics.lead
    if variation is None:
        return "nothing shows how sure that is"
    extent = amount(metric, variation.extent)
    if variation.over == "other seeds":
        return f"seeds of other losses differ by {extent}"
    if variation.over == "seeds":
        return f"{'its two' if variation.number == 2 else 'its'} seeds differ by {extent}"
    return f"the {'two ' if variation.number == 2 else ''}test pictures disagree by {extent}"


def _time(goal: GoalAdvice, seeds: Mapping[str, int], run_seconds: Mapping[str, float]) -> str:
    """How long so many seeds of losses train, and as many of the best loss, which serve all its rivals."""
    numbers = {**seeds, goal.best: max(seeds.values())}
    if not all(loss in run_seconds for loss in numbers):
        return ""
    time = duration(sum(number * run_seconds[loss] for loss, number in numbers.items()))
    return f", {time}{' in all' if len(seeds) > 1 else ''},"


def _objections(goal: GoalAdvice) -> Iterator[str]:
    """The metrics that say the opposite of the goal: by them the choice is worse than what it is preferred to."""
    choice = goal.take or goal.best
    by_names: dict[tuple[str, ...], list[str]] = {}
    for metric in goal.metrics.metrics:
        pairs = [pair.seen_from(choice) for pair in goal.by_metric if choice in (pair.first, pair.second)]
        worse_than = [
            pair.second
            for pair in pairs
            if pair.metric == metric.name and pair.outcome == "worse" and _is_preferred(goal, choice, pair.second)
        ]
        if worse_than:
            by_names.setdefault(tuple(map(name_of, worse_than)), []).append(metric.label)
    for names, labels in by_names.items():
        yield f"By {listed(labels)}, though, {choice} is worse than {listed(names)}."


def _is_preferred(goal: GoalAdvice, choice: str, other: str) -> bool:
    pair = find_pair(goal.differences, goal.metrics.score, choice, other)
    return pair is not None and pair.outcome in ("better", "equivalent")


def _pattern(advice: Advice, goal: GoalAdvice) -> Iterator[str]:
    """A caution where the choice clearly has more energy at the upsampling grid than the original."""
    choice, grid = goal.take or goal.best, advice.grid
    if grid is None or choice not in grid.means:
        return
    low, high = grid.intervals[choice]
    if low > advice.criteria.margin(grid.metric):
        energy = number(grid.metric, grid.means[choice])
        yield (
            f"Look at its pictures closely: {choice} puts {energy} more energy at the upsampling grid than the "
            f"originals have ({low:.{grid.metric.digits}f} to {high:.{grid.metric.digits}f}), which can show as a "
            "pattern of small squares."
        )


__all__ = ["avoidance", "details", "exclusions", "standing_beside_input", "what_would_decide"]
