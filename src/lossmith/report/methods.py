"""The methods on the page, each with its color and its mark in table, charts and images."""

from dataclasses import dataclass

from lossmith.evaluation.results import DEGRADED
from lossmith.expressions import brief
from lossmith.report.data import ReportData

SHAPES = ("circle", "square", "triangle", "diamond", "wedge", "cross", "hexagon", "star")
"""Marks that differ without color; the symbols are drawn in `assets/sections/marks.html.j2`."""
COLORS = 8
"""Colors in `assets/styles/theme.css`: told apart in light and dark, and with the three color blindnesses."""


@dataclass(frozen=True)
class Method:
    """A loss, the degraded input, or the target."""

    name: str
    label: str
    style: str
    """The CSS class that carries its color."""
    shape: str
    kind: str
    """"loss", "degraded" or "target"."""
    failure: str | None = None
    milliseconds: float | None = None


TARGET = Method("", "target", "target", "frame", "target")


def look(index: int) -> tuple[str, str]:
    """The style and the shape of the first, second ... of many; a ninth has the first color, but another shape."""
    return f"m{index % COLORS}", SHAPES[(index + index // COLORS) % len(SHAPES)]


def methods_of(contents: ReportData) -> list[Method]:
    """The losses in the order given, or whatever was scored where nothing was trained; then the degraded input.

    The degraded input is among them if it was scored.
    """
    scored = dict.fromkeys(row.method for row in contents.rows if row.method != DEGRADED)
    results = {result.loss: result for result in contents.results}
    names = list(results or scored)
    stems = [brief(name) for name in names]  # of files that are called alike, the whole paths
    labels = [stem if stems.count(stem) == 1 else name for name, stem in zip(names, stems, strict=True)]
    losses = [
        Method(
            name,
            label,
            *look(index),
            "loss",
            results[name].failure if name in results else None,
            results[name].milliseconds_per_step if name in results else None,
        )
        for index, (name, label) in enumerate(zip(names, labels, strict=True))
    ]
    degraded = Method(DEGRADED, "degraded input", "degraded", "ring", "degraded")
    return [*losses, *([degraded] if any(row.method == DEGRADED for row in contents.rows) else [])]
