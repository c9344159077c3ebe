"""The table of results marks a score whose metric the loss optimizes."""

from pathlib import Path

from lossmith.report import ReportData, write_report
from lossmith.report.methods import methods_of
from lossmith.report.results_table import results_table

from .conftest import Builder

FOOTNOTE = "The loss contains this metric"


def marks(contents: ReportData) -> dict[str, set[str]]:
    """For each method, the metrics whose scores are marked."""
    table = results_table(contents, methods_of(contents))
    return {
        method.name: {
            column.metric.name
            for group in table.groups
            for column, cell in zip(group.columns, group.by_method[method.name].scores, strict=True)
            if cell.optimizes_metric
        }
        for method in table.methods
    }


def test_a_score_in_an_optimized_metric_is_marked(tournament: Builder, tmp_path: Path) -> None:
    contents = tournament(
        losses=["l2", "l1", "charbonnier"], metric_names=["psnr", "l1", "gmsd"], with_images=False
    )
    assert marks(contents) == {"l2": {"psnr"}, "l1": {"l1"}, "charbonnier": set(), "degraded": set()}
    write_report(tmp_path / "page.html", contents)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert FOOTNOTE in page
    assert page.count("(trained on this metric)") == 3  # PSNR leads its goal, and so is in two tables


def test_a_page_without_optimized_metrics_has_no_footnote(tournament: Builder, tmp_path: Path) -> None:
    contents = tournament(losses=["charbonnier", "tv"], metric_names=["psnr", "gmsd"], with_images=False)
    write_report(tmp_path / "page.html", contents)
    assert FOOTNOTE not in (tmp_path / "page.html").read_text("utf-8")
