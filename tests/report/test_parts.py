"""The parts of the page that are computed: the table, the race, the rates, the curves, the plane, the verdict."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Difference, Metric, Ranking, Variation
from lossmith.report import RateTrial, ReportData
from lossmith.report.charts import chart_data, front_of, plane_axes
from lossmith.report.costs import costs_of
from lossmith.report.curves import mean_line
from lossmith.report.methods import SHAPES, methods_of
from lossmith.report.race_view import race_view
from lossmith.report.rates_view import rates_view
from lossmith.report.results_table import Badge, Group, results_table
from lossmith.report.verdict_markup import verdict_lines

from .conftest import LOSSES, Builder

PSNR = Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB", goal="fidelity", margin=0.1)


def ranking(metric: Metric, means: dict[str, float], leaders: tuple[str, ...]) -> Ranking:
    order = tuple(sorted(means, key=lambda name: means[name], reverse=metric.higher_is_better))
    return Ranking(metric, order, means, {name: (m - 1, m + 1) for name, m in means.items()}, leaders)


def group_of(contents: ReportData, name: str) -> Group:
    table = results_table(contents, methods_of(contents))
    return next(group for group in table.groups if group.name == name)


def badges(group: Group, column: int) -> dict[str, str]:
    return {line.method.name: badge.word for line in group.lines if (badge := line.scores[column].badge)}


def test_metrics_are_grouped_by_goal_the_lead_first_and_those_without_a_goal_last(tournament: Builder) -> None:
    contents = tournament(metric_names=["gmsd", "l1", "psnr", "ms_ssim", "niqe"], with_images=False)
    free = replace(contents.rankings[0], metric=Metric("grid", "Grid", False, 2))
    contents = replace(contents, rankings=[*contents.rankings, free])
    table = results_table(contents, methods_of(contents))
    assert [(group.name, [c.metric.name for c in group.columns]) for group in table.groups] == [
        ("fidelity", ["psnr", "l1"]),
        ("structure", ["ms_ssim", "gmsd"]),
        ("perception", ["niqe"]),
        ("artifacts", ["grid"]),
    ]
    assert [group.is_judged for group in table.groups] == [True, True, True, False]


def test_a_goal_has_a_verdict_for_every_loss(race_data: ReportData) -> None:
    advice = race_data.advice.of("fidelity")
    assert advice
    group = group_of(race_data, "fidelity")
    words = {line.method.name: line.verdict.badge.word for line in group.lines if line.verdict.badge}
    assert [name for name, word in words.items() if word == "worse"] == list(advice.avoid)
    assert {name for name, word in words.items() if word == "as good"} == set(advice.equivalent)
    assert words[advice.best] == ("unsure" if advice.undecided else "best")
    assert DEGRADED not in words
    [worst] = [line for line in group.lines if line.method.name == advice.avoid[-1]]
    behind = advice.ranking.means[advice.best] - advice.ranking.means[advice.avoid[-1]]
    assert worst.verdict.text == f"\N{MINUS SIGN}{behind:.1f}"
    assert [line.method.name for line in group.lines] == list(advice.ranking.order)


def test_a_metric_marks_the_best_those_as_good_and_why_others_are_unsure(report_data: ReportData) -> None:
    contents = replace(
        report_data,
        rankings=[ranking(PSNR, {"l1": 30, "l2": 29, "mix": 31, "ssim": 29}, ("mix", "l1"))],
        differences=[
            Difference(
                "psnr", "l1", "mix", -0.1, -0.2, 0.1, 0.1, "undecided", variation=Variation("seeds", 2, 0.3)
            ),
            Difference("psnr", "l2", "mix", -2, -3, -1, 0.0, "worse"),
            Difference("psnr", "mix", "ssim", 0.01, 0.0, 0.02, 0.7, "equivalent"),
        ],
    )
    group = group_of(contents, "fidelity")
    assert badges(group, 0) == {"mix": "unsure", "l1": "unsure", "ssim": "as good"}
    by_method = group.by_method
    assert by_method["l1"].scores[0].badge == Badge("unsure", "seeds differ by 0.3 dB")
    assert (by_method["mix"].scores[0].text, by_method["mix"].scores[0].interval) == ("31.00", "30.00–32.00")


def test_judges_that_may_not_judge_are_named_with_the_loss_that_bars_them(tournament: Builder) -> None:
    squeezed = "l1 + 0.005*lpips(squeeze)"
    contents = tournament(losses=["l1", squeezed], with_images=False)
    group = group_of(contents, "perception")
    assert [(c.metric.name, c.barred) for c in group.columns] == [
        ("efficientnet_lite0", ""),
        ("lpips_squeeze", squeezed),
    ]
    assert badges(group, 1) == {}
    alone = tournament(losses=["l1", squeezed], with_images=False, metric_names=["psnr", "lpips_squeeze"])
    group = group_of(alone, "perception")
    assert (group.is_judged, group.columns[0].barred) == (False, squeezed)


def test_losses_that_stopped_early_say_how_many_seeds_they_have(race_data: ReportData) -> None:
    seeds, most = race_data.race[-1].seeds, max(race_data.race[-1].seeds.values())
    table = results_table(race_data, methods_of(race_data))
    assert table.seeds == {name: f"{n} of {most} seeds" for name, n in seeds.items() if n < most}
    assert table.seeds


def test_a_race_is_told_loss_by_loss_and_look_by_look(race_data: ReportData) -> None:
    race = race_view(race_data, methods_of(race_data))
    assert race
    last = race_data.race[-1]
    assert {lane.method.name: lane.seeds for lane in race.lanes} == last.seeds
    assert (race.least, race.most, race.fixed_runs) == (2, 6, 6 * len(LOSSES))
    assert race.runs == sum(last.seeds.values())
    assert race.saved == round(100 - 100 * race.runs / race.fixed_runs) > 0
    assert race.ending == last.ending
    for lane in race.lanes:
        assert (lane.words == "ran all seeds") == (lane.seeds == race.most)
        if lane.words.startswith("stopped"):
            assert "undecided" not in lane.words
    assert [look.runs for look in race.looks] == [sum(one.seeds.values()) for one in race_data.race]
    assert len(race.looks[0].ran) == len(LOSSES)
    assert race_view(replace(race_data, race=[]), methods_of(race_data)) is None


def test_learning_rates_say_what_was_taken_and_what_another_would_have_cost(race_data: ReportData) -> None:
    trials = [
        RateTrial("l1", 1e-3, 0.02, 28.5, chosen=True),
        RateTrial("l1", 5e-4, 0.022, 28.25, chosen=False),
        RateTrial("l1", 2e-3, 0.03, 27.5, chosen=False),
        RateTrial("ssim", 1e-3, math.nan, math.nan, chosen=False),
        RateTrial("ssim", 5e-4, 0.2, 28.0, chosen=True),
    ]
    view = rates_view(replace(race_data, rates=trials), methods_of(race_data))
    assert view
    assert view.rates == ["0.0005", "0.001", "0.002"]
    first, second = view.lines
    assert [cell and (cell.objective, cell.is_chosen) for cell in first.cells] == [
        ("+10 %", False),
        ("best", True),
        ("+50 %", False),
    ]
    assert first.cost == "0.25 to 1.00 dB"
    assert second.cells[1]
    assert second.cells[1].is_diverged
    assert (second.cells[2], second.cost) == (None, "divergence")
    better = [replace(trial, psnr=30.0 if trial.chosen else 30.1) for trial in trials]
    assert rates_view(replace(race_data, rates=better), methods_of(race_data)).lines[0].cost == "no PSNR"
    assert rates_view(replace(race_data, rates=[]), methods_of(race_data)) is None


def test_infinite_and_missing_scores_are_formatted(report_data: ReportData) -> None:
    means = {"l1": math.inf, "l2": math.nan, "mix": -0.001}
    contents = replace(report_data, rankings=[ranking(PSNR, means, ("l1",))])
    cells = {line.method.name: line.scores[0] for line in group_of(contents, "fidelity").lines}
    assert (cells["l1"].text, cells["l1"].value) == ("∞", "inf")
    assert (cells["l2"].text, cells["l2"].value, cells["l2"].badge) == ("–", "", None)
    assert cells["mix"].text == "0.00"


def test_a_failed_loss_is_not_a_table_row_but_a_failure(tournament: Builder) -> None:
    contents = tournament(failing_loss="ssim", seeds=(0,), with_images=False, metric_names=["psnr"])
    table = results_table(contents, methods_of(contents))
    assert "ssim" not in [method.name for method in table.methods]
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
        (["l2", "psnr", "ssim", "gmsd", "lpips_squeeze"], ("psnr", "lpips_squeeze")),
        (["l1", "l2", "ssim", "ms_ssim"], ("l2", "ms_ssim")),
        (["psnr", "ssim", "gmsd"], ("psnr", "gmsd")),
        (["psnr", "gmsd", "niqe", "lpips_squeeze", "efficientnet_lite0"], ("psnr", "efficientnet_lite0")),
        (["psnr"], None),
    ],
)
def test_the_scatter_plot_takes_the_best_available_axes(
    tournament: Builder, names: list[str], expected: tuple[str, str] | None
) -> None:
    axes = plane_axes(tournament(losses=["l1", "l2"], metric_names=names, with_images=False))
    assert (axes and tuple(axis.metric.name for axis in axes)) == expected


def test_no_judge_that_may_not_judge_is_an_axis(tournament: Builder) -> None:
    losses = ["l1", "l1 + 0.005*lpips(squeeze)"]
    contents = tournament(losses=losses, metric_names=["psnr", "lpips_squeeze", "ssim"], with_images=False)
    axes = plane_axes(contents)
    assert axes
    assert axes[1].metric.name == "ssim"


def test_the_front_holds_the_losses_that_no_other_beats_on_both_axes() -> None:
    x = ranking(PSNR, {"a": 31, "b": 30, "c": 29, "d": 28, DEGRADED: 40}, ("a",))
    error = replace(PSNR, name="niqe", higher_is_better=False)
    y = ranking(error, {"a": 5, "b": 3, "c": 4, "d": 2, DEGRADED: 1}, ("d",))
    assert front_of(x, y) == ["a", "b", "d"]


def test_non_finite_numbers_are_null_in_json(report_data: ReportData) -> None:
    nothing = Difference("psnr", "l1", "l2", math.inf, math.nan, math.nan, 1.0, "undecided")
    means = {"l1": math.inf, DEGRADED: 20.0}
    rankings = [ranking(PSNR, means, ("l1",)), ranking(replace(PSNR, name="ssim"), means, ("l1",))]
    data = chart_data(replace(report_data, rankings=rankings, differences=[nothing]), methods_of(report_data))
    goals = len(report_data.advice.goals)
    assert data["differences"][-1] == [goals, 1, 0, None, None, None, 1.0, "undecided"]
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
