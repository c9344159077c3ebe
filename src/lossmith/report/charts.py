"""What the script draws: the values behind the differences, the curves and the plane, as plain JSON."""

from collections.abc import Sequence
from typing import Any

from lossmith.evaluation.results import Standing
from lossmith.report.contents import Contents
from lossmith.report.curves import curves_of
from lossmith.report.methods import Method
from lossmith.report.numbers import finite

DISTORTION = ("psnr", "l2", "mse", "l1")
PERCEPTION = ("lpips", "dists", "gmsd", "iw_ssim", "fsimc", "fsim", "ms_ssim", "ssim")
"""In order of preference; a name counts when it begins so, for `lpips_alex` and `lpips_vgg`."""


def chart_data(contents: Contents, methods: Sequence[Method]) -> dict[str, Any]:
    """Everything the charts show; methods and metrics are referred to by their index."""
    axes = plane_axes(contents.standings)
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
                "label": standing.metric.label,
                "unit": standing.metric.unit,
                "digits": standing.metric.digits,
                "higher": standing.metric.higher_is_better,
                "best": _index(methods, standing.order[0]) if standing.order else None,
            }
            for standing in contents.standings
        ],
        "differences": _differences(contents, methods),
        "curves": curves_of(contents, methods),
        "plane": None if axes is None else _plane(contents, methods, axes),
    }


def plane_axes(standings: Sequence[Standing]) -> tuple[Standing, Standing] | None:
    """The most usual distortion and the best perceptual metric of those that were measured."""
    distortion = _preferred(standings, DISTORTION)
    perception = _preferred(standings, PERCEPTION)
    return (distortion, perception) if distortion and perception else None


def _preferred(standings: Sequence[Standing], names: Sequence[str]) -> Standing | None:
    return next((s for name in names for s in standings if s.metric.name.startswith(name)), None)


def _index(methods: Sequence[Method], name: str) -> int | None:
    return next((i for i, method in enumerate(methods) if method.name == name), None)


def _differences(contents: Contents, methods: Sequence[Method]) -> list[list[Any]]:
    """[metric, first, second, mean, low, high, won by first] of each pair; a tie on a picture counts half."""
    entries = []
    for position, standing in enumerate(contents.standings):
        for pair in contents.differences:
            first, second = _index(methods, pair.first), _index(methods, pair.second)
            if pair.metric == standing.metric.name and first is not None and second is not None:
                values = (pair.mean, pair.low, pair.high, pair.won)
                entries.append([position, first, second, *map(finite, values)])
    return entries


def _plane(contents: Contents, methods: Sequence[Method], axes: tuple[Standing, Standing]) -> dict[str, Any]:
    positions = [contents.standings.index(axis) for axis in axes]
    points = [
        {"method": index, "x": finite(axes[0].means[method.name]), "y": finite(axes[1].means[method.name])}
        for index, method in enumerate(methods)
        if method.name in axes[0].means and method.name in axes[1].means
    ]
    return {"x": positions[0], "y": positions[1], "points": points}
