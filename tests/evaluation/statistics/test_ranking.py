"""From rows to who is better and how sure that is."""

import itertools
import math

import numpy as np
import pytest

from lossmith.core.errors import LossmithError
from lossmith.evaluation.results import DEGRADED, Ranking, Row, as_columns
from lossmith.evaluation.statistics.criteria import Criteria
from lossmith.evaluation.statistics.ranking import (
    differences,
    excluded_methods,
    main_ranking,
    mean_ranks,
    ranked_methods,
    ranking,
    rankings,
)


def rows_of(scores: dict[str, np.ndarray], metric: str = "psnr") -> list[Row]:
    """Rows from one (seeds, images) array per method."""
    return [
        Row(f"{p:03}.png", method, s, {metric: float(value)})
        for method, array in scores.items()
        for (s, p), value in np.ndenumerate(np.atleast_2d(array))
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- differences ---


def test_a_clear_winner_is_better_and_what_is_alike_undecided(rng, psnr_metric):
    base = rng.normal(30, 3, 20) + rng.normal(0, 0.05, (3, 20))
    better = base + 0.2 + rng.normal(0, 0.05, (3, 20))
    alike = base + rng.normal(0, 0.05, (3, 20))
    rows = rows_of({"base": base, "better": better, "alike": alike})
    by_pair = {(d.first, d.second): d for d in differences(rows, psnr_metric)}
    assert list(by_pair) == [("base", "better"), ("base", "alike"), ("better", "alike")]
    assert by_pair["base", "better"].outcome == "worse"
    assert by_pair["base", "better"].mean == pytest.approx(-0.2, abs=0.05)
    assert by_pair["base", "better"].high < 0
    assert by_pair["base", "alike"].outcome == "undecided"  # without a margin nothing is equivalent
    assert ranking(rows, psnr_metric).leaders == ("better",)


def test_under_the_null_hypothesis_a_winner_is_rare(rng, psnr_metric):
    """Five equal methods, 200 times: in at most 5 % is any better than another, 2 standard errors more allowed."""
    false_words = 0
    for _ in range(200):
        scores = {f"m{i}": rng.normal(30, 0.3, (2, 10)) for i in range(5)}
        false_words += any(pair.significant for pair in differences(rows_of(scores), psnr_metric))
    assert false_words <= 16


def test_win_rate_counts_images_by_mean_over_seeds_and_ties_as_half(psnr_metric, gmsd_metric):
    first = np.array([[1.0, 5.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0]])
    second = np.array([[0.0, 2.0, 2.0, 4.0], [0.0, 2.0, 2.0, 4.0]])  # won, won, tied, lost
    [higher] = differences(rows_of({"a": first, "b": second}), psnr_metric)
    [lower] = differences(rows_of({"a": first, "b": second}, "gmsd"), gmsd_metric)
    assert (higher.win_rate, lower.win_rate) == (0.625, 0.375)


def test_swapping_a_pair_turns_its_signs(rng, psnr_metric):
    rows = rows_of({"a": rng.normal(size=(3, 8)), "b": rng.normal(size=(3, 8))})
    [forward] = differences(rows, psnr_metric, ["a", "b"])
    [back] = differences(rows, psnr_metric, ["b", "a"])
    assert (back.mean, back.low, back.high) == pytest.approx(
        (-forward.mean, -forward.high, -forward.low), abs=1e-12
    )
    assert back.win_rate == pytest.approx(1 - forward.win_rate)


def test_the_order_of_rows_and_methods_does_not_matter(rng, psnr_metric):
    rows = rows_of({name: rng.normal(size=(2, 6)) for name in ("a", "b", "c")})
    shuffled_rows = [rows[i] for i in rng.permutation(len(rows))]
    one, other = (ranking(r, psnr_metric, m) for r, m in ((rows, "abc"), (shuffled_rows, "cab")))
    assert one.order == other.order
    assert set(one.leaders) == set(other.leaders)
    assert one.means == pytest.approx(other.means)
    for name in "abc":
        assert one.intervals[name] == pytest.approx(other.intervals[name], abs=1e-12)


def test_a_constant_added_to_all_changes_no_difference(rng, psnr_metric):
    scores = {name: rng.normal(size=(2, 6)) for name in ("a", "b")}
    shift = rng.normal(0, 10, 6)
    [one] = differences(rows_of(scores), psnr_metric)
    [other] = differences(rows_of({name: array + shift for name, array in scores.items()}), psnr_metric)
    assert (other.mean, other.low, other.high) == pytest.approx((one.mean, one.low, one.high), abs=1e-9)


def test_more_methods_and_more_looks_make_each_interval_wider(rng, psnr_metric):
    scores = {name: rng.normal(size=(2, 9)) for name in ("a", "b", "c")}
    [pair] = differences(rows_of(scores), psnr_metric, ["a", "b"])
    [of_three, *_] = differences(rows_of(scores), psnr_metric)
    [looked_at_twice] = differences(rows_of(scores), psnr_metric, ["a", "b"], Criteria(looks=2))
    for wider in (of_three, looked_at_twice):
        assert wider.high - wider.low > pair.high - pair.low
        assert wider.confidence > pair.confidence == pytest.approx(0.95)


def test_the_degraded_input_makes_no_interval_wider(rng, psnr_metric):
    rows = rows_of({"a": rng.normal(size=(2, 9)), "b": rng.normal(size=(2, 9)), DEGRADED: rng.normal(size=9)})
    [alone] = differences(rows, psnr_metric, ["a", "b"])
    assert differences(rows, psnr_metric, [DEGRADED, "a", "b"])[-1] == alone


# --- what is compared ---


def test_images_too_small_for_a_metric_are_left_out_for_all(rng, psnr_metric):
    scores = {name: rng.normal(size=(2, 5)) for name in ("a", "b")}
    for array in scores.values():
        array[:, 3] = np.nan
    common = {name: np.delete(array, 3, axis=1) for name, array in scores.items()}
    assert ranking(rows_of(scores), psnr_metric).means == pytest.approx(
        ranking(rows_of(common), psnr_metric).means
    )


def test_methods_with_missing_rows_are_left_out(rng, psnr_metric):
    rows = rows_of({name: rng.normal(size=(2, 5)) for name in ("whole", "no_image", "diverged")})
    rows = [row for row in rows if (row.method, row.image, row.seed) != ("no_image", "002.png", 0)]
    rows = [Row(r.image, r.method, r.seed, {"psnr": math.nan}) if r.method == "diverged" else r for r in rows]
    methods = ["whole", "no_image", "diverged", "never_ran"]
    assert ranking(rows, psnr_metric, methods).order == ("whole",)
    assert differences(rows, psnr_metric, methods) == []
    assert excluded_methods(rows, psnr_metric, methods) == methods[1:]


def test_the_degraded_input_is_compared_under_every_seed(rng, psnr_metric):
    values = rng.normal(30, 1, 6) + rng.normal(0, 0.1, (3, 6))
    rows = rows_of({"l1": values, DEGRADED: values.mean(0) - 2})
    [difference] = differences(rows, psnr_metric)
    assert difference.mean == pytest.approx(2)
    assert difference.significant
    assert ranking(rows, psnr_metric).order == ("l1", DEGRADED)


@pytest.mark.parametrize("rows", [[], rows_of({"a": np.full((1, 3), np.nan)})], ids=["no rows", "no numbers"])
def test_a_table_without_comparable_methods_is_refused(rows, psnr_metric):
    for function in (ranking, differences):
        with pytest.raises(LossmithError, match="nothing to compare in PSNR"):
            function(rows, psnr_metric)
    assert rankings(rows, [psnr_metric]) == []


def test_a_row_that_occurs_twice_is_refused(psnr_metric):
    rows = [Row("a.png", "l1", 0, {"psnr": 30.0})] * 2
    for function in (ranking, differences, lambda r, m: rankings(r, [m])):
        with pytest.raises(LossmithError, match=r"'a.png' occurs twice for method 'l1', seed 0"):
            function(rows, psnr_metric)


# --- standings ---


def test_the_best_method_comes_first_for_either_metric_direction(rng, psnr_metric, gmsd_metric):
    scores = {"low": np.full(4, 1.0), "high": np.full(4, 3.0), "middle": np.full(4, 2.0)}
    assert ranking(rows_of(scores), psnr_metric).order == ("high", "middle", "low")
    assert ranking(rows_of(scores, "gmsd"), gmsd_metric).order == ("low", "middle", "high")


def test_equal_methods_share_the_lead(rng, psnr_metric):
    values = rng.normal(size=(2, 5))
    assert ranking(rows_of({"a": values, "b": values.copy()}), psnr_metric).leaders == ("a", "b")


def test_the_degraded_input_leads_only_if_nothing_is_better(rng, psnr_metric):
    noise = rng.normal(0, 0.5, (2, 8))
    slightly_better = ranking(rows_of({"l1": noise - noise.mean() + 0.01, DEGRADED: np.zeros(8)}), psnr_metric)
    slightly_worse = ranking(rows_of({"l1": noise - noise.mean() - 0.01, DEGRADED: np.zeros(8)}), psnr_metric)
    much_worse = ranking(rows_of({"l1": noise - 9, DEGRADED: np.zeros(8)}), psnr_metric)
    assert slightly_better.leaders == ("l1",)
    assert slightly_worse.leaders == (DEGRADED, "l1")
    assert much_worse.leaders == (DEGRADED,)


def test_mean_ranks_average_places_over_metrics(psnr_metric, gmsd_metric):
    def standing(metric, **means):
        return Ranking(metric, tuple(means), means, {}, ())

    ranks = mean_ranks(
        [standing(psnr_metric, a=3.0, b=2.0, c=1.0), standing(gmsd_metric, a=0.2, b=0.1, c=0.2, extra=0.0)]
    )
    assert ranks == {"b": 1.5, "a": 1.75, "c": 2.75}
    assert list(ranks) == ["b", "a", "c"]
    assert mean_ranks([]) == {}


def test_mean_ranks_do_not_depend_on_the_order_of_methods(rng, psnr_metric):
    standings = [ranking(rows_of({n: rng.normal(size=5) for n in "abc"}), psnr_metric) for _ in range(4)]
    reordered = [Ranking(s.metric, s.order[::-1], dict(reversed(s.means.items())), {}, ()) for s in standings]
    assert mean_ranks(standings) == mean_ranks(reordered)
    assert sum(mean_ranks(standings).values()) == pytest.approx(6)


def test_each_pair_of_methods_comes_once(rng, psnr_metric):
    rows = rows_of({name: rng.normal(size=4) for name in "abcd"})
    pairs = [(d.first, d.second) for d in differences(rows, psnr_metric)]
    assert pairs == list(itertools.combinations("abcd", 2))


def test_degradation_levels_of_one_image_do_not_count_as_images(rng, psnr_metric) -> None:
    """An image at three levels counts once: intervals are those of its mean scores."""
    scores = rng.normal(size=(2, 3, 5))
    rows = [
        Row(f"{p}@{level}", method, 0, {"psnr": float(scores[m, k, p])})
        for (m, method), (k, level), p in itertools.product(
            enumerate(("l1", "l2")), enumerate(("low", "middle", "high")), range(5)
        )
    ]
    means = [
        Row(str(p), method, 0, {"psnr": float(scores[m, :, p].mean())})
        for (m, method), p in itertools.product(enumerate(("l1", "l2")), range(5))
    ]
    (actual,), (expected,) = (differences(entries, psnr_metric) for entries in (rows, means))
    assert (actual.mean, actual.low, actual.high) == pytest.approx((expected.mean, expected.low, expected.high))


# --- what a result shows ---


def test_the_winner_is_the_only_leader_and_neither_the_input_nor_alone(psnr_metric):
    def standing(*order, leaders):
        return Ranking(psnr_metric, order, dict.fromkeys(order, 1.0), {}, leaders)

    assert standing("a", "b", leaders=("a",)).winner == "a"
    assert standing("a", "b", DEGRADED, leaders=("a",)).winner == "a"
    assert standing("a", "b", leaders=("a", "b")).winner is None
    assert standing(DEGRADED, "a", "b", leaders=(DEGRADED,)).winner is None
    assert standing("a", leaders=("a",)).winner is None
    assert standing("a", DEGRADED, leaders=("a",)).winner is None


def test_the_main_ranking_is_psnr_or_else_the_first(psnr_metric, gmsd_metric):
    psnr, gmsd = (Ranking(metric, ("a",), {}, {}, ()) for metric in (psnr_metric, gmsd_metric))
    assert main_ranking([gmsd, psnr]) is psnr
    assert main_ranking([gmsd]) is gmsd
    assert main_ranking([]) is None


def test_ranked_methods_say_how_far_behind_the_best_each_is_and_how_sure_that_is(rng, gmsd_metric):
    base = rng.normal(0.1, 0.01, (4, 12))
    scores = {"worse": base + 0.05 + rng.normal(0, 1e-4, base.shape), "best": base, "tied": base[::-1] + 1e-9}
    rows = rows_of({**scores, DEGRADED: base.mean(0) + 0.2}, "gmsd")
    lines = ranked_methods(ranking(rows, gmsd_metric), differences(rows, gmsd_metric))
    assert [(line.rank, line.name) for line in lines] == [(1, "best"), (2, "tied"), (3, "worse"), (4, DEGRADED)]
    assert [line.outcome for line in lines] == [None, "undecided", "worse", "worse"]
    assert [line.behind for line in lines] == pytest.approx([0, 1e-9, 0.05, 0.2], abs=1e-3)
    assert all(line.interval[0] <= line.mean <= line.interval[1] for line in lines)
    assert lines[0].mean == pytest.approx(base.mean())


def test_ranked_methods_ignore_differences_in_other_metrics(rng, psnr_metric, gmsd_metric):
    scores = {name: rng.normal(size=(2, 6)) for name in ("a", "b")}
    rows = [
        Row(row.image, row.method, row.seed, {"psnr": row.scores["psnr"], "gmsd": -(row.scores["psnr"] ** 2)})
        for row in rows_of(scores)
    ]
    all_differences = [*differences(rows, gmsd_metric), *differences(rows, psnr_metric)]
    assert ranked_methods(ranking(rows, psnr_metric), all_differences) == ranked_methods(
        ranking(rows, psnr_metric), differences(rows, psnr_metric)
    )


def test_rows_become_columns_of_one_length_with_nan_for_missing_scores():
    columns = as_columns([Row("a", "l1", 0, {"psnr": 30.0}), Row("b", "l1", 1, {"gmsd": 0.1})])
    assert list(columns) == ["image", "method", "seed", "psnr", "gmsd"]
    assert {len(column) for column in columns.values()} == {2}
    assert (columns["image"], columns["seed"], columns["psnr"][0]) == (["a", "b"], [0, 1], 30.0)
    assert math.isnan(columns["psnr"][1])
    assert as_columns([]) == {"image": [], "method": [], "seed": []}
