"""What studies give back is one line in a console and a table with links in a notebook."""

from pathlib import Path

from lossmith.commands.compare.compare import Comparison
from lossmith.commands.evaluate import Evaluation
from lossmith.commands.restore import Restored
from lossmith.evaluation import Protocol, Row

ROWS = [
    Row("a", "degraded", 0, {"psnr": 20.0}),
    Row("a", "<l1>", 0, {"psnr": 30.0}),
    Row("b", "<l1>", 0, {"psnr": 31.0}),
]


def test_repr_of_a_result_is_one_line() -> None:
    for outcome in (
        Comparison("l1 wins. " * 50, Path("report.html"), ROWS),
        Evaluation(ROWS, Protocol()),
        Restored([Path("a.png")], [], remarks=["a remark"]),
    ):
        assert "\n" not in repr(outcome)
        assert len(repr(outcome)) < 150


def test_html_of_a_result_has_the_means_and_a_link() -> None:
    shown = Comparison("l1 wins.", Path("my runs/report.html"), ROWS)._repr_html_()
    assert "<p>l1 wins.</p>" in shown
    assert "<td>&lt;l1&gt;</td><td>30.50</td>" in shown
    assert '<a href="my%20runs/report.html">' in shown
