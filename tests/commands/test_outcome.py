"""What studies give back is one line in a console and a table with links in a notebook."""

import math
import sys
from pathlib import Path

import pytest

from lossmith.commands.compare.compare import Comparison
from lossmith.commands.evaluate import Evaluation
from lossmith.commands.restore import RestoreResult
from lossmith.core.errors import LossmithError
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
        RestoreResult([Path("a.png")], [], notes=["a remark"]),
    ):
        assert "\n" not in repr(outcome)
        assert len(repr(outcome)) < 150


def test_html_of_a_result_has_the_means_and_a_link() -> None:
    html = Comparison("l1 wins.", Path("my runs/report.html"), ROWS)._repr_html_()
    assert "<p>l1 wins.</p>" in html
    assert "<td>&lt;l1&gt;</td><td>30.50</td>" in html
    assert '<a href="my%20runs/report.html">' in html


@pytest.mark.parametrize("outcome", [Comparison("l1 wins.", Path("r.html"), ROWS), Evaluation(ROWS, Protocol())])
def test_a_dataframe_has_a_row_per_image_method_and_seed(outcome: Comparison | Evaluation) -> None:
    table = outcome.to_dataframe()
    assert list(table.columns) == ["image", "method", "seed", "psnr"]
    assert [tuple(row) for row in table.itertuples(index=False)] == [
        ("a", "degraded", 0, 20.0),
        ("a", "<l1>", 0, 30.0),
        ("b", "<l1>", 0, 31.0),
    ]


def test_without_pandas_a_dataframe_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(LossmithError, match=r"^to_dataframe needs pandas, which comes with: pip install pandas$"):
        Evaluation(ROWS, Protocol()).to_dataframe()


def test_an_evaluation_has_the_scores_and_means_of_the_subject_as_numbers() -> None:
    evaluation = Evaluation(ROWS, Protocol())
    assert evaluation.scores == {"a": {"psnr": 30.0}, "b": {"psnr": 31.0}}
    assert evaluation.means == {"psnr": 30.5}
    undefined = Evaluation([*ROWS, Row("c", "<l1>", 0, {"psnr": math.nan})], Protocol())
    assert math.isnan(undefined.means["psnr"])
