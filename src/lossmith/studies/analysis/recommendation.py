"""Which layer of which network to use, in a sentence or two for those who train."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lossmith.studies.analysis.results import BenchmarkResult, Facts
from lossmith.studies.analysis.tables import BASELINE, MetricTable
from lossmith.studies.analysis.words import lead, listed, score_text
from lossmith.studies.configuration import Configuration

MUCH_CHEAPER = 0.9
"""The part of the best one's cost below which an equally good layer is worth naming."""
MANY = 3
"""As many layers are named."""


def recommend(
    result: BenchmarkResult,
    table: MetricTable | None,
    facts: Mapping[str, Facts],
    others: Sequence[MetricTable] = (),
) -> str:
    """The best layer, how it compares with the baseline, what is as good and cheaper, and what it costs.

    Then, where they say something else, what is best by other metrics: squared differences of pixels are what PSNR
    measures, so by PSNR no layer can be expected to beat them.

    A layer that is not known to beat the baseline is not recommended, and random weights are called so. The
    interval of the lead allows for the choice of the best of so many layers.

    Parameters
    ----------
    result
        The benchmark.
    table
        Its table in the metric that decides; None without scores.
    facts
        By name of configuration; the cost of a loss is from there, or else that of a training step.
    others
        The tables in other metrics.
    """
    task = _task(result.title)
    if table is None:
        return f"Nothing can be said of {task}: no configuration has a score."
    by_name = {c.name: c for c in result.configurations if c.name in table.names}
    layers = [name for name in by_name if name != BASELINE]
    if not layers:
        score = score_text(table.metric, table.score(BASELINE).value)
        return f"Nothing can be said of {task}: only {_the(result.baseline)} has a score ({score})."
    costs = _costs(layers, result, facts)
    winners = table.known_to_beat(BASELINE, layers, len(layers))
    best, *ties = table.ties(layers, first=winners[0] if winners else "")
    sentences = [_headline(task, table, best, result.baseline, costs, len(layers))]
    if winners or BASELINE not in table.names:
        sentences += [_ties(best, ties, len(layers), costs), _weights(table, best, by_name)]
    sentences.append(_by_others(others, best if winners else "", len(layers), _the(result.baseline)))
    if all(by_name[name].random for name in layers):
        sentences.append("All networks here have random weights, so this says nothing of trained ones.")
    return " ".join(filter(None, sentences))


def _headline(task: str, table: MetricTable, best: str, baseline: str, costs: "_Costs", layers: int) -> str:
    score = score_text(table.metric, table.score(best).value)
    cost = f"; {costs.what} {_milliseconds(costs.of[best])}" if best in costs.of else ""
    if BASELINE not in table.names:
        return f"For {task} use {best} ({score}{cost}); the baseline has no score to compare it with."
    gain, reference = table.gain([best], [BASELINE], layers), _the(baseline)
    if table.is_worse(BASELINE, best, layers):
        return f"For {task} use {best} ({score}, {lead(table.metric, gain)} better than {reference}{cost})."
    beaten = f"{reference} ({score_text(table.metric, table.score(BASELINE).value)})"
    if table.is_worse(best, BASELINE, layers):
        return f"For {task} no layer beat {beaten}: the best, {best}, is {lead(table.metric, gain)} worse."
    side = f"{lead(table.metric, gain)} {'better' if gain.value > 0 else 'worse'}" if gain.value else "equal to it"
    doubt = "the two are not distinguishable" if gain.has_interval else "one score of each tells no more"
    return f"For {task} no layer is known to beat {beaten}: the best, {best}, is {side}, and {doubt}."


def _ties(best: str, ties: Sequence[str], layers: int, costs: "_Costs") -> str:
    """What is not distinguishable from the best, and what of it costs the least."""
    if not ties:
        return ""
    cheapest = min(ties, key=lambda name: costs.of.get(name, math.inf))
    share = costs.of.get(cheapest, math.nan) / costs.of.get(best, math.nan)  # nan, which is not less, if unknown
    price = (
        f"costs {100 * share:.0f} % of it ({_milliseconds(costs.of[cheapest])})" if share < MUCH_CHEAPER else ""
    )
    if len(ties) == layers - 1 > MANY:
        return f"No other layer is distinguishable from it{f'; {cheapest} {price}' if price else ''}."
    if not price:
        return f"{listed(ties)} {_are(ties)} not distinguishable from it."
    others = [name for name in ties if name != cheapest]
    more = f"; nor {_are(others)} {listed(others)}" if others else ""
    return f"{cheapest} is not distinguishable from it and {price}{more}."


def _weights(table: MetricTable, best: str, by_name: Mapping[str, Configuration]) -> str:
    """How far the best trained weights are behind random ones, if those are the best."""
    trained = [name for name, c in by_name.items() if c.network is not None and not c.random]
    if not trained or not by_name[best].random:
        return ""
    second = table.ranked(trained)[0]
    found = f"The weights of {best} are random; the best trained layer, {second}, is"
    if not table.is_worse(second, best, len(by_name)):
        return f"{found} not distinguishable from it."
    return f"{found} {lead(table.metric, table.gain([best], [second], len(by_name)))} worse."


def _by_others(others: Sequence[MetricTable], recommended: str, layers: int, baseline: str) -> str:
    """Which layers beat the baseline by other metrics, and by which none does; those that agree are not named.

    What is claimed holds for all layers and metrics at once.
    """
    metrics: dict[str, list[str]] = {}  # by the layer that beats the baseline, or "" for none
    for table in others:
        names = [name for name in table.names if name != BASELINE]
        if names and BASELINE in table.names:
            winners = table.known_to_beat(BASELINE, names, len(names) * len(others))
            agrees = recommended in winners and not table.is_worse(recommended, winners[0], len(names))
            part = f" (among {len(names)} of {layers} layers)" if len(names) < layers else ""
            winner = recommended if agrees else next(iter(winners), "")
            metrics.setdefault(winner, []).append(table.metric.label + part)
    none = metrics.pop("", [])
    named = [f"{name} by {listed(of, most=len(of))}" for name, of in metrics.items() if name != recommended]
    sentences = [f"Known to beat {baseline} by other metrics: {'; '.join(named)}."] if named else []
    if none:
        task = "to" if named else f"to beat {baseline}"
        sentences.append(f"By {listed(none, 'or', len(none))}, no layer is known {task}.")
    return " ".join(sentences)


class _Costs(NamedTuple):
    of: Mapping[str, float]
    """Milliseconds by name, where known."""
    what: str
    """The words before them."""


def _costs(names: Sequence[str], result: BenchmarkResult, facts: Mapping[str, Facts]) -> _Costs:
    """Those of the losses where all are known, or else of the training steps."""
    losses = {name: facts.get(name, Facts()).milliseconds for name in names}
    if not any(map(math.isnan, losses.values())):
        return _Costs(losses, "its loss takes")
    steps = {name: result.milliseconds_per_step.get(name, math.nan) for name in names}
    return _Costs({name: cost for name, cost in steps.items() if not math.isnan(cost)}, "a step takes")


def _milliseconds(cost: float) -> str:
    return f"{cost:.{0 if cost >= 100 else 1}f} ms"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _task(title: str) -> str:
    """A title within a sentence; abbreviations stay.

    >>> _task("Super-resolution"), _task("JND")
    ('super-resolution', 'JND')
    """
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _the(baseline: str) -> str:
    return baseline if baseline.startswith(("the ", "a ", "an ")) else f"the {baseline}"


__all__ = ["recommend"]
