"""Who pulls how much, and against whom: the shares and cosines of a loss's terms over the steps, and in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from lossmith.evaluation.pulls import MeanPulls, Pulls
from lossmith.expressions import brief
from lossmith.report.curves import Line, mean_line
from lossmith.report.data import LossResult, ReportData
from lossmith.report.formatting import number, percent
from lossmith.report.methods import Method

TINTS = (100, 52, 24, 76, 38, 12)
"""Percent of the loss's color in the areas of its terms; neighbors differ by a step that is easy to see."""
DASHES = ("none", "6 4", "1.5 4", "10 4 2 4", "14 5", "3 3")
"""Of the lines of pairs of terms."""
SAME, AGAINST = 0.2, -0.2
"""Cosines from which on two terms pull in the same direction, or against each other."""
CHANGE = 0.1
"""A change of a share during a run that is worth a sentence."""


@dataclass(frozen=True)
class Words:
    """A stretch of a sentence; expressions are set as such."""

    text: str
    is_expression: bool = False


@dataclass(frozen=True)
class Series:
    """One term, or one pair of terms."""

    labels: tuple[str, ...]
    """The expression of the term, or those of both."""
    mean: str
    """Over all looks and seeds."""
    change: str
    """From the first look to the last; empty where there is one look."""
    share: float
    """The mean itself, in percent or as a cosine."""
    tint: int
    dash: str
    drawing: str
    """An SVG path in a square of 100 x 100: an area, or a line; empty where there is one look."""
    seeds: tuple[str, ...] = ()
    """The same of each seed, where there are several."""


@dataclass(frozen=True)
class PullsView:
    """One loss, as the page shows it."""

    method: Method
    sentence: list[Words]
    shares: list[Series]
    cosines: list[Series]
    first: int
    last: int
    """Steps of the first and the last look."""
    seeds: int
    in_numbers: str = ""
    """The loss with the numbers that the first seed found for its percentages."""

    @property
    def is_over_time(self) -> bool:
        """Whether there is something to draw: two looks, at least."""
        return self.first < self.last


def pulls_views(contents: ReportData, methods: Sequence[Method]) -> list[PullsView]:
    """The losses of several terms whose runs looked at their gradients, in their order."""
    by_name = {method.name: method for method in methods}
    return [_view(result, by_name[result.loss]) for result in contents.results if any(map(_looked, result.pulls))]


def _looked(pulls: Pulls) -> bool:
    return bool(pulls.steps)


def _view(result: LossResult, method: Method) -> PullsView:
    runs = list(filter(_looked, result.pulls))
    mean = MeanPulls.of(runs)
    shares = {term: _over_seeds([_line(run, run.shares.get(term, [])) for run in runs]) for term in mean.shares}
    cosines = {pair: [_line(run, run.cosines.get(pair, [])) for run in runs] for pair in mean.cosines}
    ends = min(run.steps[0] for run in runs), max(run.steps[-1] for run in runs)
    areas = _areas([values for _, values in shares.values()], next(iter(shares.values()))[0], ends)
    return PullsView(
        method,
        _sentences(runs),
        [
            Series(
                (brief(term),),
                percent(mean.shares[term]),
                _change(values, percent),
                100 * mean.shares[term],
                TINTS[index % len(TINTS)],
                DASHES[0],
                areas[index],
            )
            for index, (term, (_, values)) in enumerate(shares.items())
        ],
        [
            _cosine(pair, mean.cosines[pair], index, lines, ends)
            for index, (pair, lines) in enumerate(cosines.items())
        ],
        *ends,
        len(runs),
        next(map(brief, result.in_numbers), ""),
    )


def _cosine(
    pair: tuple[str, str], mean: float, index: int, lines: Sequence[Line], ends: tuple[int, int]
) -> Series:
    lines = [(steps[ok], values[ok]) for steps, values in lines if (ok := np.isfinite(values)).any()]
    steps, values = _over_seeds(lines)
    drawn = [_polyline(line, ends) for line in ([(steps, values)] + lines * (len(lines) > 1))]
    return Series(
        (brief(pair[0]), brief(pair[1])),
        number(mean, 2),
        _change(values, lambda cosine: number(cosine, 2)),
        mean,
        TINTS[0],
        DASHES[index % len(DASHES)],
        drawn[0] if len(steps) > 1 else "",
        tuple(drawn[1:]),
    )


def _line(run: Pulls, values: Sequence[float]) -> Line:
    padded = [*values, *[np.nan] * (len(run.steps) - len(values))]
    return np.asarray(run.steps, dtype=np.float64), np.asarray(padded, dtype=np.float64)


