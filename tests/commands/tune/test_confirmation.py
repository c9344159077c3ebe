"""The front trained with fresh seeds, by an executor that trains nothing: what decides, and who runs again."""

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lossmith.commands.tune.confirmation import Confirmation, Member
from lossmith.commands.tune.trial import Trial
from lossmith.data import PreparedData
from lossmith.evaluation import Criteria, Protocol, Race, Row, find_metric, write_csv
from lossmith.training import RunSettings, RunSummary

from .conftest import RECIPE, MakeTrial

PSNR, GMSD = find_metric("psnr"), find_metric("gmsd")
CROPS = [f"crop {number}" for number in range(6)]
TESTS = [f"test {number}" for number in range(6)]

Means = Mapping[int, tuple[float, float]]
"""PSNR and GMSD by the number of the trial."""


@dataclass
class Pretended:
    """An executor of runs whose scores are means with a little noise."""

    on_crops: Means
    on_tests: Means
    noise: float = 0.001
    failures: frozenset[tuple[int, int]] = frozenset()
    """Trials and seeds."""
    jobs: list[Any] = field(default_factory=list)

    def connection(self) -> AbstractContextManager[None]:
        return nullcontext()

    def capacity(self) -> int:
        return 1

    def run_jobs(
        self, jobs: Sequence[Any], shared: Mapping[str, Any], title: Callable[[Any], str] | None = None
    ) -> Generator[Any]:
        for job in jobs:
            self.jobs.append(job)
            trial, seed = int(job.folder.parent.name.removeprefix("trial-")), job.settings.seed
            if (trial, seed) in self.failures:
                yield job.failed("the loss became nan")
                continue
            draw = random.Random(1000 * trial + seed)
            job.folder.mkdir(parents=True)
            rows = [
                Row(image, "l1", seed, self._scores(means[trial], place, draw))
                for images, means in ((CROPS, self.on_crops), (TESTS, self.on_tests))
                for place, image in enumerate(images)
            ]
            write_csv(job.run_folder.scores, rows, Protocol())
            yield replace(job.failed(""), summary=RunSummary(10, 1.0, 1.0, "cpu", "float32"), failure=None)

    def _scores(self, means: tuple[float, float], place: int, draw: random.Random) -> dict[str, float]:
        psnr, gmsd = means
        scores = psnr + place + draw.gauss(0, self.noise), gmsd + 0.01 * place + draw.gauss(0, 0.01 * self.noise)
        return dict(zip(("psnr", "gmsd"), scores, strict=True))


Confirm = Callable[..., list[Member]]


@pytest.fixture
def confirm(prepared_photos: PreparedData, make_trial: MakeTrial, tmp_path: Path) -> Confirm:
    """`confirm(executor, race, goals)`: the members of a front of three trials, of which trial 1 has a rate of its
    own."""

    def start(executor: Pretended, race: Race, goals: Sequence[Any] = (PSNR, GMSD)) -> list[Member]:
        scores = {0: (30.0, 0.10), 1: (29.0, 0.09), 2: (28.0, 0.08)}
        trials: list[Trial] = [
            replace(make_trial(number, {}, psnr=psnr, gmsd=gmsd), loss=f"l1 + {number}*tv", learning_rate=rate)
            for (number, (psnr, gmsd)), rate in zip(scores.items(), (1e-3, 2e-3, 1e-3), strict=True)
        ]
        settings, crops = RunSettings(protocol=Protocol()), frozenset(CROPS)
        confirmation = Confirmation(
            goals, RECIPE, prepared_photos, crops, settings, None, tmp_path, executor, race
        )
        return confirmation.carry_out(trials)

    return start


APART = {0: (30.0, 0.10), 1: (29.0, 0.09), 2: (28.0, 0.08)}
"""A front."""
BEATEN = {0: (30.0, 0.10), 1: (29.0, 0.12), 2: (28.0, 0.14)}
"""The first is better in both goals."""


def front(members: list[Member]) -> list[int]:
    return [member.trial.number for member in members if not member.reason]


def test_the_crops_decide_whatever_the_test_images_say(confirm: Confirm) -> None:
    members = confirm(Pretended(on_crops=BEATEN, on_tests=APART), Race(3, 3))
    assert front(members) == [0]
    assert members[1].reason == "trial 0 is better in every goal"


def test_what_the_test_images_speak_against_stays_on_the_front(confirm: Confirm) -> None:
    assert front(confirm(Pretended(on_crops=APART, on_tests=BEATEN), Race(3, 3))) == [0, 1, 2]


def test_seeds_are_fresh_and_each_trial_keeps_its_learning_rate(confirm: Confirm) -> None:
    executor = Pretended(APART, APART)
    members = confirm(executor, Race(2, 2))
    assert [[run.seed for run in member.runs] for member in members] == [[1, 2]] * 3
    assert {(job.loss, job.recipe.learning_rate) for job in executor.jobs} == {
        ("l1 + 0*tv", 1e-3),
        ("l1 + 1*tv", 2e-3),
        ("l1 + 2*tv", 1e-3),
    }


def test_a_member_that_fails_once_is_off_the_front_and_does_not_run_again(confirm: Confirm) -> None:
    executor = Pretended(APART, APART, noise=3.0, failures=frozenset({(1, 2)}))
    members = {member.trial.number: member for member in confirm(executor, Race(2, 4))}
    assert members[1].reason == "it failed under seed 2: the loss became nan"
    assert [len(members[number].runs) for number in (0, 1, 2)] == [4, 2, 4]


def test_a_race_ends_when_nothing_is_open(confirm: Confirm) -> None:
    members = confirm(Pretended(APART, APART), Race(2, 9))
    assert [len(member.runs) for member in members] == [2, 2, 2]


def test_one_that_is_beaten_does_not_run_again_and_the_others_do_to_the_last_seed(confirm: Confirm) -> None:
    alike = {0: (30.0, 0.1), 1: (30.0, 0.1), 2: (10.0, 0.9)}
    members = confirm(Pretended(alike, alike, noise=0.5), Race(3, 5))
    assert [len(member.runs) for member in members] == [5, 5, 3]


def test_the_more_looks_the_more_is_needed_to_decide(prepared_photos: PreparedData, tmp_path: Path) -> None:
    """Or else the chance of a false word would grow with every seed."""
    settings = RunSettings(protocol=Protocol())
    race = Confirmation(
        [PSNR], RECIPE, prepared_photos, frozenset(), settings, None, tmp_path, Pretended({}, {}), Race(2, 6)
    )
    assert race.criteria == Criteria(looks=5)


def test_of_one_goal_the_best_by_the_crops_is_named_and_why_the_others_are_not(confirm: Confirm) -> None:
    on_crops = {0: (29.0, 0.1), 1: (30.0, 0.1), 2: (29.99, 0.1)}
    on_tests = {0: (31.0, 0.1), 1: (30.0, 0.1), 2: (29.0, 0.1)}
    members = confirm(Pretended(on_crops, on_tests), Race(3, 3), [PSNR])
    assert {member.trial.number: member.reason for member in members} == {
        0: "trial 1 is better in PSNR",
        1: "",
        2: "it is as good as trial 1, within 0.1 dB",
    }
