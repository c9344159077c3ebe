"""Who is on the front, and which of them are trained again."""

import itertools
import math
import random

import pytest

from lossmith.commands.tune.confirmation import chosen_trials
from lossmith.commands.tune.front import (
    BEST,
    MAX_MEMBERS,
    candidates,
    dominated,
    dominates,
    is_decided,
    may_dominate,
    outcomes,
    spread,
    undominated,
)
from lossmith.evaluation import Criteria, Metric, Row, find_metric
from lossmith.evaluation.results import Outcome

from .conftest import MakeTrial

PSNR, GMSD, SSIM = map(find_metric, ("psnr", "gmsd", "ssim"))
KINDS: tuple[Outcome, ...] = ("better", "worse", "equivalent", "undecided")


def random_points(goals: list[Metric], count: int, seed: int) -> list[dict[str, float]]:
    """With ties, since scores have few values here."""
    rng = random.Random(seed)
    return [{goal.name: rng.randint(0, 6) / 10 for goal in goals} for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("goals", [[PSNR], [PSNR, GMSD], [PSNR, GMSD, SSIM]], ids=len)
def test_the_front_is_what_no_other_point_beats(goals: list[Metric], seed: int) -> None:
    points = random_points(goals, 15, seed)

    def is_as_good(one: dict[str, float], other: dict[str, float], goal: Metric) -> bool:
        return one[goal.name] >= other[goal.name] if goal.higher_is_better else one[goal.name] <= other[goal.name]

    expected = [
        place
        for place, point in enumerate(points)
        if not any(
            all(is_as_good(other, point, goal) for goal in goals)
            and any(not is_as_good(point, other, goal) for goal in goals)
            for other in points
        )
    ]
    assert undominated(points, goals) == expected


@pytest.mark.parametrize("seed", range(10))
def test_those_that_are_trained_again_are_spread_over_the_front(seed: int) -> None:
    rng = random.Random(seed)
    angles = sorted(rng.uniform(0, math.pi / 2) for _ in range(20))
    points = [{"psnr": 30 + math.cos(angle), "gmsd": 0.2 - 0.01 * math.sin(angle)} for angle in angles]
    chosen = spread(points, [PSNR, GMSD])
    assert len(chosen) == len(set(chosen)) == MAX_MEMBERS
    assert chosen == sorted(chosen)
    assert {0, len(points) - 1} <= set(chosen), "the best in each goal"

    def least_distance(places: list[int]) -> float:
        columns = [[point[name] for point in points] for name in ("psnr", "gmsd")]
        scaled = [[value / (max(column) - min(column)) for value in column] for column in columns]
        where = [(scaled[0][place], scaled[1][place]) for place in places]
        return min(math.dist(one, other) for one, other in itertools.combinations(where, 2))

    best = max(least_distance(list(places)) for places in itertools.combinations(range(len(points)), MAX_MEMBERS))
    assert least_distance(chosen) >= best / 2, "the greedy choice is at least half as far apart as any (Gonzalez)"


def test_a_small_front_is_trained_again_whole_best_in_the_first_goal_first() -> None:
    points = [{"psnr": 30.0, "gmsd": 0.1}, {"psnr": 29.0, "gmsd": 0.2}, {"psnr": 31.0, "gmsd": 0.15}]
    assert candidates(points, [PSNR, GMSD]) == [2, 0]


def test_with_one_goal_the_best_few_are() -> None:
    points = [{"gmsd": value} for value in (0.3, 0.1, 0.2, 0.1, 0.5)]
    assert candidates(points, [GMSD]) == [1, 3, 2]
    assert len(candidates(points, [GMSD])) == BEST


def test_only_complete_trials_and_each_loss_once(make_trial: MakeTrial) -> None:
    trials = [
        make_trial(0, {}, "pruned", psnr=40.0),
        make_trial(1, {}, psnr=30.0),
        make_trial(2, {}, "failed"),
        make_trial(3, {}, psnr=31.0),
    ]
    twice = [*trials, trials[1]]
    assert [trial.number for trial in chosen_trials(twice, [PSNR])] == [3, 1]


@pytest.mark.parametrize("pair", list(itertools.product(KINDS, repeat=2)))
def test_to_dominate_is_to_be_known_better_once_and_never_worse(pair: tuple[Outcome, Outcome]) -> None:
    known = dict(zip(("psnr", "gmsd"), pair, strict=True))
    possible = [  # what each goal may turn out to be
        (kind,) if kind != "undecided" else ("better", "worse", "equivalent") for kind in pair
    ]
    ends = ["better" in end and "worse" not in end for end in itertools.product(*possible)]
    assert dominates(known) == all(ends), "whatever becomes of what is open"
    assert may_dominate(known) == (any(ends) and not all(ends))


def rows(means: dict[str, tuple[float, float]], noise: float, seeds: int = 3, images: int = 6) -> list[Row]:
    """Scores of methods, by their means in PSNR and GMSD, that vary with the image alike and with chance."""
    rng = random.Random(0)
    return [
        Row(
            f"image {image}",
            method,
            seed,
            {
                "psnr": psnr + image + noise * rng.gauss(0, 1),
                "gmsd": gmsd + 0.01 * image + 0.01 * noise * rng.gauss(0, 1),
            },
        )
        for method, (psnr, gmsd) in means.items()
        for seed in range(1, seeds + 1)
        for image in range(images)
    ]


def test_who_is_beaten_beyond_the_intervals_is_off_and_the_reason_is_said() -> None:
    means = {"a": (30.0, 0.10), "b": (29.0, 0.05), "c": (28.0, 0.12), "d": (29.0, 0.10)}
    goals = [PSNR, GMSD]
    known = outcomes(rows(means, noise=0.001), list(means), goals, Criteria())
    assert dominated(known, list(means), goals) == {
        "c": "a is better in every goal",
        "d": "a is better in PSNR and as good in GMSD",
    }
    assert is_decided(known, ["a", "b"])


def test_what_may_be_chance_keeps_its_place_and_more_seeds_are_asked_for() -> None:
    means = {"a": (30.0, 0.10), "b": (29.5, 0.101)}
    known = outcomes(rows(means, noise=2.0), list(means), [PSNR, GMSD], Criteria())
    assert dominated(known, list(means), [PSNR, GMSD]) == {}
    assert not is_decided(known, list(means))


def test_of_methods_without_scores_nothing_is_known() -> None:
    known = outcomes([], ["a", "b"], [PSNR], Criteria())
    assert known["a", "b"] == {"psnr": "undecided"}
    assert dominated(known, ["a", "b"], [PSNR]) == {}
