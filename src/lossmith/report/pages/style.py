"""The page of a learned style: its painting, photographs beside what it makes of them, and its terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lossmith.report.data import Pixels
from lossmith.report.images import data_uri
from lossmith.report.pages.side_by_side import SCRIPTS, RestoredImage
from lossmith.report.small_curves import TEMPLATE_NAMES
from lossmith.report.templates import write_page

STYLES = ("theme", "base", "images", "small_curves", "style", "print")


@dataclass(frozen=True)
class StyleContents:
    """The content of the page; images are (H, W, 3) of 8 bits."""

    name: str
    lead: str
    """How the style was learned, in a sentence."""
    styles: Mapping[str, Pixels]
    """The paintings, by caption."""
    images: Sequence[RestoredImage]
    """Photographs, each with its paintings under a slider."""
    curves: Mapping[str, Sequence[float]]
    """Terms of the loss by name, one value for each step."""
    command: str
    facts: Mapping[str, str]
    weights: Mapping[str, Pixels] = field(default_factory=dict)
    """One photograph painted with several weights of the style, by caption."""
    weights_note: str = ""
    """How these were painted."""


def write_style(path: Path, contents: StyleContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped.

    Raises LossmithError when the file cannot be written.
    """
    write_page(path, "style.html.j2", STYLES, SCRIPTS, contents=contents, data_uri=data_uri, **TEMPLATE_NAMES)
