"""Parts of sentences: numbers, names, distances between losses, and durations."""

import math
from collections.abc import Mapping, Sequence

from lossmith.evaluation.advice.advice import NOTABLY_CHEAPER, Advice, GoalAdvice
from lossmith.evaluation.results import DEGRADED, Difference, Variation
from lossmith.metrics.registry import GOALS, Metric

INPUT = "the degraded input"


def name_of(method: str) -> str:
    return INPUT if method == DEGRADED else method


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str], word: str = "and") -> str:
    """
    >>> listed(["l1", "l2", "mix"], "or")
    'l1, l2 or mix'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def few(names: Sequence[str], most: int = 3) -> str:
    """The names, or the first of them and how many others there are.

    >>> few(["l1", "l2", "mix", "tv", "ssim"])
    'l1, l2 and 3 others'
    """
    return listed(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} others"])


def count(number: int, noun: str) -> str:
    """
    >>> count(1, "more seed"), count(2, "more seed")
    ('1 more seed', '2 more seeds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def number(metric: Metric, value: float) -> str:
    return f"{value:.{digits(metric, value)}f} {metric.unit}".strip()


def digits(metric: Metric, value: float) -> int:
    """As many digits as the metric is shown with, or a few more where a small number would look like 0."""
    if value == 0:
        return metric.digits
    first = math.ceil(-math.log10(abs(value)) - 1e-6)  # the place of the first digit that is not 0
    return min(max(metric.digits, first), metric.digits + 3)


def rough(value: float) -> str:
    """Two significant digits, without exponents.

    >>> rough(2.0), rough(0.7512), rough(0.00123), rough(123.4)
    ('2', '0.75', '0.0012', '120')
    """
    if value == 0:
        return "0"
    places = 1 - math.floor(math.log10(abs(value)))
    text = f"{round(value, places):.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """
    >>> duration(42), duration(360), duration(9000), duration(3 * 86400)
    ('about 42 seconds', 'about 6 minutes', 'about 2.5 hours', 'about 3 days')
    """
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * size:
            return f"about {rough(seconds / size)} {unit}s"
    return f"about {max(1, round(seconds))} second{'' if round(seconds) <= 1 else 's'}"


def find_pair(differences: Sequence[Difference], metric: Metric, first: str, second: str) -> Difference | None:
    """The first minus the second in this metric; None where they were not compared."""
    pair = {first, second}
    for difference in differences:
        if difference.metric == metric.name and {difference.first, difference.second} == pair:
            return difference.seen_from(first)
    return None


def advantage(difference: Difference, metric: Metric) -> float:
    """By how much the first is better than the second."""
    return difference.mean if metric.higher_is_better else -difference.mean


def gap(difference: Difference, metric: Metric, rival: str = "") -> str:
    """How far the first is ahead of the second or behind it, and between which limits that is sure.

    >>> psnr = Metric("psnr", "PSNR", True, 2, "dB")
    >>> gap(Difference("psnr", "ssim", "l1", -0.75, -1.09, -0.41, 0.0, "worse"), psnr)
    '0.75 dB behind (0.41 to 1.09)'
    """
    ahead = advantage(difference, metric)
    if difference.mean == difference.low == difference.high == 0:
        return f"with the same {metric.label}"
    way = f" ahead{' of ' + rival if rival else ''}" if ahead >= 0 else f" behind{' ' + rival if rival else ''}"
    label = "" if metric.unit else f" in {metric.label}"
    limits = "" if math.isnan(difference.low) else f" ({_limits(difference, metric)})"
    return f"{number(metric, abs(ahead))}{way}{label}{limits}"


def _limits(difference: Difference, metric: Metric) -> str:
    low, high = difference.low, difference.high
    if difference.mean < 0:
        low, high = -high, -low
    places = digits(metric, difference.mean)
    return " to ".join(f"{round(end, places) + 0.0:.{places}f}" for end in (low, high))  # no "-0.00"


def amount(metric: Metric, value: float) -> str:
    return f"{rough(value)} {metric.unit}".strip()


def reason(variation: Variation, metric: Metric) -> str:
    """Why a difference is not known better, in a few words; of a goal's score no numbers, which have no unit.

    >>> psnr = Metric("psnr", "PSNR", True, 2, "dB")
    >>> reason(Variation("seeds", 3, 2.04), psnr), reason(Variation("images", 2, 0.5), psnr)
    ('seeds differ by 2 dB', 'two test pictures')
    """
    if variation.over == "images" and variation.number == 2:
        return "two test pictures"
    subject = {"images": "test pictures", "seeds": "seeds", "other seeds": "seeds of other losses"}[variation.over]
    return (
        f"{subject} disagree"
        if metric.name in GOALS
        else f"{subject} differ by {amount(metric, variation.extent)}"
    )


def cost_beside(costs: Mapping[str, float], loss: str, other: str) -> str:
    """How much longer or shorter a loss trains than another; empty where they take about as long.

    >>> cost_beside({"l1": 1.0, "mix": 3.1}, "mix", "l1"), cost_beside({"l1": 1.0, "mix": 3.1}, "l1", "mix")
    ('but trains 3.1 times as long', 'and trains 3.1 times as fast')
    """
    if loss not in costs or other not in costs:
        return ""
    if is_cheaper(costs, loss, other):
        return f"and trains {rough(costs[other] / costs[loss])} times as fast"
    if is_cheaper(costs, other, loss):
        return f"but trains {rough(costs[loss] / costs[other])} times as long"
    return ""


def is_cheaper(costs: Mapping[str, float], loss: str, other: str) -> bool:
    """Whether a loss notably takes less time than another, as far as both are known."""
    return loss in costs and other in costs and costs[loss] < NOTABLY_CHEAPER * costs[other]


def is_one_picture(goal: GoalAdvice) -> bool:
    return goal.ranking.images == 1


def is_one_seed(advice: Advice, goal: GoalAdvice) -> bool:
    """Whether nothing is known of other seeds, though they matter."""
    return goal.ranking.seeds == 1 and not advice.fixed_models


def beside_input(goal: GoalAdvice) -> Difference | None:
    """The best loss minus the degraded input, in the goal's score; None where this was not scored."""
    return find_pair(goal.differences, goal.metrics.score, goal.best, DEGRADED)


__all__ = [
    "INPUT",
    "advantage",
    "amount",
    "beside_input",
    "capital",
    "cost_beside",
    "count",
    "duration",
    "few",
    "find_pair",
    "gap",
    "is_cheaper",
    "is_one_picture",
    "is_one_seed",
    "listed",
    "name_of",
    "number",
    "reason",
    "rough",
]
