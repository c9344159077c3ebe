"""Which metrics a tournament is decided by."""

import pytest

from lossmith.evaluation import find_metric, metric_choice, tournament_metrics
from lossmith.metrics.registry import METRICS

SQUEEZE = "l1 + 0.005*features(squeezenet1_1, fire5)"


@pytest.fixture
def machine_with(monkeypatch: pytest.MonkeyPatch):
    """`machine_with(names)`: the deep metrics whose weights are there."""

    def have(*names: str) -> None:
        monkeypatch.setattr(metric_choice, "available_deep_metrics", lambda: dict.fromkeys(names))
        monkeypatch.setattr(metric_choice, "has_weights", names.__contains__)

    return have


def test_all_that_needs_no_weights_is_taken_everywhere(machine_with) -> None:
    machine_with()
    assert tournament_metrics(["l1", "mix"]) == [*METRICS, "niqe"]


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_enlarging_networks_are_searched_for_the_grid_of_their_scale(scale: int, machine_with) -> None:
    machine_with()
    (added,) = {*tournament_metrics(["l1"], scale)} - {*tournament_metrics(["l1"])}
    assert added == f"grid{scale}"
    assert find_metric(added).goal is None


def test_a_scale_without_such_a_metric_has_none(machine_with) -> None:
    machine_with()
    assert tournament_metrics(["l1"], 5) == tournament_metrics(["l1"])


def test_of_the_learned_distances_the_first_independent_one_is_taken(machine_with) -> None:
    machine_with("lpips_squeeze", "dists", "efficientnet_lite0")
    assert tournament_metrics(["l1", "mix"])[-2:] == ["lpips_squeeze", "efficientnet_lite0"]
    assert tournament_metrics(["l1", SQUEEZE])[-2:] == ["dists", "efficientnet_lite0"]


def test_where_none_is_independent_the_first_is_still_shown(machine_with) -> None:
    machine_with("lpips_squeeze")
    assert tournament_metrics([SQUEEZE])[-1] == "lpips_squeeze"
