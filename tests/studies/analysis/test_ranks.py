"""Mean ranks, Friedman's test and the critical difference against SciPy and Demšar's worked example."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from lossmith.studies.analysis.ranks import (
    critical_difference,
    find_cliques,
    friedman,
    mean_ranks,
    rank_analysis,
)
from lossmith.studies.analysis.results import MeanRank

from .planted import BASELINE, grid

DEMSAR_AUC = {
    "C4.5": (0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.940, 0.619, 0.972, 0.957),
    "C4.5+m": (0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666, 0.981, 0.978),
    "C4.5+cf": (0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1, 0.965, 0.614, 0.9751, 0.946),
    "C4.5+m+cf": (0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1, 0.962, 0.669, 0.975, 0.970),
}
"""Table 6 of Demšar, JMLR 7, 2006: the AUC of four classifiers on 14 data sets.

The last but one of C4.5+cf is printed as 0.975, like that of C4.5+m+cf, but ranked before it.
"""


def demsar() -> tuple[MeanRank, ...]:
    return mean_ranks({str(n): {name: -auc[n] for name, auc in DEMSAR_AUC.items()} for n in range(14)})


def test_demsars_mean_ranks() -> None:
    means = {mean.name: round(mean.mean, 3) for mean in demsar()}
    assert means == {"C4.5+m+cf": 1.964, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5": 3.143}
    assert demsar()[0].name == "C4.5+m+cf"


def test_demsars_friedman_statistic() -> None:
    # 9.28 is without the correction for ties, which SciPy has: divide it out
    ranks = np.array([[*mean.ranks.values()] for mean in demsar()]).T
    ties = sum((count**3 - count) for row in ranks for count in np.unique(row, return_counts=True)[1])
    correction = 1 - ties / (14 * (4**3 - 4))
    test = friedman(ranks)
    assert test.statistic * correction == pytest.approx(9.28, abs=0.01)
    assert test.degrees_of_freedom == 3


def test_demsars_critical_differences() -> None:
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)


def test_demsars_diagram() -> None:
    # figure 1a, at 10 %
    assert find_cliques(demsar(), critical_difference(4, 14, 0.10)) == (
        ("C4.5+m+cf", "C4.5+m", "C4.5+cf"),
        ("C4.5+cf", "C4.5"),
    )


@pytest.mark.parametrize(
    ("configurations", "critical_value"),
    # table 5a, at 5 %
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_demsars_critical_values(configurations: int, critical_value: float) -> None:
    unit = math.sqrt(configurations * (configurations + 1) / 6)
    assert critical_difference(configurations, 1) / unit == pytest.approx(critical_value, abs=0.0011)  # truncated


def test_friedman_agrees_with_its_formula() -> None:
    # without ties: 12 N / (k (k + 1)) (sum of squared mean ranks - k (k + 1)^2 / 4)
    rng = np.random.default_rng(0)
    ranks = np.array([rng.permutation(6) + 1.0 for _ in range(5)])
    expected = 12 * 5 / (6 * 7) * ((ranks.mean(0) ** 2).sum() - 6 * 7**2 / 4)
    test = friedman(ranks)
    assert test.statistic == pytest.approx(expected)
    assert test.p_value == pytest.approx(stats.chi2.sf(expected, 5))


def test_friedman_of_ties_alone_finds_nothing() -> None:
    test = friedman(np.full((3, 4), 2.5))
    assert (test.statistic, test.p_value) == (0, 1)


def test_mean_ranks_by_hand() -> None:
    means = mean_ranks({"sr": {"a": 1, "b": 5, "c": 9}, "iqa": {"a": 3, "b": 3, "c": 1}})
    assert {mean.name: mean.mean for mean in means} == {"a": 1.75, "b": 2.25, "c": 2.0}
    assert means[0].ranks == {"sr": 1, "iqa": 2.5}


def test_cliques_are_all_maximal_groups_within_the_difference() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = np.sort(rng.uniform(1, 6, 7))
        means = [MeanRank(str(index), value, {}) for index, value in enumerate(values)]
        groups = [
            {str(index) for index in range(start, end + 1)}
            for start, end in itertools.combinations(range(7), 2)
            if values[end] - values[start] < 1.3
        ]
        maximal = [group for group in groups if not any(group < other for other in groups)]
        cliques = find_cliques(means, 1.3)
        assert sorted(map(set, cliques), key=min) == sorted(maximal, key=min)


CONFIGURATIONS = [BASELINE, *grid(["a", "b"], 2)]
LAYERS = {"a": ("l1", "l2"), "b": ("l1", "l2")}


class TestRanksOverBenchmarks:
    def ranks(self, count: int) -> dict[str, dict[str, float]]:
        order = ["a:l1", "b:l1", "a:l2", "b:l2", "baseline"]
        return {f"benchmark {n}": {name: rank + 1.0 for rank, name in enumerate(order)} for n in range(count)}

    def test_fewer_than_three_benchmarks_are_not_tested(self) -> None:
        analysis = rank_analysis(self.ranks(2), CONFIGURATIONS, LAYERS)
        assert analysis.friedman is None
        assert math.isnan(analysis.critical_difference)
        assert analysis.cliques == ()
        assert "2 benchmarks have scores" in analysis.note
        assert analysis.configurations[0].name == "a:l1"

    def test_three_that_agree_differ_significantly(self) -> None:
        analysis = rank_analysis(self.ranks(3), CONFIGURATIONS, LAYERS)
        assert analysis.friedman is not None
        assert analysis.friedman.statistic == pytest.approx(12)  # N (k - 1), the most there can be
        # mean ranks 1 to 5 and a critical difference of 3.52: only the ends are apart
        assert analysis.cliques == (("a:l1", "b:l1", "a:l2", "b:l2"), ("b:l1", "a:l2", "b:l2", "baseline"))
        assert "differ (Friedman" in analysis.note

    def test_without_a_difference_all_are_one_clique(self) -> None:
        order = ["a:l1", "b:l1", "a:l2", "b:l2", "baseline"]
        turned = {f"{n}": {name: float((rank + n) % 5) for rank, name in enumerate(order)} for n in range(5)}
        analysis = rank_analysis(turned, CONFIGURATIONS, LAYERS)
        assert "are not known to differ" in analysis.note
        assert [set(clique) for clique in analysis.cliques] == [set(order)]

    def test_configurations_that_a_benchmark_lacks_are_left_out(self) -> None:
        ranks = self.ranks(3)
        del ranks["benchmark 1"]["a:l1"]
        analysis = rank_analysis(ranks, CONFIGURATIONS, LAYERS)
        assert [mean.name for mean in analysis.configurations] == ["b:l1", "a:l2", "b:l2", "baseline"]
        assert [mean.mean for mean in analysis.configurations] == [1, 2, 3, 4]

    def test_networks_are_ranked_by_their_best_layers_and_positions_within_networks(self) -> None:
        analysis = rank_analysis(self.ranks(1), CONFIGURATIONS, LAYERS)
        assert [(mean.name, mean.mean) for mean in analysis.networks] == [("a", 1), ("b", 2)]
        assert [(mean.name, mean.mean) for mean in analysis.layers] == [("layer 1", 1), ("layer 2", 2)]

    def test_no_benchmark_is_no_error(self) -> None:
        analysis = rank_analysis({}, CONFIGURATIONS, LAYERS)
        assert analysis.configurations == ()
        assert "no benchmarks have scores and no configurations are in all" in analysis.note

    def test_one_configuration_is_counted_so(self) -> None:
        note = rank_analysis({"sr": {"baseline": 1.0}}, CONFIGURATIONS, LAYERS).note
        assert "1 benchmark has scores and 1 configuration is in all, and" in note
