"""The one-file page of a blend: a strip of details over alpha, and the curve between distortion and perception."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossmith.metrics.registry import Metric
from lossmith.report.data import Pixels
from lossmith.report.formatting import number
from lossmith.report.images import data_uri
from lossmith.report.scatter import round_step
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "blend")
SCRIPTS = ("blend",)
WIDE, TALL = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 24, 52
"""The chart and its margins, in its own units."""


@dataclass(frozen=True)
class Point:
    """The mean scores of one blend."""

    alpha: float
    scores: dict[str, float]


@dataclass(frozen=True)
class Strip:
    """One detail of a test image, at every alpha, for each way of mixing."""

    image: str
    degraded: Pixels
    target: Pixels
    mixed: dict[str, list[Pixels]]
    spread: float
    """Mean absolute difference of the ends, in 8-bit levels."""


@dataclass(frozen=True)
class BlendContents:
    """The content of the page; `points` and the strips' `mixed` have the ways `weights` and `images`."""

    names: tuple[str, str]
    degradation: str
    network: str
    protocol: str
    metrics: list[Metric]
    """The first is the distortion and the last the perception of the curve."""
    points: dict[str, list[Point]]
    strips: Sequence[Strip]
    images: int
    note: str
    command: str
    facts: dict[str, str]


@dataclass(frozen=True)
class Axis:
    """One metric along a side of the chart, better to the right or to the top."""

    metric: Metric
    low: float
    high: float
    start: float
    end: float
    """Where, in the chart's units, the worse and the better end lie."""

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        share = share if self.metric.higher_is_better else 1 - share
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round values within the axis, and how they are written."""
        step = round_step(self.high - self.low)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(self.place(k * step), number(k * step, digits)) for k in range(first, last + 1)]


@dataclass(frozen=True)
class Mark:
    """One blend on the chart."""

    x: float
    y: float
    alpha: float
    words: str


def write_blend(path: Path, contents: BlendContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped."""
    axes = axes_of(contents)
    write_page(
        path,
        "blend.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        verdict=verdict(contents),
        data_uri=data_uri,
        number=number,
        axes=axes,
        marks={} if axes is None else {way: _marks(points, axes) for way, points in contents.points.items()},
        box=(WIDE, TALL),
        frame=(LEFT, TOP, WIDE - RIGHT, TALL - BOTTOM),
        alphas=[point.alpha for point in contents.points["weights"]],
    )


def verdict(contents: BlendContents) -> str:
    """Whether mixing the weights is worth it: is any alpha in between better than both ends?

    Of the chart's two metrics; the best alpha is named for each in which there is one.
    """
    first, *between, last = contents.points["weights"]
    metrics = (contents.metrics[0], contents.metrics[-1])
    gains = []
    for metric in metrics:
        sign, name = (1 if metric.higher_is_better else -1), metric.name
        best = max(between, key=lambda point: sign * point.scores[name], default=first)
        min_gain = 10.0**-metric.digits  # smaller differences are not visible in the printed digits
        if all(sign * (best.scores[name] - end.scores[name]) >= min_gain for end in (first, last)):
            gains.append(f"{metric.label} is best at alpha {best.alpha:g}, {_format_score(metric, best)}")
    ends = " and ".join(
        f"{metric.label} goes from {_format_score(metric, first)} to {_format_score(metric, last)}"
        for metric in metrics
    )
    if not gains:
        labels = " or ".join(metric.label for metric in metrics)
        return f"No alpha is better than both ends in {labels}: from alpha 0 to 1 {ends}."
    return f"{'; '.join(gains)}: better than at both ends. From alpha 0 to 1 {ends}."


def _format_score(metric: Metric, point: Point) -> str:
    return f"{number(point.scores[metric.name], metric.digits)} {metric.unit}".strip()


def axes_of(contents: BlendContents) -> tuple[Axis, Axis] | None:
    """Distortion across and perception up, with some air; None where nothing finite was measured."""
    points = [point for line in contents.points.values() for point in line]
    spans = [(metric, [point.scores[metric.name] for point in points]) for metric in contents.metrics]
    (distortion, across), (perception, up) = spans[0], spans[-1]
    if not np.isfinite([*across, *up]).all():
        return None
    return (
        Axis(distortion, *_airy(across), LEFT, WIDE - RIGHT),
        Axis(perception, *_airy(up), TALL - BOTTOM, TOP),
    )


def _airy(values: Sequence[float]) -> tuple[float, float]:
    air = 0.1 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1.0
    return min(values) - air, max(values) + air


def _marks(points: Sequence[Point], axes: tuple[Axis, Axis]) -> list[Mark]:
    marks = []
    for point in points:
        x, y = (point.scores[axis.metric.name] for axis in axes)
        coordinates = zip(axes, (x, y), strict=True)
        words = ", ".join(
            f"{axis.metric.label} {number(value, axis.metric.digits)}" for axis, value in coordinates
        )
        marks.append(Mark(axes[0].place(x), axes[1].place(y), point.alpha, words))
    return marks
