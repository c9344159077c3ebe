"""Whole studies whose truth was planted: the right sentences, whatever is missing."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lossmith.evaluation import Row
from lossmith.studies import Configuration
from lossmith.studies.analysis import BenchmarkResult, StudyAnalysis, analyze, to_json
from lossmith.studies.analysis.recommendation import recommend
from lossmith.studies.analysis.tables import metric_tables

from .planted import BASELINE, GMSD, PSNR, depth_of, facts_of_all, grid, result

NETWORKS = [f"net{n}" for n in range(8)]
ACCURACIES = {network: 50.0 + 3 * n for n, network in enumerate(NETWORKS)}


def study(*results: BenchmarkResult, accuracies: dict[str, float] = ACCURACIES) -> StudyAnalysis:
    configurations = [c for one in results for c in one.configurations]
    return analyze(results, facts=facts_of_all(configurations, accuracies))


def sentences(analysis: StudyAnalysis, of: str) -> dict[str, str]:
    return {each.fact: each.sentence for each in analysis.benchmarks[0].conventions if each.of == of}


class TestOneNetworkIsBestEverywhere:
    @pytest.fixture(scope="class")
    @classmethod
    def analysis(cls) -> StudyAnalysis:
        def truth(c: Configuration) -> float:
            return 25.0 if c.network is None else 25.5 + (c.network == "net2") - 0.1 * depth_of(c)

        configurations = [BASELINE, *grid(NETWORKS[:4])]
        names = {"sr": "Super-resolution", "road": "Delineation", "iqa": "Similarity"}
        return study(*(result(configurations, truth, name, title) for name, title in names.items()))

    def test_its_best_layer_is_recommended_with_its_lead_and_its_cost(self, analysis: StudyAnalysis) -> None:
        sentence = analysis.benchmarks[0].recommendation
        assert sentence.startswith("For super-resolution use net2:l1 (PSNR ")
        assert "better than the mean squared error of pixels; its loss takes 10.0 ms)." in sentence
        assert "distinguishable" not in sentence

    def test_it_has_the_best_mean_rank(self, analysis: StudyAnalysis) -> None:
        assert (analysis.ranks.configurations[0].name, analysis.ranks.configurations[0].mean) == ("net2:l1", 1)
        assert (analysis.ranks.networks[0].name, analysis.ranks.networks[0].mean) == ("net2", 1)
        assert any(s.startswith("net2:l1 has the best mean rank, 1.00 of 17") for s in analysis.summary)

    def test_benchmarks_correlate_over_too_few_networks(self, analysis: StudyAnalysis) -> None:
        assert len(analysis.correlations) == 3
        assert all(pair.rho.value > 0.9 and pair.configurations == 16 for pair in analysis.correlations)
        sentences = [s for s in analysis.summary if "rank the layers alike" in s]
        (sentence,) = sentences
        values = ", ".join(f"{pair.rho.value:.2f}" for pair in analysis.correlations)
        assert sentence == (
            f"Whether benchmarks rank the layers alike cannot be judged with 4 networks (rho = {values})."
        )

    def test_shallow_layers_come_first(self, analysis: StudyAnalysis) -> None:
        assert [(layer.name, layer.mean) for layer in analysis.ranks.layers] == [
            (f"layer {n}", n) for n in (1, 2, 3, 4)
        ]

    def test_later_layers_are_said_to_be_worse_within_networks(self, analysis: StudyAnalysis) -> None:
        sentence = next(s for s in analysis.summary if s.startswith("Within networks"))
        assert sentence.startswith(
            "Within networks, later layers are worse (mean rho = -1.00 over 4 networks, p = "
        )
        assert all(benchmark.depth_trend for benchmark in analysis.benchmarks)

    def test_four_networks_are_too_few_to_judge_conventions(self, analysis: StudyAnalysis) -> None:
        sentence = sentences(analysis, "networks")["imagenet_accuracy"]
        assert sentence.startswith(
            "Networks with higher ImageNet accuracy are better losses: cannot be judged with 4 networks (rho ="
        )


class TestConventions:
    def test_a_score_that_is_a_function_of_depth_is_seen_as_such(self) -> None:
        analysis = study(result(grid(NETWORKS), lambda c: 25 + 0.3 * depth_of(c)))
        seen = sentences(analysis, "configurations")
        assert "Later layers of a network are better losses: seen (rho = 0.9" in seen["relative_depth"]
        assert seen["depth"].endswith("8 networks).")
        assert "accuracy are better losses: not seen" in seen["imagenet_accuracy"]

    def test_the_opposite_is_seen_where_shallow_layers_are_better(self) -> None:
        analysis = study(result(grid(NETWORKS), lambda c: 25 - 0.3 * depth_of(c)))
        assert "the opposite is seen (rho = -0.9" in sentences(analysis, "configurations")["depth"]

    def test_quality_goes_up_where_a_score_goes_down(self) -> None:
        analysis = study(result(grid(NETWORKS), lambda c: 0.5 - 0.02 * depth_of(c), metric=GMSD, noise=0.001))
        assert "better losses: seen" in sentences(analysis, "configurations")["depth"]

    def test_accuracy_that_foretells_the_score_is_seen_by_networks(self) -> None:
        analysis = study(result(grid(NETWORKS), lambda c: 20 + ACCURACIES[str(c.network)] / 10 - depth_of(c)))
        by_network = sentences(analysis, "networks")
        assert "accuracy are better losses: seen (rho = 1.00" in by_network["imagenet_accuracy"]
        assert by_network["imagenet_accuracy"].endswith("8 networks by their best layers).")
        # every best layer is the first: nothing to correlate with
        assert by_network["depth"].endswith(
            "cannot be judged with 8 networks, since this or the quality is the same in all."
        )

    def test_an_unknown_fact_cannot_be_judged(self) -> None:
        analysis = study(result(grid(NETWORKS), lambda c: 25.0), accuracies={})
        assert sentences(analysis, "networks")["imagenet_accuracy"].endswith(
            "cannot be judged, because this is known of no trained network."
        )

    def test_random_weights_are_left_out(self) -> None:
        configurations = [*grid(NETWORKS), *grid(NETWORKS, random=True)]
        analysis = study(result(configurations, lambda c: 25 + depth_of(c) * (-1 if c.random else 1)))
        convention = next(c for c in analysis.benchmarks[0].conventions if c.fact == "depth")
        assert len(convention.points) == 32
        assert convention.rho.sign == 1

    def test_points_are_facts_and_scores(self) -> None:
        analysis = study(result(grid(["net0"]), lambda c: 25.0, noise=0))
        convention = next(c for c in analysis.benchmarks[0].conventions if c.fact == "depth")
        scores = {line.name: line.scores["psnr"].value for line in analysis.benchmarks[0].scores}
        assert {(p.name, p.x): p.y for p in convention.points} == {
            (name, float(name[-1])): score for name, score in scores.items()
        }


class TestNothingDiffers:
    @pytest.fixture(scope="class")
    @classmethod
    def analysis(cls) -> StudyAnalysis:
        configurations = [BASELINE, *grid(NETWORKS[:3])]
        return study(*(result(configurations, lambda c: 25.0, name) for name in ("a", "bb", "cccc")))

    def test_no_layer_is_recommended(self, analysis: StudyAnalysis) -> None:
        for benchmark in analysis.benchmarks:
            assert "no layer is known to beat the mean squared error of pixels" in benchmark.recommendation
            assert " use " not in benchmark.recommendation

    def test_the_best_of_many_layers_is_rarely_taken_for_better_than_it_is(self) -> None:
        # one study in twenty may err; of 60, seven or more would be a chance of 3 in 100
        configurations = [BASELINE, *grid(NETWORKS[:5])]
        claims = 0
        for draw in range(60):
            benchmark = result(configurations, lambda c: 25.0, items=12, draw=draw)
            table = metric_tables(benchmark)[0]
            claims += " use " in recommend(benchmark, table, {})
        assert claims < 7

    def test_the_ranks_do_not_differ(self, analysis: StudyAnalysis) -> None:
        assert "are not known to differ" in analysis.ranks.note
        assert len(analysis.ranks.cliques) == 1
        assert len(analysis.ranks.cliques[0]) == 13


class TestRecommendation:
    a, b = grid(["net"], 2)

    def sentence(self, truth: dict[Configuration, float], **more: object) -> str:
        return study(result([*truth], truth.__getitem__, **more)).benchmarks[0].recommendation  # type: ignore[arg-type]

    def test_a_cheaper_layer_that_is_as_good_is_named(self) -> None:
        shallow, deep = Configuration("net", "l1"), Configuration("net", "l4")
        # one noise for all, and a hair's breadth between the two
        benchmark = result([BASELINE, shallow, deep], lambda c: 25 + (c != BASELINE), noise=0.05)
        best = analyze([benchmark], facts=facts_of_all([shallow, deep])).benchmarks[0]
        costly = best.scores[0].configuration
        cheap = shallow if costly == deep else deep
        costs = {costly.name: 40.0, cheap.name: 10.0}
        sentence = analyze([benchmark], costs, facts={}).benchmarks[0].recommendation
        assert sentence.endswith(f"{cheap.name} is not distinguishable from it and costs 25 % of it (10.0 ms).")

    def test_a_layer_that_is_as_good_and_not_cheaper_is_named_too(self) -> None:
        benchmark = result([BASELINE, self.a, self.b], lambda c: 25 + (c != BASELINE))
        sentence = analyze([benchmark], facts={}).benchmarks[0].recommendation
        assert sentence.endswith("is not distinguishable from it.")

    def test_where_all_layers_are_as_good_none_is_listed(self) -> None:
        sentence = self.sentence({BASELINE: 25, **dict.fromkeys(grid(["a", "b"], 4), 26)})
        assert "No other layer is distinguishable from it" in sentence

    def test_a_step_is_what_it_costs_where_the_loss_was_not_timed(self) -> None:
        benchmark = result([BASELINE, self.a], lambda c: 25 + (c == self.a))
        steps = {self.a.name: 123.4}
        analysis = analyze([replace(benchmark, milliseconds_per_step=steps)], facts={})
        assert analysis.benchmarks[0].recommendation.endswith("; a step takes 123 ms).")
        assert analysis.benchmarks[0].scores[0].milliseconds_per_step == 123.4

    def test_a_baseline_that_wins_is_said_to(self) -> None:
        sentence = self.sentence({BASELINE: 26, self.a: 25, self.b: 24})
        assert sentence.startswith("For super-resolution no layer beat the mean squared error of pixels (PSNR ")
        assert "the best, net:l1, is " in sentence
        assert sentence.endswith("worse.")

    def test_random_weights_that_win_are_called_so(self) -> None:
        random = replace(self.a, random=True)
        sentence = self.sentence({BASELINE: 24, self.a: 25, random: 26})
        assert "use net:l1 (random)" in sentence
        assert "The weights of net:l1 (random) are random; the best trained layer, net:l1, is " in sentence

    def test_a_study_of_random_weights_alone_says_so(self) -> None:
        random = replace(self.a, random=True)
        analysis = study(result([BASELINE, random], lambda c: 25 + c.random))
        assert analysis.only_random
        assert analysis.benchmarks[0].only_random
        assert analysis.benchmarks[0].recommendation.endswith(
            "All networks here have random weights, so this says nothing of trained ones."
        )
        assert analysis.summary[0].startswith("All networks have random weights")

    def test_one_item_and_one_seed_recommend_nothing(self) -> None:
        sentence = self.sentence({BASELINE: 25, self.a: 26}, items=1)
        assert "no layer is known to beat" in sentence
        assert sentence.endswith("and one score of each tells no more.")

    def test_without_a_baseline_there_is_none_to_beat(self) -> None:
        assert "the baseline has no score to compare it with" in self.sentence({self.a: 25, self.b: 26})


class TestBenchmarksThatAgree:
    @staticmethod
    def correlated(*truths: Callable[[Configuration], float]) -> StudyAnalysis:
        return study(*(result(grid(NETWORKS), truth, f"b{n}", f"B{n}") for n, truth in enumerate(truths)))

    def test_rank_the_layers_alike(self) -> None:
        analysis = self.correlated(lambda c: 25 + depth_of(c), lambda c: 10 + depth_of(c))
        assert analysis.correlations[0].networks == 8
        sentence = next(s for s in analysis.summary if s.startswith("B0 and B1 rank the layers alike (rho = "))
        assert sentence.endswith("] over 32 layers of 8 networks).")

    def test_seldom_seem_to_where_networks_differ_by_chance(self) -> None:
        # layers of a network are alike: taken for independent ones, they would seem to in every other study
        wrong = 0
        for seed in range(20):
            levels = np.random.default_rng(seed).normal(size=(2, 8))
            truths = (lambda c, of=of: 25 + of[NETWORKS.index(str(c.network))] for of in levels)
            wrong += self.correlated(*truths).correlations[0].rho.sign != 0
        assert wrong < 4


def test_some_benchmarks_with_one_seed_are_named() -> None:
    benchmarks = result(grid(["net"]), lambda c: 25.0), result(grid(["net"]), lambda c: 25.0, "b", "B", seeds=2)
    assert any(
        s.startswith("With one seed of Super-resolution, intervals there say") for s in study(*benchmarks).summary
    )


def test_configurations_share_the_best_mean_rank() -> None:
    a, b = grid(["net"], 2)
    results = [result([a, b], lambda c, n=n: 25.0 + (c == n), name) for n, name in ((a, "x"), (b, "yy"))]
    assert "net:l1 and net:l2 share the best mean rank, 1.50 of 2." in study(*results).summary


def test_one_seed_is_said_not_to_tell_of_other_trainings() -> None:
    warning = "With one seed, intervals say what other pictures would give, but not what another training would."
    for seeds, is_warned in ((1, True), (2, False)):
        assert (warning in study(result(grid(["net"]), lambda c: 25.0, seeds=seeds)).summary) == is_warned


class TestTrainedAgainstRandom:
    def test_the_difference_is_averaged_over_the_layers_that_both_have(self) -> None:
        trained, random = grid(["net0", "net1"]), grid(["net0", "net1"], 3, random=True)

        def truth(c: Configuration) -> float:
            return 25 + (0 if c.random or c.network == "net1" else 0.2 * depth_of(c))

        first, second = study(result([*trained, *random], truth)).benchmarks[0].random_comparisons
        assert (first.network, first.layers) == ("net0", ("l1", "l2", "l3"))
        assert first.gain.low < 0.4 < first.gain.high  # the mean of 0.2, 0.4 and 0.6
        assert first.gain.sign == 1
        assert second.gain.sign == 0

    def test_a_network_without_random_weights_has_none(self) -> None:
        assert study(result(grid(["net0"]), lambda c: 25.0)).benchmarks[0].random_comparisons == ()


class TestEqualScores:
    def test_rounding_makes_no_difference(self) -> None:
        trained, random = grid(["net"]), grid(["net"], random=True)
        benchmark = result([BASELINE, *trained, *random], lambda c: 0.1, noise=0, items=7, seeds=3)
        analysis = study(benchmark).benchmarks[0]
        assert [comparison.gain.sign for comparison in analysis.random_comparisons] == [0]
        assert all(line.ties_with_best for line in analysis.scores)
        assert "is equal to it" in analysis.recommendation


class TestHeatMap:
    def test_has_a_row_for_trained_and_one_for_random_weights_by_depth(self) -> None:
        first, second, third, _ = grid(["net"])
        configurations = [BASELINE, third, first, replace(second, random=True)]
        trained, random = study(result(configurations, lambda c: 25.0)).benchmarks[0].heat_map
        assert trained.layers == random.layers == ("l1", "l2", "l3")
        assert trained.cells == ("net:l1", "", "net:l3")
        assert (random.random, random.cells) == (True, ("", "net:l2 (random)", ""))

    def test_layers_keep_their_order_where_depths_are_unknown(self) -> None:
        configurations = [Configuration("net", name) for name in ("z", "a")]
        (row,) = analyze([result(configurations, lambda c: 25.0)], facts={}).benchmarks[0].heat_map
        assert row.layers == ("z", "a")


class TestWhatIsMissing:
    def test_one_configuration_only(self) -> None:
        analysis = study(result([Configuration("net", "l1")], lambda c: 25.0))
        assert "use net:l1" in analysis.benchmarks[0].recommendation
        assert analysis.ranks.friedman is None
        assert analysis.correlations == ()

    def test_the_baseline_only(self) -> None:
        sentence = study(result([BASELINE], lambda c: 25.0)).benchmarks[0].recommendation
        assert sentence.startswith(
            "Nothing can be said of super-resolution: only the mean squared error of pixels"
        )

    def test_a_benchmark_without_scores_is_told_and_the_others_go_on(self) -> None:
        configurations = [BASELINE, *grid(["net"])]
        empty = BenchmarkResult("road", "Delineation", "BCE", (PSNR,), (), tuple(configurations))
        analysis = study(result(configurations, lambda c: 25.0), empty)
        assert analysis.benchmarks[1].recommendation == (
            "Nothing can be said of delineation: no configuration has a score."
        )
        assert analysis.benchmarks[1].metric is None
        assert analysis.ranks.benchmarks == ("sr",)
        assert analysis.correlations == ()

    def test_no_scores_at_all(self) -> None:
        empty = BenchmarkResult("sr", "SR", "pixels", (PSNR,), (), (BASELINE, *grid(["net"])))
        assert study(empty).summary == ("No benchmark has a score.",)
        assert not study(empty).only_random

    def test_no_benchmarks_at_all(self) -> None:
        assert analyze([]).benchmarks == ()

    def test_benchmarks_that_have_different_configurations_share_what_both_have(self) -> None:
        first = result(grid(NETWORKS), lambda c: 25 - depth_of(c))
        second = result(grid(NETWORKS[2:]), lambda c: 25 - depth_of(c), "road")
        analysis = study(first, second)
        assert analysis.correlations[0].configurations == 24
        assert len(analysis.ranks.configurations) == 24

    def test_a_network_that_does_not_exist_has_no_facts(self) -> None:
        unknown = Configuration("no_such_network", "l1")
        analysis = analyze([replace(result([BASELINE], lambda c: 25.0), configurations=(BASELINE, unknown))])
        assert to_json(analysis.facts[unknown.name])["depth"] is None


def test_costs_of_trained_weights_are_those_of_random_ones() -> None:
    trained, random = Configuration("net", "l1"), Configuration("net", "l1", random=True)
    analysis = analyze([result([trained, random], lambda c: 25.0)], {trained.name: 7.0}, {})
    assert analysis.facts[random.name].milliseconds == 7


def test_is_json_and_the_same_every_time() -> None:
    configurations = [BASELINE, *grid(NETWORKS[:2]), *grid(NETWORKS[:1], random=True)]
    results = [result(configurations, lambda c: 25.0, name) for name in ("sr", "road")]
    results[1] = replace(results[1], rows=(*results[1].rows[:-1], Row("x", BASELINE.name, 0)))
    texts = {json.dumps(to_json(study(*results)), allow_nan=False, sort_keys=True) for _ in range(2)}
    assert len(texts) == 1
    value = json.loads(texts.pop())
    assert value["ranks"]["critical_difference"] is None
    assert value["benchmarks"][0]["scores"][0]["configuration"] in {c.name for c in configurations}
