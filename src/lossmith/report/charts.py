"""The data of the charts (differences, curves, distortion against perception), as plain JSON."""

from collections.abc import Sequence
from typing import Any

from lossmith.evaluation.results import Ranking
from lossmith.report.curves import curves_of
from lossmith.report.data import ReportData
from lossmith.report.formatting import finite
from lossmith.report.methods import Method

DISTORTION = ("psnr", "l2", "mse", "l1")
PERCEPTION = ("lpips", "dists", "gmsd", "iw_ssim", "fsimc", "fsim", "ms_ssim", "ssim")
"""In order of preference; a name counts when it begins so, for `lpips_alex` and `lpips_vgg`."""


def chart_data(contents: ReportData, methods: Sequence[Method]) -> dict[str, Any]:
    """Everything the charts show; methods and metrics are referred to by their index."""
    axes = plane_axes(contents.rankings)
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
                "best": _index(methods, ranking.order[0]) if ranking.order else None,
            }
            for ranking in contents.rankings
        ],
        "differences": _differences(contents, methods),
        "curves": curves_of(contents, methods),
        "plane": None if axes is None else _plane(contents, methods, axes),
    }


def plane_axes(rankings: Sequence[Ranking]) -> tuple[Ranking, Ranking] | None:
    """The most usual distortion and the best perceptual metric of those that were measured."""
    distortion = _preferred(rankings, DISTORTION)
    perception = _preferred(rankings, PERCEPTION)
    return (distortion, perception) if distortion and perception else None


def _preferred(rankings: Sequence[Ranking], names: Sequence[str]) -> Ranking | None:
    return next((s for name in names for s in rankings if s.metric.name.startswith(name)), None)


def _index(methods: Sequence[Method], name: str) -> int | None:
    return next((i for i, method in enumerate(methods) if method.name == name), None)


def _differences(contents: ReportData, methods: Sequence[Method]) -> list[list[Any]]:
    """[metric, first, second, mean, low, high, won by first] of each pair; a tie on an image counts half."""
    entries = []
    for position, ranking in enumerate(contents.rankings):
        for pair in contents.differences:
            first, second = _index(methods, pair.first), _index(methods, pair.second)
            if pair.metric == ranking.metric.name and first is not None and second is not None:
                values = (pair.mean, pair.low, pair.high, pair.win_rate)
                entries.append([position, first, second, *map(finite, values)])
    return entries


def _plane(contents: ReportData, methods: Sequence[Method], axes: tuple[Ranking, Ranking]) -> dict[str, Any]:
    positions = [contents.rankings.index(axis) for axis in axes]
    points = [
        {"method": index, "x": finite(axes[0].means[method.name]), "y": finite(axes[1].means[method.name])}
        for index, method in enumerate(methods)
        if method.name in axes[0].means and method.name in axes[1].means
    ]
    return {"x": positions[0], "y": positions[1], "points": points}
