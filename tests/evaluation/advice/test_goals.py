"""What the advice for a goal rests on, and the scores of goals."""

import math

import pytest

from lossmith.evaluation import DEGRADED, Criteria, Row
from lossmith.evaluation.advice.goals import GoalMetrics, goals_of, with_goal_scores

SQUEEZENET = "l1 + 0.1*features(squeezenet1_1, fire5)"


def fidelity() -> GoalMetrics:
    [goal] = goals_of(["psnr", "l1"], ["l1"])
    return goal


@pytest.mark.parametrize(
    ("metrics", "losses", "judges", "excluded"),
    [
        (["lpips_squeeze", "niqe"], ["l1", "mix"], ["lpips_squeeze", "niqe"], {}),
        (["lpips_squeeze", "niqe"], ["l1", SQUEEZENET], ["niqe"], {"lpips_squeeze": SQUEEZENET}),
        (["lpips_squeeze"], [SQUEEZENET], [], {"lpips_squeeze": SQUEEZENET}),
    ],
)
def test_a_judge_of_perception_is_independent_of_all_losses(
    metrics: list[str], losses: list[str], judges: list[str], excluded: dict[str, str]
) -> None:
    [goal] = goals_of(metrics, losses)
    assert goal.goal == "perception"
    assert [metric.name for metric in goal.metrics] == judges
    assert goal.excluded == excluded


def test_fidelity_and_structure_are_what_their_metrics_measure_whatever_a_loss_contains() -> None:
    goals = goals_of(["psnr", "l1", "ssim"], ["l1", "ssim"])
    assert [(goal.goal, dict(goal.excluded)) for goal in goals] == [("fidelity", {}), ("structure", {})]


def test_a_margin_in_every_metric_is_one_in_the_goal() -> None:
    """Close to the usual error, where a ratio is as good as a difference."""
    psnr, l1 = fidelity().metrics
    usual = {"psnr": 30.0, "l1": 1000.0}
    better = {"psnr": 30.0 + psnr.margin, "l1": 1000.0 - l1.margin}
    rows = [Row("a", "l1", 0, usual), Row("a", "l2", 0, better)]
    scores = [row.scores["fidelity"] for row in with_goal_scores(rows, [fidelity()], Criteria())]
    assert scores[1] - scores[0] == pytest.approx(1.0, rel=1e-3)


def test_errors_count_as_ratios() -> None:
    """Half the error counts the same on an easy and on a hard image."""
    [goal] = goals_of(["l1"], ["l1"])
    rows = [
        Row(image, "l1", seed, {"l1": error / (1 + seed)})
        for image, error in (("easy", 2.0), ("hard", 40.0))
        for seed in (0, 1)
    ]
    easy, half_easy, hard, half_hard = (
        row.scores["fidelity"] for row in with_goal_scores(rows, [goal], Criteria())
    )
    assert half_easy - easy == pytest.approx(half_hard - hard)


def test_an_image_without_an_error_has_a_finite_score_and_the_best() -> None:
    [goal] = goals_of(["l1"], ["l1"])
    rows = [Row("a", "l1", 0, {"l1": 0.0}), Row("a", "l2", 0, {"l1": 3.0})]
    perfect, other = (row.scores["fidelity"] for row in with_goal_scores(rows, [goal], Criteria()))
    assert math.isfinite(perfect)
    assert perfect > other


def test_the_degraded_input_does_not_say_what_is_usual() -> None:
    def gap(*others: Row) -> float:
        rows = [Row("a", "l1", 0, {"l1": 10.0}), Row("a", "l2", 0, {"l1": 11.0}), *others]
        first, second, *_ = with_goal_scores(rows, goals_of(["l1"], ["l1"]), Criteria())
        return first.scores["fidelity"] - second.scores["fidelity"]

    assert gap() == gap(Row("a", DEGRADED, 0, {"l1": 500.0}))


def test_a_margin_of_0_leaves_its_metric_out() -> None:
    rows = [Row("a", "l1", 0, {"psnr": 30.0, "l1": 10.0}), Row("a", "l2", 0, {"psnr": 20.0, "l1": 10.0})]
    first, second = with_goal_scores(rows, [fidelity()], Criteria({"psnr": 0.0}))
    assert first.scores["fidelity"] == second.scores["fidelity"]
