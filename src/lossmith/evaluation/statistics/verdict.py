"""The verdict of a tournament, in a sentence or two."""

import math
from collections.abc import Sequence

from lossmith.evaluation.results import DEGRADED, Difference, Ranking
from lossmith.evaluation.statistics.ranking import main_ranking
from lossmith.metrics.registry import Metric

INPUT = "the degraded input"


def verdict(rankings: Sequence[Ranking], differences: Sequence[Difference]) -> str:
    """The winner on PSNR (or else the first metric), its lead and its interval; then the other metrics' winners.

    `differences` should hold the pairs of that metric, including those with the degraded input. The text also says
    when there is no winner, when no method is better than the degraded input, and when the winner may not be.

    >>> psnr = Metric("psnr", "PSNR", True, 2, "dB")
    >>> result = Ranking(psnr, ("mix", "l1"), {"mix": 31.42, "l1": 31.21}, {}, ("mix",))
    >>> verdict([result], [Difference("psnr", "l1", "mix", -0.21, -0.27, -0.15, 0.1, "worse")])
    'mix wins on PSNR with 31.42 dB, 0.21 dB ahead of l1 (95 % interval 0.15 to 0.27).'
    """
    main = main_ranking(rankings)
    if main is None:
        return "Nothing could be compared: no method has scores for every image and seed."
    single = all(name in (main.order[0], DEGRADED) for name in main.order)
    # with one method there is no winner, but still report that it is worse than the input
    others = [
        ranking for ranking in rankings if ranking is not main and (not single or ranking.order[0] == DEGRADED)
    ]
    return " ".join(filter(None, [_headline(main, differences), _elsewhere(main, others)]))


def _headline(main: Ranking, differences: Sequence[Difference]) -> str:
    metric, best = main.metric, main.order[0]
    score = _number(metric, main.means[best])
    rivals = [name for name in main.order[1:] if name != DEGRADED]
    if best == DEGRADED:
        if not rivals:
            return f"Only {INPUT} was scored, with {score} {metric.label}."
        behind = _lead(main, differences, rivals[0])
        verb = "reaches" if rivals[0] not in main.leaders else "is known to beat"
        return f"No method {verb} {INPUT} on {metric.label}: it has {score}, {behind}."
    doubtful = _doubtful(main, differences)
    caveat = f", but it is not distinguishable from {INPUT}" if doubtful else ""
    if not rivals:
        return f"{best} is alone, with {score} {metric.label}{caveat}."
    ties = [name for name in main.leaders if name != best]
    if not ties:
        return f"{best} wins on {metric.label} with {score}, {_lead(main, differences, rivals[0])}{caveat}."
    amount, interval = _margin(main, differences, ties[0])
    first = f"{ties[0]} ({amount} behind{'; ' + interval if interval else ''})"
    more = ties[1:] if len(ties) <= 4 else [*ties[1:3], f"{len(ties) - 3} others"]
    tied = _listed([first, *more], "or") + (f", nor from {INPUT}" if doubtful else "")
    return f"No clear winner on {metric.label}: {best} ({score}) is not distinguishable from {tied}."


def _lead(main: Ranking, differences: Sequence[Difference], rival: str) -> str:
    """The lead of the best method over another, in words."""
    amount, interval = _margin(main, differences, rival)
    return f"{amount} ahead of {rival} ({interval})" if interval else f"{amount} ahead of {rival}"


def _margin(main: Ranking, differences: Sequence[Difference], rival: str) -> tuple[str, str]:
    """The difference of the best method from another, and its interval in words, if known."""
    metric, best = main.metric, main.order[0]
    margin = abs(main.means[best] - main.means[rival])
    difference = _find(differences, metric, best, rival)
    if difference is None:
        return _number(metric, margin), ""
    if math.isnan(difference.low):
        return _number(metric, margin), "one image and one seed give no interval"
    as_is = (difference.first == best) == metric.higher_is_better
    low, high = (difference.low, difference.high) if as_is else (-difference.high, -difference.low)
    digits = _digits(metric, margin)
    return _number(metric, margin), f"95 % interval {low:.{digits}f} to {high:.{digits}f}"


def _doubtful(main: Ranking, differences: Sequence[Difference]) -> bool:
    """Whether the best method is not significantly better than the degraded input."""
    difference = _find(differences, main.metric, main.order[0], DEGRADED)
    return difference is not None and not difference.significant


def _elsewhere(main: Ranking, others: Sequence[Ranking]) -> str:
    """The winners on the other metrics."""
    metrics_by_winner: dict[str, list[str]] = {}
    for ranking in others:
        beaten = ranking.order[0] == DEGRADED
        winner = DEGRADED if beaten else ranking.leaders[0] if len(ranking.leaders) == 1 else ""
        metrics_by_winner.setdefault(winner, []).append(ranking.metric.label)
    open_ones, beaten_ones = metrics_by_winner.pop("", []), metrics_by_winner.pop(DEGRADED, [])
    parts = [
        f"{name} {'also ' if main.leaders == (name,) else ''}wins on {_listed(labels)}"
        for name, labels in sorted(metrics_by_winner.items(), key=lambda item: item[0] != main.order[0])
    ]
    if open_ones:
        parts.append(f"{_listed(open_ones)} {'has' if len(open_ones) == 1 else 'have'} no clear winner")
    if beaten_ones:
        parts.append(f"no method is known to beat {INPUT} on {_listed(beaten_ones)}")
    text = "; ".join(parts)
    if not text:
        return ""
    return (text[0].upper() + text[1:] if text.startswith("no method") else text) + "."


def _find(differences: Sequence[Difference], metric: Metric, one: str, other: str) -> Difference | None:
    pair = {one, other}
    return next((d for d in differences if d.metric == metric.name and {d.first, d.second} == pair), None)


def _number(metric: Metric, value: float) -> str:
    return f"{value:.{_digits(metric, value)}f} {metric.unit}".strip()


def _digits(metric: Metric, value: float) -> int:
    """As many digits as the metric is shown with, or a few more where a small number would look like 0."""
    if value == 0:
        return metric.digits
    return min(max(metric.digits, math.ceil(-math.log10(abs(value)))), metric.digits + 3)


def _listed(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
