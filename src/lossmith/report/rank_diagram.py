"""The critical-difference diagram of mean ranks, as places in an SVG.

Source: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 2006.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossmith.report.formatting import number

WIDE, LEAST, MOST = 1130, 360, 520
"""Width that names and axis share, and the bounds of the axis' length; in the units of the SVG, a pixel each."""
LETTER = 7.5
"""Width of a letter of the names."""
LINE = 19
"""Distance of two names."""
BAR = 9
"""Distance of two bars."""
TOP, EDGE = 58, 12


@dataclass(frozen=True)
class Leaf:
    """A name, at the end of a line that goes down from its rank on the axis and turns outward."""

    name: str
    rank: float
    x: float
    """On the axis."""
    y: float
    left: bool
    """Whether its name stands on the left, with the better half."""


@dataclass(frozen=True)
class Bar:
    """Joins what cannot be told apart."""

    start: float
    end: float
    y: float


@dataclass(frozen=True)
class RankDiagram:
    """Ranks along an axis, the best on the left."""

    width: float
    height: float
    start: float
    end: float
    """Where the axis begins and ends."""
    ticks: list[tuple[float, str]]
    leaves: list[Leaf]
    bars: list[Bar]
    critical: Bar | None
    """As long as the critical difference, above the axis; None if it is longer than the axis, or not known."""

    axis = TOP

    @property
    def top(self) -> float:
        """Where the drawing begins: there is nothing above the axis but the critical difference."""
        return 0.0 if self.critical else EDGE + 16.0


def rank_diagram(
    ranks: Mapping[str, float], cliques: Sequence[Sequence[str]], critical_difference: float = math.nan
) -> RankDiagram:
    """Where everything lies.

    `ranks` are the mean ranks by name, each 1 to the number of names; `cliques` cannot be told apart.
    """
    last = max(2, len(ranks))
    gutter = LETTER * max(map(len, ranks), default=0) + 64  # the rank and the mark stand beside the name
    length = min(max(WIDE - 2 * gutter, LEAST), MOST)
    start, end = gutter, gutter + length

    def place(rank: float) -> float:
        return round(start + (rank - 1) / (last - 1) * length, 1)

    spans = [(min(ranks[name] for name in clique), max(ranks[name] for name in clique)) for clique in cliques]
    levels = _levels(spans)
    bars = [
        Bar(place(low) - 4, place(high) + 4, TOP + BAR * (level + 1))
        for (low, high), level in zip(spans, levels, strict=True)
    ]
    order = sorted(ranks, key=lambda name: (ranks[name], name))
    half = math.ceil(len(order) / 2)
    first = TOP + BAR * (max(levels, default=-1) + 1) + 22
    places = [(name, row, True) for row, name in enumerate(order[:half])]
    places += [(name, row, False) for row, name in enumerate(reversed(order[half:]))]
    shown = math.isfinite(critical_difference) and critical_difference <= last - 1
    step = max(1, math.ceil((last - 1) / 12))
    return RankDiagram(
        width=2 * gutter + length,
        height=first + LINE * (half - 1) + EDGE,
        start=start,
        end=end,
        ticks=[(place(rank), number(rank, 0)) for rank in range(1, last + 1, step)],
        leaves=[
            Leaf(name, ranks[name], place(ranks[name]), first + LINE * row, left) for name, row, left in places
        ],
        bars=bars,
        critical=Bar(start, place(1 + critical_difference), EDGE + 12) if shown else None,
    )


def _levels(spans: Sequence[tuple[float, float]]) -> list[int]:
    """For each span the first level in which it touches no span before it.

    >>> _levels([(1.0, 3.0), (2.0, 4.0), (3.5, 5.0)])
    [0, 1, 0]
    """
    ends: list[float] = []
    levels = []
    for low, high in spans:
        level = next((i for i, end in enumerate(ends) if end < low), len(ends))
        ends[level : level + 1] = [high]
        levels.append(level)
    return levels


__all__ = ["Bar", "Leaf", "RankDiagram", "rank_diagram"]
