"""The results of commands, as Python, notebooks and the command line show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from textwrap import shorten
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from lossmith import evaluation
from lossmith.core.errors import LossmithError

if TYPE_CHECKING:
    import pandas

MAX_REPR_LENGTH = 120


class Outcome:
    """Base of the result dataclasses (with repr=False): one line in a console, a table with links in a notebook.

    `str()` is everything that the command prints.
    """

    @property
    def headline(self) -> str:
        """The result in one line."""
        return str(self).partition("\n")[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {shorten(self.headline, MAX_REPR_LENGTH, placeholder=' ...')}>"

    def _repr_html_(self) -> str:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        links = [
            Markup('<a href="{}">{}</a>').format(quote(value.as_posix()), value)
            for value in values.values()
            if isinstance(value, Path)
        ]
        parts = [Markup("<p>{}</p>").format(self.headline), *map(_table, filter(None, [values.get("rows")]))]
        return Markup("\n").join([*parts, *(Markup("<p>{}</p>").format(link) for link in links)])


class ScoredOutcome(Outcome):
    """Base of the results that hold scores, one row per image, method and seed, in the field `rows`."""

    rows: list[evaluation.Row]

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas.DataFrame with the columns image, method, seed and one per metric.

        Raises LossmithError where pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise LossmithError("to_dataframe needs pandas, which comes with: pip install pandas") from error
        return pandas.DataFrame(evaluation.as_columns(self.rows))


def mean_scores(rows: Sequence[evaluation.Row], method: str) -> dict[str, float]:
    """The mean of each metric over the rows of a method; NaN where a score is NaN."""
    scores = [row.scores for row in rows if row.method == method]
    return {metric: fmean(score[metric] for score in scores) for metric in scores[0]}


def _table(rows: Sequence[evaluation.Row]) -> Markup:
    """The mean scores of each method, over images and seeds."""
    metrics = [evaluation.find_metric(name) for name in rows[0].scores]
    lines = [_line("th", ["", *(metric.label for metric in metrics)])]
    for method in dict.fromkeys(row.method for row in rows):
        means = mean_scores(rows, method)
        lines.append(_line("td", [method, *(f"{means[metric.name]:.{metric.digits}f}" for metric in metrics)]))
    return Markup("<table>{}</table>").format(Markup().join(lines))


def _line(tag: str, cells: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(
        Markup().join(Markup(f"<{tag}>%s</{tag}>") % escape(cell) for cell in cells)
    )
