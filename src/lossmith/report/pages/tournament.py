"""The page of a tournament."""

from pathlib import Path

from lossmith.evaluation import without_level
from lossmith.report.charts import chart_data, plane_axes
from lossmith.report.costs import costs_of
from lossmith.report.data import ReportData
from lossmith.report.definitions import definition
from lossmith.report.images import view_of
from lossmith.report.methods import methods_of
from lossmith.report.results_table import results_table
from lossmith.report.templates import write_page
from lossmith.report.verdict_markup import verdict_lines

STYLES = ("theme", "base", "tables", "charts", "images", "print")
SCRIPTS = (
    "common",
    "tables",
    "chart",
    "forest_pairs",
    "forest",
    "labels",
    "curve_lines",
    "curves",
    "readout",
    "plane",
    "split",
    "errors",
    "crops",
    "comparisons",
)


def write_report(path: Path, contents: ReportData) -> None:
    """Write the page of a tournament as a self-contained HTML file that needs no network.

    All values (names of images and losses, the command, failures) are escaped.

    Raises LossmithError when the file cannot be written.
    """
    methods = methods_of(contents)
    headline, elsewhere = verdict_lines(contents.verdict, methods)
    write_page(
        path,
        "page.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        headline=headline,
        elsewhere=elsewhere,
        methods=methods,
        table=results_table(contents, methods),
        axes=plane_axes(contents.rankings),
        views=[view_of(comparison, contents, methods) for comparison in contents.comparisons],
        costs=costs_of(contents, methods),
        images=len({without_level(row.image) for row in contents.rows}),
        definition=definition,
        data=chart_data(contents, methods),
    )
