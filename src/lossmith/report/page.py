"""One self-contained HTML file: templates, styles and scripts of `assets/`, filled and joined."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lossmith.files import write_text
from lossmith.report.charts import chart_data, plane_axes
from lossmith.report.contents import Contents
from lossmith.report.costs import costs_of
from lossmith.report.definitions import definition
from lossmith.report.exhibits import view_of
from lossmith.report.methods import methods_of
from lossmith.report.results_table import results_table
from lossmith.report.verdict_line import verdict_lines

ASSETS = Path(__file__).with_name("assets")
STYLES = ("theme", "base", "tables", "charts", "pictures", "print")
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
    "exhibits",
)


def write_report(path: Path, contents: Contents) -> None:
    """Write the page of a tournament as one HTML file that needs nothing else, and no network.

    The file is written whole: under a temporary name, then renamed. Everything that comes from outside (names
    of pictures and losses, the command, failures) is escaped.

    Raises LossmithError when the file cannot be written.
    """
    # names of files may hold bytes that are no text; they are shown as question marks
    write_text(path, render(contents).encode("utf-8", "replace").decode("utf-8"))


def render(contents: Contents) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("lossmith.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    methods = methods_of(contents)
    headline, elsewhere = verdict_lines(contents.verdict, methods)
    return environment.get_template("page.html.j2").render(
        contents=contents,
        headline=headline,
        elsewhere=elsewhere,
        methods=methods,
        table=results_table(contents, methods),
        axes=plane_axes(contents.standings),
        views=[view_of(exhibit, contents, methods) for exhibit in contents.exhibits],
        costs=costs_of(contents, methods),
        pictures=len({row.picture for row in contents.rows}),
        definition=definition,
        data=chart_data(contents, methods),
        styles=_joined("styles", STYLES, "css"),
        scripts=_joined("scripts", SCRIPTS, "js"),
    )


def _joined(folder: str, names: tuple[str, ...], ending: str) -> Markup:
    """Our own files, as they are: they are no templates, so their braces mean nothing to Jinja."""
    return Markup("\n".join((ASSETS / folder / f"{name}.{ending}").read_text("utf-8") for name in names))
