"""The page of a learned loss: images, score maps and training curves of each scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from lossmith.report.data import Pixels
from lossmith.report.images import data_uri
from lossmith.report.small_curves import TEMPLATE_NAMES
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "small_curves", "learned")


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
    caption: str = ""
    """What the image is and how it is shown; empty for 8-bit RGB."""


def write_learned(path: Path, contents: LearnedContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped."""
    write_page(
        path,
        "learned.html.j2",
        STYLES,
        (),
        contents=contents,
        data_uri=data_uri,
        share=share,
        **TEMPLATE_NAMES,
    )


def share(value: float) -> int:
    """Percentage of the highlight color in a table cell, low enough that its text stays legible.

    >>> [share(value) for value in (0.0, 1.0, 2.0, 50.0)]
    [0, 20, 40, 40]
    >>> share(float("nan"))
    0
    """
    return 0 if isnan(value) else round(20 * min(value, 2.0))
