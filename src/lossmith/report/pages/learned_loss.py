"""The page of a learned loss: images, score maps and training curves of each scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lossmith.report.data import Pixels
from lossmith.report.formatting import significant
from lossmith.report.images import data_uri
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "learned")
POINTS = 160
"""Points of a drawn curve; each is the mean of several iterations."""
WIDE, TALL = 320, 90
"""Width and height of a curve's SVG, in its own units."""


@dataclass(frozen=True)
class LearnedScale:
    """One scale: its images by caption and its curves by name, one value per iteration."""

    title: str
    images: dict[str, Pixels]
    curves: dict[str, list[float]]


@dataclass(frozen=True)
class LearnedContents:
    """The content of the page."""

    degradation: str
    command: str
    scales: Sequence[LearnedScale]
    bands: Sequence[str]
    """Names of the frequency bands."""
    spectrum: dict[str, list[float]]
    """Sensitivity to errors along a color axis, one value per band."""
    facts: dict[str, str]


def write_learned(path: Path, contents: LearnedContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped."""
    write_page(
        path,
        "learned.html.j2",
        STYLES,
        contents=contents,
        data_uri=data_uri,
        curve=curve,
        last=lambda values: significant(float(np.mean(values[-max(1, len(values) // 10) :]))),
        ends=ends,
        share=share,
        box=f"0 0 {WIDE} {TALL}",
    )


def curve(values: Sequence[float]) -> str:
    """The points of a polyline that fills the drawing from the least value to the largest.

    >>> curve([0.0, 1.0, 0.5])
    '0.0,90.0 160.0,0.0 320.0,45.0'
    """
    means = _thinned(values)
    spread = float(np.ptp(means)) or 1.0
    across = np.linspace(0, WIDE, len(means))
    up = TALL * (1 - (means - means.min()) / spread)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))


def ends(values: Sequence[float]) -> tuple[str, str]:
    """The values at the bottom and the top of the drawing.

    >>> ends([0.0, 1.0, 0.5])
    ('0', '1.00')
    """
    means = _thinned(values)
    return significant(float(means.min())), significant(float(means.max()))


def _thinned(values: Sequence[float]) -> NDArray[np.float64]:
    parts = np.array_split(np.asarray(values, dtype=np.float64), min(POINTS, len(values)))
    return np.array([part.mean() for part in parts])


def share(value: float) -> int:
    """Percentage of the highlight color in a table cell, low enough that its text stays legible.

    >>> [share(value) for value in (0.0, 1.0, 2.0, 50.0)]
    [0, 20, 40, 40]
    >>> share(float("nan"))
    0
    """
    return 0 if isnan(value) else round(20 * min(value, 2.0))
