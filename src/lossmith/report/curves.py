"""Training curves, ready to be drawn: one line per seed and one for their mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.report.data import Curve, ReportData
from lossmith.report.formatting import finite
from lossmith.report.methods import Method

POINTS = 240
"""Points a line is thinned to; more than a screen can show side by side."""

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and values."""


def curves_of(contents: ReportData, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """The curves of each loss that took a step, by name: `psnr`, `loss`, and its terms if there are several."""
    entries = []
    for result in contents.results:
        index = next(i for i, method in enumerate(methods) if method.name == result.loss)
        names = dict.fromkeys(name for curve in result.curves for name in curve.values)
        lines = {name: _lines(result.curves, name) for name in names}
        terms = [name for name in names if name not in ("loss", "psnr")]
        plotted_lines = {name: line for name, line in lines.items() if line["seeds"]}
        if plotted_lines:
            terms = [name for name in terms if name in plotted_lines]
            entries.append({"method": index, "lines": plotted_lines, "terms": terms if len(terms) > 1 else []})
    return entries


def _lines(curves: Sequence[Curve], name: str) -> dict[str, Any]:
    measured = [line for curve in curves if len((line := _measured(curve, name))[0])]
    mean = mean_line(measured) if len(measured) > 1 else None
    return {
        "seeds": [_points(line) for line in measured],
        "mean": None if mean is None else _points(mean),
    }


def _measured(curve: Curve, name: str) -> Line:
    values = np.asarray(curve.values.get(name, []), dtype=np.float64)
    steps = np.asarray(curve.steps, dtype=np.float64)[: len(values)]
    finite_steps = np.isfinite(values[: len(steps)])
    return steps[finite_steps], values[: len(steps)][finite_steps]


def mean_line(lines: Sequence[Line]) -> Line | None:
    """The mean of several lines over the steps that all of them cover; None where they cover none together.

    >>> first = (np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    >>> second = (np.array([0.0, 5.0, 10.0]), np.array([1.0, 1.0, 1.0]))
    >>> [axis.tolist() for axis in mean_line([first, second])]
    [[0.0, 5.0, 10.0], [0.5, 0.75, 1.0]]
    """
    begin, end = max(steps[0] for steps, _ in lines), min(steps[-1] for steps, _ in lines)
    grid = max((steps for steps, _ in lines), key=len)
    grid = grid[(grid >= begin) & (grid <= end)]
    if not len(grid):
        return None
    return grid, np.mean([np.interp(grid, steps, values) for steps, values in lines], axis=0)


def _points(line: Line) -> list[list[float | None]]:
    steps, values = line
    indices = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).round().astype(int))
    return [[finite(steps[i]), finite(values[i])] for i in indices]
