"""The table of results marks a score whose metric the loss optimizes."""

import re
from pathlib import Path

from lossmith.report import write_report

from .conftest import Builder

FOOTNOTE = "The loss contains this metric"


def marks(page: str) -> dict[str, list[bool]]:
    """For each method of the table of results, which of its scores are marked."""
    table = page[page.index('<table class="results') : page.index("</table>")]
    rows = re.findall(r'<tr class="(?:loss|degraded)">(.*?)</tr>', table, re.DOTALL)
    return {
        re.search(r'class="(?:expression|role)">([^<]*)<', row)[1]: [
            'class="trained"' in cell for cell in row.split("<td")[1:]
        ]
        for row in rows
    }


def test_a_score_in_an_optimized_metric_is_marked(tournament: Builder, tmp_path: Path) -> None:
    contents = tournament(
        losses=["l2", "l1", "charbonnier"], metric_names=["psnr", "l1", "gmsd"], with_images=False
    )
    write_report(tmp_path / "page.html", contents)
    page = (tmp_path / "page.html").read_text("utf-8")
    unmarked = [False]  # rank
    assert marks(page) == {
        "l2": [True, False, False, *unmarked],
        "l1": [False, True, False, *unmarked],
        "charbonnier": [False] * 4,
        "degraded input": [False] * 4,
    }
    assert FOOTNOTE in page


def test_a_page_without_optimized_metrics_has_no_footnote(tournament: Builder, tmp_path: Path) -> None:
    contents = tournament(losses=["charbonnier", "tv"], metric_names=["psnr", "gmsd"], with_images=False)
    write_report(tmp_path / "page.html", contents)
    assert FOOTNOTE not in (tmp_path / "page.html").read_text("utf-8")
