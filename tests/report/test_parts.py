"""The parts of the page that are computed: the table, the curves, the plane, the verdict."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Difference, Metric, Ranking
from lossmith.report import ReportData
from lossmith.report.charts import chart_data, plane_axes
from lossmith.report.costs import costs_of
from lossmith.report.curves import mean_line
from lossmith.report.methods import SHAPES, methods_of
from lossmith.report.results_table import results_table
from lossmith.report.verdict_markup import verdict_lines

from .conftest import Builder

PSNR = Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB")


def ranking(metric: Metric, means: dict[str, float], leaders: tuple[str, ...]) -> Ranking:
    order = tuple(sorted(means, key=lambda name: means[name], reverse=metric.higher_is_better))
    return Ranking(metric, order, means, {name: (m - 1, m + 1) for name, m in means.items()}, leaders)


def test_the_table_marks_the_best_and_those_tied_with_it(report_data: ReportData) -> None:
    contents = replace(report_data, rankings=[ranking(PSNR, {"l1": 30, "l2": 29, "mix": 31}, ("mix", "l1"))])
    table = results_table(contents, methods_of(contents))
    marks = {line.method.name: line.scores[0].mark for line in table.lines}
    assert (marks["mix"], marks["l1"], marks["l2"], marks["ssim"]) == ("best", "tied", "", "")
    [mix] = [line for line in table.lines if line.method.name == "mix"]
    assert (mix.scores[0].text, mix.scores[0].interval) == ("31.00", "30.00–32.00")
    assert [line.method.name for line in table.lines][:3] == ["mix", "l1", "l2"]


def test_infinite_and_missing_scores_are_formatted(report_data: ReportData) -> None:
    means = {"l1": math.inf, "l2": math.nan, "mix": -0.001}
    contents = replace(report_data, rankings=[ranking(PSNR, means, ("l1",))])
    table = results_table(contents, methods_of(contents))
    cells = {line.method.name: line.scores[0] for line in table.lines}
    assert (cells["l1"].text, cells["l1"].value) == ("∞", "inf")
    assert (cells["l2"].text, cells["l2"].value, cells["l2"].mark) == ("–", "", "")
    assert cells["mix"].text == "0.00"


def test_a_failed_loss_is_not_a_table_row_but_a_failure(tournament: Builder) -> None:
    contents = tournament(failing_loss="ssim", seeds=(0,), with_images=False, metric_names=["psnr"])
    table = results_table(contents, methods_of(contents))
    assert "ssim" not in [line.method.name for line in table.lines]
    assert [method.failure for method in table.failures] == ["seed 0: the loss became NaN at step 312."]
    assert "ssim" not in [cost.method.name for cost in costs_of(contents, methods_of(contents))]


def test_every_loss_has_its_own_color_and_marker(tournament: Builder, report_data: ReportData) -> None:
    many_results = [replace(report_data.results[0], loss=f"loss{i}") for i in range(20)]
    looks = [(method.style, method.shape) for method in methods_of(replace(report_data, results=many_results))]
    assert len(set(looks)) == 21
    assert len({shape for _, shape in looks[:8]}) == len(SHAPES)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["l2", "psnr", "ssim", "gmsd", "lpips_vgg"], ("psnr", "lpips_vgg")),
        (["l1", "l2", "ssim", "ms_ssim"], ("l2", "ms_ssim")),
        (["psnr", "ssim", "gmsd"], ("psnr", "gmsd")),
        (["psnr"], None),
    ],
)
def test_the_scatter_plot_takes_the_best_available_axes(
    names: list[str], expected: tuple[str, str] | None
) -> None:
    axes = plane_axes([ranking(replace(PSNR, name=name), {"l1": 1.0}, ("l1",)) for name in names])
    assert (axes and tuple(axis.metric.name for axis in axes)) == expected


def test_non_finite_numbers_are_null_in_json(report_data: ReportData) -> None:
    nothing = Difference("psnr", "l1", "l2", math.inf, math.nan, math.nan, 1.0, "undecided")
    means = {"l1": math.inf, DEGRADED: 20.0}
    rankings = [ranking(PSNR, means, ("l1",)), ranking(replace(PSNR, name="ssim"), means, ("l1",))]
    data = chart_data(replace(report_data, rankings=rankings, differences=[nothing]), methods_of(report_data))
    assert data["differences"] == [[0, 1, 0, None, None, None, 1.0]]
    assert data["plane"]["points"][0] == {"method": 1, "x": None, "y": None}


def test_curves_of_different_lengths_are_averaged_where_both_exist() -> None:
    first = np.array([0.0, 10, 20]), np.array([0.0, 10, 20])
    second = np.array([5.0, 15]), np.array([1.0, 1])
    mean = mean_line([first, second])
    assert mean is not None
    assert [axis.tolist() for axis in mean] == [[10.0], [5.5]]
    assert mean_line([first, (np.array([30.0]), np.array([1.0]))]) is None


def test_losses_are_marked_up_in_the_verdict(report_data: ReportData) -> None:
    expression = "0.84*ms_ssim + 0.16*l1 until 50% then l2"
    verdict = f"{expression} wins with 31.4 dB, 0.2 dB ahead of l1 (interval -0.1 to 0.3). mix also wins on SSIM."
    headline, details = verdict_lines(verdict, methods_of(report_data))
    assert [piece.text for piece in headline if piece.method] == [expression, "l1"]
    assert [piece.text for piece in details if piece.method] == ["mix"]
    full_text = "".join(piece.text for piece in headline) + " " + "".join(piece.text for piece in details)
    assert full_text == verdict.replace("-0.1", "−0.1")
