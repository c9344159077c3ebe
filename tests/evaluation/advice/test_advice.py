"""Advice on simulated tournaments whose truth is known."""

import math

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Criteria, Row, advise


def tournament(rng, means, seeds=4, images=24, seed_noise=0.02, rest=0.03, metric="psnr"):
    base = rng.normal(30, 3, images)
    rows = [Row(str(i), DEGRADED, 0, {metric: float(base[i] - 3)}) for i in range(images)]
    for name, mean in means.items():
        scores = base + mean + rng.normal(0, seed_noise, (seeds, 1)) + rng.normal(0, rest, (seeds, images))
        rows += [Row(str(i), name, s, {metric: float(value)}) for (s, i), value in np.ndenumerate(scores)]
    return rows


def fidelity(rows, losses, **options):
    return advise(rows, losses, **options).of("fidelity")


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_what_is_better_equivalent_and_worse_is_said(rng):
    """Forty tournaments: nearly all come out as they are, and at most 5 % say a false word."""
    means = {"good": 1.0, "as good": 1.0, "bad": 0.0}
    right = false = 0
    for _ in range(40):
        advice = fidelity(tournament(rng, means), list(means))
        right += advice.equivalent in (("good",), ("as good",)) and advice.avoid == ("bad",)
        false += any(
            pair.outcome in ("better", "worse") and "bad" not in (pair.first, pair.second)
            for pair in advice.differences
            if DEGRADED not in (pair.first, pair.second)
        )
    assert right >= 36
    assert false <= 5  # 5 % and two standard errors


def test_a_difference_of_a_margin_is_rarely_called_equivalent(rng):
    said = sum(fidelity(tournament(rng, {"a": 0.1, "b": 0.0}), ["a", "b"]).equivalent != () for _ in range(100))
    assert said <= 12  # 5 % and three standard errors


def test_a_notably_cheaper_equivalent_loss_is_taken(rng):
    rows = tournament(rng, {"slow": 1.01, "fast": 1.0}, seed_noise=0.005, rest=0.01)
    assert fidelity(rows, ["slow", "fast"], costs={"slow": 2.0, "fast": 1.0}).take == "fast"
    assert fidelity(rows, ["slow", "fast"], costs={"slow": 1.0, "fast": 0.95}).take == "slow"
    assert fidelity(rows, ["slow", "fast"]).take == "slow"


def test_one_seed_crowns_nobody(rng):
    advice = fidelity(tournament(rng, {"a": 5.0, "b": 0.0}, seeds=1), ["a", "b"])
    assert (advice.best, advice.avoid, advice.take) == ("a", ("b",), None)


def test_a_loss_with_fewer_seeds_is_judged_under_those_it_has(rng):
    rows = tournament(rng, {"a": 2.0, "b": 1.9, "dropped": 0.0}, seeds=5)
    rows = [row for row in rows if row.method != "dropped" or row.seed < 2]
    advice = fidelity(rows, ["a", "b", "dropped"])
    assert "dropped" in advice.ranking.means
    assert advice.ranking.means["a"] - advice.ranking.means["dropped"] == pytest.approx(20, abs=1.5)


def test_seeds_that_are_easy_for_all_favor_nobody(rng):
    """A loss that has only the bad seeds is compared as if it had all."""
    rows = tournament(rng, {"a": 0.0, "b": 0.0}, seeds=6, seed_noise=0.0)
    easy = [
        Row(r.image, r.method, r.seed, {"psnr": r.scores["psnr"] + (r.method != DEGRADED) * r.seed}) for r in rows
    ]
    few = [row for row in easy if row.method != "b" or row.seed < 2]
    means = fidelity(few, ["a", "b"]).ranking.means
    assert means["a"] == pytest.approx(means["b"], abs=0.5)


def test_an_image_that_one_metric_cannot_judge_for_one_loss_leaves_that_loss_out(rng):
    """Its goal score would be the mean of other metrics than that of the others."""
    rows = tournament(rng, {"a": 0.0, "b": 0.0})
    rows = [Row(r.image, r.method, r.seed, {**r.scores, "l1": 20.0}) for r in rows]
    rows[-1].scores["l1"] = math.nan
    assert "b" not in fidelity(rows, ["a", "b"]).ranking.means


def test_whether_the_best_loss_improves_on_its_input_is_said(rng):
    assert fidelity(tournament(rng, {"a": 0.0, "b": -1.0}), ["a", "b"]).improves
    assert not fidelity(tournament(rng, {"a": -3.0, "b": -4.0}), ["a", "b"]).improves


def test_looking_more_often_makes_fewer_words(rng):
    rows = tournament(rng, {"a": 0.15, "b": 0.0}, seeds=3, seed_noise=0.03)
    once, often = (fidelity(rows, ["a", "b"], criteria=Criteria(looks=n)).differences[-1] for n in (1, 9))
    assert often.high - often.low > once.high - once.low
