"""The page of a search for weights: what to take, the front, pictures along it, and every trial."""

from pathlib import Path

from lossmith.report.formatting import number
from lossmith.report.templates import write_page
from lossmith.report.tuning_data import TuningContents

STYLES = ("theme", "base", "tables")
SCRIPTS = ("tables",)


def write_tuning(path: Path, contents: TuningContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped.

    Raises LossmithError when the file cannot be written.
    """
    write_page(path, "tuning.html.j2", STYLES, SCRIPTS, contents=contents, number=number)
