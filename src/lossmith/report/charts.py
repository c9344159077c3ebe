"""The data of the charts (differences, curves, distortion against perception), as plain JSON."""

from collections.abc import Sequence
from typing import Any

from lossmith.evaluation.results import DEGRADED, Difference, Ranking
from lossmith.report.curves import curves_of
from lossmith.report.data import ReportData
from lossmith.report.formatting import finite
from lossmith.report.methods import Method
from lossmith.report.results_table import excluded_judges

DISTORTION = ("psnr", "l2", "mse", "l1")
PERCEPTION = ("efficientnet", "lpips", "dists", "niqe", "gmsd", "iw_ssim", "fsimc", "fsim", "ms_ssim", "ssim")
"""In order of preference; a name counts when it begins so, for `lpips_alex` and `lpips_vgg`."""


def chart_data(contents: ReportData, methods: Sequence[Method]) -> dict[str, Any]:
    """Everything the charts show; methods and measures (goals, then metrics) are referred to by their index."""
    measures = measures_of(contents)
    axes = plane_axes(contents)
    return {
        "methods": [
            {
                "label": method.label,
                "style": method.style,
                "shape": method.shape,
                "kind": method.kind,
                "failed": method.failure is not None,
                "milliseconds": None if method.milliseconds is None else finite(method.milliseconds),
            }
            for method in methods
        ],
        "metrics": [
            {
                "label": ranking.metric.label,
                "unit": ranking.metric.unit,
                "digits": ranking.metric.digits,
                "higher": ranking.metric.higher_is_better,
                "best": _index(methods, next((n for n in ranking.order if n != DEGRADED), DEGRADED)),
                "margin": finite(max((d.margin for d in pairs), default=0.0)),
                "confidence": finite(100 * max((d.confidence for d in pairs), default=0.95)),
                "goal": ranking.metric.name == ranking.metric.goal,
            }
            for ranking, pairs in measures
        ],
        "differences": _differences(measures, methods),
        "curves": curves_of(contents, methods),
        "plane": None if axes is None else _plane(measures, methods, axes),
    }


def measures_of(contents: ReportData) -> list[tuple[Ranking, list[Difference]]]:
    """The rankings of the goals, then those of the metrics, each with the differences of its pairs."""
    goals = [(goal.ranking, list(goal.differences)) for goal in contents.advice.goals]
    return goals + [(r, [d for d in contents.differences if d.metric == r.metric.name]) for r in contents.rankings]


def plane_axes(contents: ReportData) -> tuple[Ranking, Ranking] | None:
    """The most usual distortion, and the judge that leads perception, or else the best one that may judge."""
    perception = contents.advice.of("perception")
    lead = (perception.metrics.lead.name,) if perception else ()
    excluded = excluded_judges(contents.advice)
    rankings = [ranking for ranking in contents.rankings if ranking.metric.name not in excluded]
    horizontal = _preferred(rankings, DISTORTION)
    vertical = _preferred(rankings, lead + PERCEPTION)
    return (horizontal, vertical) if horizontal and vertical else None


def front_of(x: Ranking, y: Ranking) -> list[str]:
    """The losses that no other beats on both axes at once, from the best on the horizontal one on."""

    def gains(name: str) -> tuple[float, float]:
        return tuple(r.means[name] * (1 if r.metric.higher_is_better else -1) for r in (x, y))  # type: ignore[return-value]

    front: list[str] = []
    for name in sorted((n for n in x.means if n in y.means and n != DEGRADED), key=gains, reverse=True):
        if not front or gains(name)[1] > gains(front[-1])[1]:
            front.append(name)
    return front


def _preferred(rankings: Sequence[Ranking], names: Sequence[str]) -> Ranking | None:
    return next((s for name in names for s in rankings if s.metric.name.startswith(name)), None)


def _index(methods: Sequence[Method], name: str) -> int | None:
    return next((i for i, method in enumerate(methods) if method.name == name), None)


def _differences(
    measures: Sequence[tuple[Ranking, Sequence[Difference]]], methods: Sequence[Method]
) -> list[list[Any]]:
    """[measure, first, second, mean, low, high, won by first, outcome] of each pair."""
    entries = []
    for position, (_, pairs) in enumerate(measures):
        for pair in pairs:
            first, second = _index(methods, pair.first), _index(methods, pair.second)
            if first is not None and second is not None:
                values = (pair.mean, pair.low, pair.high, pair.win_rate)
                entries.append([position, first, second, *map(finite, values), pair.outcome])
    return entries


def _plane(
    measures: Sequence[tuple[Ranking, Sequence[Difference]]],
    methods: Sequence[Method],
    axes: tuple[Ranking, Ranking],
) -> dict[str, Any]:
    rankings = [ranking for ranking, _ in measures]
    points = [
        {"method": index, "x": finite(axes[0].means[method.name]), "y": finite(axes[1].means[method.name])}
        for index, method in enumerate(methods)
        if method.name in axes[0].means and method.name in axes[1].means
    ]
    front = [_index(methods, name) for name in front_of(*axes)]
    return {"x": rankings.index(axes[0]), "y": rankings.index(axes[1]), "points": points, "front": front}