def _over_seeds(lines: Sequence[Line]) -> Line:
    """The mean over the runs; where their steps have nothing in common, the first run's."""
    return mean_line(lines) or lines[0]


def _areas(shares: Sequence[NDArray[np.float64]], steps: NDArray[np.float64], ends: tuple[int, int]) -> list[str]:
    """The paths of stacked areas, from the top; what has no value is nothing."""
    if len(steps) < 2:
        return [""] * len(shares)
    stacked = np.nan_to_num(np.stack(list(shares)))
    total = stacked.sum(0)
    edges = list(accumulate(stacked / np.where(total, total, 1), initial=np.zeros(len(steps))))
    across = _across(steps, ends)

    def points(edge: NDArray[np.float64], order: slice) -> str:
        return "L".join(f"{x:.2f} {100 * y:.2f}" for x, y in zip(across[order], edge[order], strict=True))

    forth, back = slice(None), slice(None, None, -1)
    return [f"M{points(upper, forth)}L{points(lower, back)}Z" for upper, lower in pairwise(edges)]


def _polyline(line: Line, ends: tuple[int, int]) -> str:
    steps, values = line
    points = zip(_across(steps, ends), 50 - 50 * values, strict=True)
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points)


def _across(steps: NDArray[np.float64], ends: tuple[int, int]) -> NDArray[np.float64]:
    return 100 * (steps - ends[0]) / max(1, ends[1] - ends[0])


def _sentences(runs: Sequence[Pulls]) -> list[Words]:
    """A sentence for the whole run, or one for each stage of a schedule in which there are several terms."""
    words: list[Words] = []
    for stage in zip(*(run.stages() for run in runs), strict=False):
        if words:
            words.append(Words(f" From step {min(run.steps[0] for run in stage):,} on: "))
        over_steps = {
            term: _over_seeds([_line(run, run.shares[term]) for run in stage])[1] for term in stage[0].shares
        }
        words.extend(pulls_in_words(MeanPulls.of(stage), over_steps))
    return words


def pulls_in_words(mean: MeanPulls, over_steps: Mapping[str, NDArray[np.float64]]) -> Iterator[Words]:
    """One sentence: the shares, how the terms stand to each other, and what changed during the run.

    >>> mean = MeanPulls({"l1": 0.83, "0.1*ssim": 0.17}, {("l1", "0.1*ssim"): 0.4})
    >>> "".join(words.text for words in pulls_in_words(mean, {}))
    'l1 pulls 83 %, 0.1*ssim 17 %; they pull in the same direction (cosine 0.40).'
    """
    verb = " pulls "
    for index, (term, share) in enumerate(mean.shares.items()):
        yield from (Words(", " if index else ""), Words(brief(term), True), Words(verb + percent(share)))
        verb = " "
    yield from _standing(mean.cosines)
    yield from _greatest_change(over_steps)
    yield Words(".")


def _standing(cosines: Mapping[tuple[str, str], float]) -> Iterator[Words]:
    if len(cosines) == 1:
        (cosine,) = cosines.values()
        yield Words(f"; they {_how(cosine)} (cosine {number(cosine, 2)})")
    elif cosines:
        ordered = sorted(cosines, key=lambda pair: -cosines[pair])
        for pair, begin in ((ordered[0], "; "), (ordered[-1], ", ")):
            yield from (Words(begin), Words(brief(pair[0]), True), Words(" and "), Words(brief(pair[1]), True))
            yield Words(f" {_how(cosines[pair])} (cosine {number(cosines[pair], 2)})")


def _how(cosine: float) -> str:
    if cosine >= SAME:
        return "pull in the same direction"
    return "pull against each other" if cosine <= AGAINST else "pull at different things"


def _greatest_change(over_steps: Mapping[str, NDArray[np.float64]]) -> Iterator[Words]:
    changes = {term: values[-1] - values[0] for term, values in over_steps.items() if len(values) > 1}
    term = max(changes, key=lambda term: abs(changes[term]), default=None)
    if term is not None and abs(changes[term]) >= CHANGE:
        first, last = percent(over_steps[term][0]), percent(over_steps[term][-1])
        verb = "rose" if changes[term] > 0 else "fell"
        yield from (Words("; the share of "), Words(brief(term), True), Words(f" {verb} from {first} to {last}"))


def _change(values: NDArray[np.float64], text: Callable[[float], str]) -> str:
    known = values[np.isfinite(values)]
    ends = (text(float(known[0])), text(float(known[-1]))) if len(known) > 1 else ()
    return " \N{RIGHTWARDS ARROW} ".join(ends)


__all__ = ["PullsView", "Series", "Words", "pulls_in_words", "pulls_views"]
