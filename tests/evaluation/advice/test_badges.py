"""The badge of each loss in a table, and what is said when one points at it."""

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Criteria, Difference, Metric, Ranking, Row, badge, differences, ranking
from lossmith.evaluation.statistics.variation import variation

PSNR = Metric("psnr", "PSNR", True, 2, "dB", goal="fidelity", margin=0.1)


def results(scores: dict[str, np.ndarray]) -> tuple[Ranking, list[Difference]]:
    """The ranking and the differences of scores (seeds, images) by method."""
    rows = [
        Row(f"{image}", method, seed, {"psnr": float(score)})
        for method, values in scores.items()
        for (seed, image), score in np.ndenumerate(values[:1] if method == DEGRADED else values)
    ]
    return ranking(rows, PSNR, list(scores)), differences(rows, PSNR, list(scores), Criteria())


def badges(scores: dict[str, np.ndarray], fixed_models: bool = False) -> dict[str, tuple[str, str]]:
    standing, pairs = results(scores)
    return {name: badge(standing, pairs, name, fixed_models=fixed_models) for name in scores}


EIGHT = np.full((3, 8), 30.0)
BY_SEED = np.array([[1.0], [-1.0], [0.0]])
BY_IMAGE = np.array([1.0, -1.0] * 4)


def test_the_best_and_those_that_are_as_good_and_those_that_are_worse():
    assert badges({"l1": EIGHT, "mix": EIGHT - 0.02, "ssim": EIGHT - 1, DEGRADED: EIGHT - 3}) == {
        "l1": ("best", ""),
        "mix": ("as good", ""),
        "ssim": ("", ""),
        DEGRADED: ("", ""),
    }


def test_unsure_because_seeds_differ_though_the_mean_is_far_behind():
    """Two decibels behind, and nobody knows: the badge says so, and why; the best is not sure, either.

    Three seeds with a standard deviation of 3 dB: two of them usually differ by the square root of 2 times that.
    """
    told = badges({"l1": EIGHT, "l2": EIGHT - 2 + 3 * BY_SEED})
    assert told["l2"] == ("unsure", "seeds differ by 4.2 dB")
    assert told["l1"] == ("unsure", "seeds differ by 4.2 dB")


def test_seeds_that_agree_by_chance_are_judged_by_those_of_the_other_losses():
    """All pairs vary as much with image and seed together, but one of them not with the seed alone."""
    l2, ssim = (0.1 * np.random.default_rng(seed).standard_normal((3, 8)) for seed in (0, 1))
    ssim -= ssim.mean(1)[:, None]
    told = badges({"l1": EIGHT, "l2": EIGHT - 2 + 3 * BY_SEED + l2, "ssim": EIGHT - 0.8 + ssim})
    badge, why = told["ssim"]
    assert badge == "unsure"
    assert why.startswith("seeds of other losses differ by ")


def test_unsure_because_pictures_differ():
    assert badges({"l1": EIGHT, "l2": EIGHT - 0.2 + BY_IMAGE})["l2"] == (
        "unsure",
        "test pictures differ by 1.5 dB",
    )
    two = EIGHT[:, :2]
    assert badges({"l1": two, "l2": two - 0.2 + BY_IMAGE[:2]})["l2"] == ("unsure", "two test pictures")


@pytest.mark.parametrize(
    ("seeds", "images", "why"),
    [(1, 8, "one seed"), (3, 1, "one test picture"), (1, 1, "one test picture and one seed")],
)
def test_one_of_anything_is_too_few(seeds, images, why):
    few = EIGHT[:seeds, :images]
    told = badges({"l1": few, "mix": few - 0.01, "ssim": few - 1})
    assert told["l1"] == ("unsure", why)
    assert told["mix"] == ("unsure", why)
    assert badges({"l1": few, "mix": few - 0.01, DEGRADED: few + 1})["l1"] == ("unsure", why)
    if seeds * images > 1:
        assert told["ssim"] == ("", "")


def test_one_seed_is_enough_for_finished_models():
    one = EIGHT[:1]
    assert badges({"new": one, "old": one - 1}, fixed_models=True)["new"] == ("best", "")


def test_nothing_is_best_that_is_worse_than_the_degraded_input():
    told = badges({"l1": EIGHT, "mix": EIGHT - 0.02, "ssim": EIGHT - 1, DEGRADED: EIGHT + 1})
    assert told["l1"] == told["mix"] == ("", "no better than the degraded input")
    assert told["ssim"] == ("", "")


def test_that_the_degraded_input_is_better_is_said_only_where_it_is_known():
    """It leads by half a decibel, but seeds differ by more."""
    told = badges({"l1": EIGHT + BY_SEED, "mix": EIGHT + BY_SEED - 0.02, DEGRADED: EIGHT + 0.5})
    assert told["l1"] == told["mix"] == ("", "not known to be better than the degraded input")


def test_a_loss_alone_is_not_the_best():
    assert badges({"l1": EIGHT, DEGRADED: EIGHT - 1})["l1"] == ("", "")


def test_of_a_goal_no_amount_is_told():
    """A goal's score has no unit that means anything to a reader."""
    goal = Metric("fidelity", "Fidelity", True, 1, "margins", goal="fidelity", margin=1.0)
    rows = [
        Row(f"{image}", name, seed, {"fidelity": float(score)})
        for name, values in {"l1": EIGHT, "l2": EIGHT - 2 + 3 * BY_SEED}.items()
        for (seed, image), score in np.ndenumerate(values)
    ]
    assert badge(ranking(rows, goal), differences(rows, goal), "l2") == ("unsure", "seeds disagree")


def test_few_seeds_widen_an_interval_more_than_many_images_that_differ_as_much():
    pattern = BY_SEED[:2] + BY_IMAGE
    found = variation(pattern)
    assert found is not None
    assert (found.over, found.number, found.extent) == ("seeds", 2, 2.0)


def test_what_does_not_vary_has_no_variation():
    assert variation(EIGHT) is None
    assert variation(EIGHT[:1, :1]) is None
