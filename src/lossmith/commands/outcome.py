"""What a study gives back, as Python and notebooks show it."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from textwrap import shorten
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from lossmith.evaluation import Row, find_metric

LONGEST = 120
"""Letters that a console is shown of an outcome."""


class Outcome:
    """A dataclass of this kind (with repr=False) is one line in a console, and a table with links in a notebook.

    `str()` is all of what the command prints.
    """

    @property
    def headline(self) -> str:
        """The outcome in one line."""
        return str(self).partition("\n")[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {shorten(self.headline, LONGEST, placeholder=' ...')}>"

    def _repr_html_(self) -> str:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        links = [
            Markup('<a href="{}">{}</a>').format(quote(value.as_posix()), value)
            for value in values.values()
            if isinstance(value, Path)
        ]
        parts = [Markup("<p>{}</p>").format(self.headline), *map(_table, filter(None, [values.get("rows")]))]
        return Markup("\n").join([*parts, *(Markup("<p>{}</p>").format(link) for link in links)])


def _table(rows: Sequence[Row]) -> Markup:
    """The mean score of each method, over images and seeds."""
    metrics = [find_metric(name) for name in rows[0].scores]
    lines = [_line("th", ["", *(metric.label for metric in metrics)])]
    for method in dict.fromkeys(row.method for row in rows):
        mine = [row.scores for row in rows if row.method == method]
        means = [f"{fmean(each[metric.name] for each in mine):.{metric.digits}f}" for metric in metrics]
        lines.append(_line("td", [method, *means]))
    return Markup("<table>{}</table>").format(Markup().join(lines))


def _line(tag: str, cells: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(
        Markup().join(Markup(f"<{tag}>%s</{tag}>") % escape(cell) for cell in cells)
    )
