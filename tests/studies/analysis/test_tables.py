"""The table of a benchmark: means, intervals, differences from the baseline, ranks and ties."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lossmith.core.errors import LossmithError
from lossmith.evaluation import Metric, Row
from lossmith.studies import Configuration
from lossmith.studies.analysis import BenchmarkResult, analyze
from lossmith.studies.analysis.results import BenchmarkAnalysis, ConfigurationScore

from .planted import BASELINE, GMSD, PSNR, facts_of_all, grid, result

A, B, C, D = grid(["net"])


def table(benchmark: BenchmarkResult) -> BenchmarkAnalysis:
    return analyze([benchmark], facts=facts_of_all(benchmark.configurations)).benchmarks[0]


def line(benchmark: BenchmarkResult, configuration: Configuration) -> ConfigurationScore:
    found = table(benchmark).score(configuration.name)
    assert found is not None
    return found


def by_hand(scores: dict[Configuration, list[float]], metric: Metric = PSNR, seed: int = 0) -> BenchmarkResult:
    """Scores by item."""
    rows = [
        Row(f"item {item}", c.name, seed, {metric.name: value})
        for c, values in scores.items()
        for item, value in enumerate(values)
    ]
    return BenchmarkResult("sr", "Super-resolution", "pixels", (metric,), tuple(rows), tuple(scores))


def test_scores_are_means_over_items_and_seeds() -> None:
    benchmark = result([BASELINE, A, B], lambda c: 25.0, items=7, seeds=3)
    for configuration in benchmark.configurations:
        scores = [row.scores["psnr"] for row in benchmark.rows if row.method == configuration.name]
        assert line(benchmark, configuration).scores["psnr"].value == pytest.approx(np.mean(scores), rel=1e-12)


def test_an_interval_of_many_items_is_students() -> None:
    # the bootstrap's quantiles of 10,000 resamples are exact to about 2 % of the interval's width
    values = np.random.default_rng(0).normal(30, 2, 200)
    estimate = line(by_hand({A: values.tolist()}), A).scores["psnr"]
    low, high = stats.t.interval(0.95, 199, values.mean(), stats.sem(values))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.04 * (high - low))


def test_gains_are_paired_over_items() -> None:
    benchmark = result([BASELINE, A], lambda c: 25.0 + 0.2 * (c == A))
    scored = line(benchmark, A)
    gain, score = scored.gains["psnr"], scored.scores["psnr"]
    assert gain.low < 0.2 < gain.high
    assert gain.high - gain.low < 0.1 < score.high - score.low  # items differ by 3 dB, pairs by 0.07 dB
    assert line(benchmark, BASELINE).gains == {}


def test_a_gain_is_positive_where_a_smaller_score_is_better() -> None:
    benchmark = by_hand({BASELINE: [0.3, 0.4, 0.5], A: [0.1, 0.2, 0.31], B: [0.5, 0.5, 0.6]}, GMSD)
    assert line(benchmark, A).gains["gmsd"].value == pytest.approx(0.59 / 3)
    assert line(benchmark, B).gains["gmsd"].value < 0
    assert [score.name for score in table(benchmark).scores] == [A.name, "baseline", B.name]


def test_equal_scores_share_their_rank() -> None:
    benchmark = by_hand({A: [1, 2], B: [2, 1], C: [5, 5], D: [0, 0]})
    ranks = {score.name: score.rank for score in table(benchmark).scores}
    assert ranks == {C.name: 1, A.name: 2.5, B.name: 2.5, D.name: 4}


def test_ties_with_the_best_are_those_that_pairs_do_not_tell_apart() -> None:
    benchmark = result([BASELINE, A, B, C], lambda c: {A: 26.0, B: 26.0, C: 25.5}.get(c, 25.0))
    assert {score.name for score in table(benchmark).scores if score.ties_with_best} == {A.name, B.name}


def test_every_metric_has_its_own_scores_and_the_first_that_is_there_decides() -> None:
    rows = [
        Row("a", c.name, 0, {"gmsd": score, "psnr": 30 - score}) for c, score in ((A, 0.1), (B, 0.2), (C, 0.05))
    ]
    ssim = Metric("ssim", "SSIM", True, 4)
    benchmark = BenchmarkResult("sr", "SR", "pixels", (ssim, GMSD, PSNR), tuple(rows), (A, B, C))
    analysis = table(benchmark)
    assert [metric.name for metric in analysis.metrics] == ["gmsd", "psnr"]
    assert [score.name for score in analysis.scores] == [C.name, A.name, B.name]
    assert analysis.scores[0].scores["psnr"].value == 29.95


class TestOneRowForAllItems:
    """A benchmark such as a rank correlation, which has one number and its interval for each configuration."""

    @staticmethod
    def benchmark(ends: dict[Configuration, tuple[float, float, float]], seeds: int = 1) -> BenchmarkResult:
        rows = [
            Row("all", c.name, seed, {"srocc": value, "srocc_low": low, "srocc_high": high})
            for c, (value, low, high) in ends.items()
            for seed in range(seeds)
        ]
        metric = Metric("srocc", "SROCC", True, 3)
        return BenchmarkResult("iqa", "Similarity", "PSNR", (metric,), tuple(rows), tuple(ends))

    def test_takes_the_interval_that_came_with_it(self) -> None:
        estimate = line(self.benchmark({A: (0.8, 0.7, 0.85)}), A).scores["srocc"]
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.8, 0.7, 0.85))

    @pytest.mark.parametrize("seeds", [1, 3])
    @pytest.mark.parametrize("higher_is_better", [True, False])
    def test_a_difference_reaches_from_end_to_end(self, seeds: int, higher_is_better: bool) -> None:
        # seeds that change nothing do not make it surer
        benchmark = self.benchmark({BASELINE: (0.5, 0.4, 0.65), A: (0.8, 0.7, 0.9)}, seeds)
        metric = replace(benchmark.metrics[0], higher_is_better=higher_is_better)
        gain = line(replace(benchmark, metrics=(metric,)), A).gains["srocc"]
        sign = 1 if higher_is_better else -1
        assert gain.value == pytest.approx(sign * 0.3)
        assert sorted([gain.low, gain.high]) == pytest.approx(sorted([sign * 0.05, sign * 0.5]))
        assert gain.sign == sign

    def test_without_an_interval_equal_seeds_give_none(self) -> None:
        benchmark = self.benchmark({A: (0.8, 0.7, 0.85)}, seeds=3)
        bare = tuple(replace(row, scores={"srocc": row.scores["srocc"]}) for row in benchmark.rows)
        assert not line(replace(benchmark, rows=bare), A).scores["srocc"].has_interval

    def test_tells_apart_only_what_does_not_overlap(self) -> None:
        scores = {A: (0.8, 0.7, 0.9), B: (0.65, 0.55, 0.75), C: (0.5, 0.4, 0.6)}
        lines = table(self.benchmark(scores)).scores
        assert [score.ties_with_best for score in lines] == [True, True, False]

    def test_equal_seeds_do_not_change_the_interval_and_others_widen_it(self) -> None:
        same = self.benchmark({A: (0.8, 0.7, 0.85)}, seeds=3)
        estimate = line(same, A).scores["srocc"]
        assert (estimate.low, estimate.high) == pytest.approx((0.7, 0.85))
        moved = tuple(
            replace(row, scores={name: value + 0.02 * row.seed for name, value in row.scores.items()})
            for row in same.rows
        )
        wider = line(replace(same, rows=moved), A).scores["srocc"]
        assert wider.low < 0.72
        assert wider.high > 0.87


class TestWhatIsMissing:
    def test_a_failed_configuration_is_told_with_its_reason_and_the_others_go_on(self) -> None:
        benchmark = replace(
            result([BASELINE, A], lambda c: 25.0),
            configurations=(B, BASELINE, A),
            failures={B.name: "It diverged."},
        )
        scores = table(benchmark).scores
        assert (scores[-1].name, scores[-1].problem, scores[-1].scores) == (B.name, "It diverged.", {})
        assert math.isnan(scores[-1].rank)
        assert [score.problem for score in scores[:-1]] == ["", ""]

    def test_a_configuration_without_rows_has_not_been_run(self) -> None:
        benchmark = replace(result([A], lambda c: 25.0), configurations=(A, B))
        assert line(benchmark, B).problem == "It has not been run."

    def test_a_mean_over_other_items_is_not_compared(self) -> None:
        full = result([A, B], lambda c: 25.0, items=3)
        benchmark = replace(full, rows=full.rows[:-1])
        assert "an item that others have" in line(benchmark, B).problem
        assert line(benchmark, A).rank == 1

    def test_a_score_that_is_not_a_number_is_missing(self) -> None:
        benchmark = by_hand({A: [1.0, 2.0], B: [1.0, math.nan], C: [math.nan, math.nan]})
        assert [score.name for score in table(benchmark).scores if not score.problem] == [A.name]

    def test_a_seed_that_few_have_yet_is_left_out(self) -> None:
        first, second = (result([A, B, C], lambda c: 25.0, seeds=n) for n in (1, 2))
        more = tuple(row for row in second.rows if row.seed == 1 and row.method == A.name)
        benchmark = replace(first, rows=first.rows + more)
        assert table(benchmark).seeds == 1
        assert line(benchmark, A).scores == line(first, A).scores

    def test_a_configuration_that_lacks_a_seed_which_most_have_is_left_out(self) -> None:
        full = result([A, B, C], lambda c: 25.0, seeds=2)
        benchmark = replace(full, rows=tuple(r for r in full.rows if (r.method, r.seed) != (C.name, 1)))
        assert table(benchmark).seeds == 2
        assert line(benchmark, C).problem == "It lacks seed 1, which others have."

    def test_rows_of_other_configurations_are_ignored(self) -> None:
        benchmark = replace(result([A, B], lambda c: 25.0), configurations=(A,))
        assert [score.name for score in table(benchmark).scores] == [A.name]

    def test_a_row_that_occurs_twice_is_an_error(self) -> None:
        benchmark = result([A], lambda c: 25.0)
        with pytest.raises(LossmithError, match="occurs twice"):
            table(replace(benchmark, rows=benchmark.rows * 2))

    def test_one_item_and_one_seed_have_no_interval(self) -> None:
        scored = line(by_hand({BASELINE: [25.0], A: [26.0]}), A)
        assert not scored.scores["psnr"].has_interval
        assert (scored.gains["psnr"].value, scored.gains["psnr"].has_interval) == (1.0, False)


def test_trained_weights_are_seldom_known_to_differ_from_random_ones_that_are_as_good() -> None:
    networks = [f"net{number}" for number in range(14)]
    configurations = [*grid(networks, 1), *grid(networks, 1, random=True)]
    # one study in twenty may err; without regard to the number of networks half of them would
    wrong = 0
    for draw in range(30):
        comparisons = table(result(configurations, lambda c: 25.0, items=12, draw=draw)).random_comparisons
        wrong += any(comparison.gain.sign for comparison in comparisons)
    assert wrong < 6
