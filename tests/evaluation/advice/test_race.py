"""A race ends when its advice stands, never before the least number of seeds, and depends on results alone."""

import numpy as np
import pytest

from lossmith.core.errors import LossmithError
from lossmith.evaluation import Criteria, Race, Row, advise, next_seeds

IMAGES = 20


def run_race(scores, race, order=None):
    """The seeds of each loss when the race is over, and its last advice; `scores` are (seeds, images) by loss."""
    losses = order or list(scores)
    seeds, advice, rounds = dict.fromkeys(losses, 0), None, 0
    while seeds_to_run := next_seeds(race, losses, seeds, advice):
        for loss, seed in seeds_to_run.items():
            assert seed == seeds[loss]
            seeds[loss] += 1
        rounds += 1
        assert rounds < 50
        if min(seeds.values()) >= race.least:
            advice = advise(rows_of(scores, seeds), losses, Criteria(looks=race.looks))
    return seeds, advice


def rows_of(scores, seeds):
    return [
        Row(str(image), loss, seed, {"psnr": float(scores[loss][seed, image])})
        for loss, count in seeds.items()
        for seed in range(count)
        for image in range(IMAGES)
    ]


def draw(rng, seed_noise=0.05, rest=0.1, **means):
    """Scores of 8 seeds by loss, in dB."""
    images = rng.normal(30, 3, IMAGES)
    return {
        name: mean + images + rng.normal(0, seed_noise, (8, 1)) + rng.normal(0, rest, (8, IMAGES))
        for name, mean in means.items()
    }


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_large_differences_end_it_early(rng):
    seeds, advice = run_race(draw(rng, best=3.0, middle=1.0, worst=0.0), Race(2, 8))
    assert max(seeds.values()) <= 4
    assert advice.of("fidelity").take == "best"
    assert advice.of("fidelity").avoid == ("middle", "worst")


def test_it_never_ends_before_the_least_number_of_seeds(rng):
    for least in (1, 2, 4):
        seeds, _ = run_race(draw(rng, best=9.0, worst=0.0, rest=0.01), Race(least, 8))
        assert min(seeds.values()) >= least


def test_no_loss_gets_more_than_the_most(rng):
    for _ in range(5):
        seeds, _ = run_race(draw(rng, a=0.15, b=0.0, c=0.1), Race(2, 5))
        assert max(seeds.values()) <= 5


def test_a_clearly_beaten_loss_stops_and_the_others_go_on(rng):
    seeds, _ = run_race(draw(rng, a=5.0, b=4.7, beaten=0.0, seed_noise=0.1), Race(2, 8))
    assert seeds["beaten"] < seeds["a"] == seeds["b"]


def test_it_is_a_function_of_results_alone(rng):
    """The order of losses does not matter, and neither does a stop between two rounds."""
    scores = draw(rng, a=0.3, b=0.2, c=0.0)
    race = Race(2, 8)
    seeds, advice = run_race(scores, race)
    other_seeds, other_advice = run_race(scores, race, order=["c", "a", "b"])
    assert seeds == other_seeds
    assert advice.of("fidelity").best == other_advice.of("fidelity").best
    again = advise(rows_of(scores, seeds), list(scores), Criteria(looks=race.looks))
    assert next_seeds(race, list(scores), seeds, again) == next_seeds(race, list(scores), seeds, again) == {}


def test_a_loss_that_is_needed_again_catches_up(rng):
    """A loss with fewer seeds than the best one, and undecided against it, runs those it missed first."""
    scores = draw(rng, a=0.1, b=0.0, seed_noise=0.15)
    seeds = {"a": 5, "b": 2}
    advice = advise(rows_of(scores, seeds), ["a", "b"], Criteria(looks=7))
    assert advice.of("fidelity").undecided
    assert next_seeds(Race(2, 8), ["a", "b"], seeds, advice) == {"b": 2}


def test_it_gives_up_where_only_other_images_would_tell(rng):
    """Images differ by dB, seeds hardly: no number of seeds decides, and three are spent, not eight."""
    scores = draw(rng, a=0.0, b=0.0, seed_noise=0.01, rest=0.05)
    scores["a"] = scores["a"] + rng.normal(0, 2, IMAGES)
    seeds, advice = run_race(scores, Race(2, 8))
    fidelity = advice.of("fidelity")
    assert set(seeds.values()) == {3}
    assert len(fidelity.undecided) == 1
    assert max(fidelity.plans[fidelity.undecided[0]].chances[:5]) < 0.1


def test_losses_that_failed_are_waited_for_by_nobody():
    assert next_seeds(Race(2, 4), ["a"], {"a": 1, "failed": 0}, None) == {"a": 1}
    assert next_seeds(Race(2, 4), [], {}, None) == {}


@pytest.mark.parametrize(("least", "most"), [(0, 3), (4, 3)])
def test_impossible_numbers_are_refused(least, most):
    with pytest.raises(LossmithError, match=f"not {least}:{most}"):
        Race(least, most)
