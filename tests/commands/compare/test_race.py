"""Races of simulated runs, whose scores are drawn with known differences: when they end, and what they skip."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from lossmith.commands.compare.job import RunResult
from lossmith.commands.compare.rounds import Rounds
from lossmith.commands.compare.timing import Place
from lossmith.evaluation import DEGRADED, Advice, Criteria, Race, Row, advise
from lossmith.training import RunSummary

IMAGES = [f"image {number}" for number in range(12)]
SECONDS = 60.0
"""Of every simulated run."""


@dataclass
class SimulatedRuns:
    """Runs that take no time: a loss has a mean PSNR in dB, images and seeds add to it, and so does noise."""

    means: Mapping[str, float]
    race: Race
    noise: float = 0.02
    failing: frozenset[str] = frozenset()
    stored: set[Place] = field(default_factory=set)
    """The runs whose results are on disk."""
    trained: list[Place] = field(default_factory=list)
    """Those that were trained here, in their order."""
    dies_after: float = math.inf
    """How many runs are trained until the process is killed."""

    def carry_out(self, places: Sequence[Place]) -> list[RunResult]:
        for place in places:
            if place not in self.stored:
                if len(self.trained) >= self.dies_after:
                    raise KeyboardInterrupt
                self.trained.append(place)
                self.stored.add(place)
        return [self._result(place) for place in places]

    def finished(self, place: Place) -> RunResult | None:
        return self._result(place) if place in self.stored else None

    def advise(self, runs: Sequence[RunResult], losses: Sequence[str]) -> Advice:
        rows = [Row(image, DEGRADED, 0, {"psnr": 20.0}) for image in IMAGES]
        rows += [row for run in runs if run.summary for row in self._rows(run.loss, run.seed)]
        return advise(rows, losses, Criteria(looks=self.race.looks))

    def _result(self, place: Place) -> RunResult:
        loss, seed = place
        failure = "it diverged" if loss in self.failing else None
        summary = None if failure else RunSummary(100, SECONDS, 1.0, "cpu", "float32")
        return RunResult(loss, seed, Path(loss, str(seed)), "fcn", summary, failure)

    def _rows(self, loss: str, seed: int) -> list[Row]:
        # the same draws whenever it is carried out; losses share what images and seeds add
        noise = np.random.default_rng([seed, *loss.encode()]).normal(0, self.noise, len(IMAGES))
        common = np.random.default_rng(seed).normal(0, 0.1) + np.random.default_rng(99).normal(0, 3, len(IMAGES))
        psnr = 30 + self.means[loss] + common + noise
        return [Row(image, loss, seed, {"psnr": float(value)}) for image, value in zip(IMAGES, psnr, strict=True)]


def race(runs: SimulatedRuns, losses: Sequence[str] | None = None, budget: float = math.inf) -> Rounds:
    rounds = Rounds(runs.race, losses or list(runs.means), runs, budget)
    rounds.carry_out()
    return rounds


def outcome(rounds: Rounds) -> str:
    return repr((rounds.looks, rounds.results, rounds.ending))


def test_a_race_gives_up_where_more_seeds_are_unlikely_to_decide_and_says_so() -> None:
    """Images differ by 3 dB in how they take the losses, which no number of seeds makes sure."""
    runs = SimulatedRuns({"l1": 0.0, "l2": 0.1}, Race(2, 8), noise=3.0)
    rounds = race(runs)
    assert max(rounds.seeds.values()) < 8
    assert rounds.ending.endswith("of at most 8 seeds, since more seeds are unlikely to decide the rest")


def test_a_race_ends_with_the_least_number_of_seeds_where_differences_are_large() -> None:
    rounds = race(SimulatedRuns({"l1": 0.0, "l2": -2.0, "mix": 1.0}, Race(2, 8)))
    assert rounds.seeds == {"l1": 2, "l2": 2, "mix": 2}
    assert rounds.ending == "it ended after 2 of at most 8 seeds, since everything is decided"
    fidelity = rounds.looks[-1].advice.of("fidelity")
    assert fidelity
    assert fidelity.take == "mix"
    assert fidelity.avoid == ("l1", "l2")
    assert [look.ending for look in rounds.looks] == [rounds.ending]


@pytest.mark.parametrize("least", [1, 2, 3])
def test_no_race_ends_before_the_least_number_of_seeds(least: int) -> None:
    rounds = race(SimulatedRuns({"l1": 0.0, "l2": -5.0}, Race(least, 6), noise=0.0))
    assert set(rounds.seeds.values()) == {max(least, 2)} or least == 1
    assert min(rounds.looks[0].seeds.values()) == least


def test_seeds_go_to_the_losses_of_which_something_is_undecided() -> None:
    """Two losses are 0.1 dB apart, which is the margin: it takes many seeds to tell whether that matters."""
    runs = SimulatedRuns({"l1": 0.1, "mix": 0.0, "l2": -3.0}, Race(2, 6), noise=0.1)
    rounds = race(runs)
    assert rounds.seeds == {"l1": 6, "mix": 6, "l2": 2}
    assert rounds.ending == "the race ended after 6 seeds, since everything is decided"
    assert [max(look.seeds.values()) for look in rounds.looks] == [2, 3, 4, 5, 6], "a look after every seed"
    assert len(rounds.looks) <= runs.race.looks
    assert rounds.looks[-1].seconds == rounds.seconds == 14 * SECONDS


@pytest.mark.parametrize("minutes", [1, 6, 8, 9, 30])
def test_no_round_is_begun_that_would_exceed_the_budget(minutes: int) -> None:
    """A round of three runs takes three minutes, and one of two takes two."""
    rounds = race(SimulatedRuns({"l1": 0.1, "mix": 0.0, "l2": -3.0}, Race(2, 6), 0.1), budget=60 * minutes)
    spent = round(rounds.seconds / 60)
    assert spent == {1: 3, 6: 6, 8: 8, 9: 8, 30: 14}[minutes], "the first round cannot be forecast"
    if minutes == 8:
        assert rounds.ending == (
            "it ended after 3 of at most 6 seeds, since 8 minutes of 8 minutes are spent and another round would "
            "take about 2 minutes"
        )
    assert ("another round" in rounds.ending) == (minutes < 30)


def test_a_tournament_of_a_fixed_number_of_seeds_is_looked_at_once_and_has_no_ending() -> None:
    rounds = race(SimulatedRuns({"l1": 0.0, "l2": -2.0}, Race(3, 3)))
    assert rounds.seeds == {"l1": 3, "l2": 3}
    assert rounds.ending == ""
    assert len(rounds.looks) == 1


def test_a_failed_loss_is_left_behind() -> None:
    rounds = race(
        SimulatedRuns({"l1": 0.1, "mix": 0.0, "hopeless": 0.0}, Race(2, 4), 0.3, frozenset({"hopeless"}))
    )
    assert set(rounds.seeds) == {"l1", "mix"}
    assert rounds.looks
    assert {run.seed for run in rounds.results if run.loss == "hopeless"} == {0, 1}
    assert race(SimulatedRuns({"hopeless": 0.0}, Race(2, 4), failing=frozenset({"hopeless"}))).looks == []


@pytest.mark.parametrize("dies_after", range(14))
def test_a_race_that_was_killed_anywhere_resumes_and_ends_the_same(dies_after: int) -> None:
    means = {"l1": 0.1, "mix": 0.0, "l2": -3.0}
    expected = race(SimulatedRuns(means, Race(2, 6), 0.1))
    runs = SimulatedRuns(means, Race(2, 6), 0.1, dies_after=dies_after)
    with pytest.raises(KeyboardInterrupt):
        race(runs)
    runs.dies_after = math.inf
    assert outcome(race(runs)) == outcome(expected)
    assert len(runs.trained) == len(set(runs.trained)) == 14, "each once"


def test_contenders_are_added_and_removed_and_finished_runs_are_kept() -> None:
    runs = SimulatedRuns({"l1": 0.1, "mix": 0.0, "l2": -3.0, "ssim": 2.0}, Race(2, 6), 0.1)
    alone = race(runs, ["l1", "mix"])
    before = list(runs.trained)
    added = race(runs, ["l1", "mix", "ssim"])
    assert runs.trained[len(before) :] == [("ssim", 0), ("ssim", 1)]
    assert alone.seeds["l1"] > 2
    assert {**added.seeds, "ssim": 2} == {**alone.seeds, "ssim": 2}, "though the race would not ask for them now"
    assert {run.loss for run in race(runs, ["ssim", "mix"]).results} == {"ssim", "mix"}
    assert len(runs.trained) == len(before) + 2


def test_runs_that_are_left_over_make_no_more_looks_than_the_intervals_allow_for() -> None:
    means = {"l1": 0.1, "mix": 0.0, "l2": -3.0}
    runs = SimulatedRuns(means, Race(2, 6), 0.1, stored={("l2", seed) for seed in range(6)})
    rounds = race(runs)
    assert rounds.seeds["l1"] == 6, "all looks are used"
    assert len(rounds.looks) == runs.race.looks


def test_a_finished_tournament_becomes_a_race_with_all_its_seeds() -> None:
    runs = SimulatedRuns({"l1": 0.0, "l2": -2.0}, Race(4, 4))
    race(runs)
    runs.race = Race(2, 8)
    rounds = race(runs)
    assert rounds.seeds == {"l1": 4, "l2": 4}
    assert len(runs.trained) == 8


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_loss_that_is_needed_again_catches_up_within_a_round(noise: float) -> None:
    """A race whose advice is dictated: l2 is dropped after two seeds, and in question again after four.

    With much noise, too, where more seeds look futile: what is seen so far decides that, not what is planned.
    """
    runs = SimulatedRuns({"l1": 0.1, "mix": 0.0, "l2": -3.0}, Race(2, 8), noise)
    rounds = Rounds(runs.race, list(runs.means), runs)
    rounds.results = runs.carry_out([("l1", s) for s in range(4)] + [("mix", s) for s in range(4)])
    rounds.results += runs.carry_out([("l2", s) for s in range(2)])
    similar = SimulatedRuns({"l1": 0.1, "mix": 0.0, "l2": 0.0}, Race(2, 8), noise)
    advice = similar.advise(rounds.results, rounds.losses)
    fidelity = advice.of("fidelity")
    assert fidelity
    assert "l2" in (fidelity.best, *fidelity.undecided)
    assert rounds._next(advice)[:2] == [("l2", 2), ("l2", 3)]
    assert {seed for _, seed in rounds._next(advice)} == {2, 3, 4}
