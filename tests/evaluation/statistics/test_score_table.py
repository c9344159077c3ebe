"""Scores as an array in which whole seeds of a method may be missing."""

import numpy as np
import pytest

from lossmith.evaluation import DEGRADED, Metric, Row
from lossmith.evaluation.statistics.score_table import ScoreTable, score_table

PSNR = Metric("psnr", "PSNR", True, 2, "dB")
IMAGES = ("a", "b", "c")


def table(seeds: dict[str, int], seed: int = 0, noise: float = 0.0) -> ScoreTable:
    """Of methods with so many seeds each, every one 1 dB below the one before; image and seed add to all alike."""
    rng = np.random.default_rng(seed)
    by_image, by_seed = rng.normal(30, 3, len(IMAGES)), rng.normal(0, 0.5, max(seeds.values()))
    rows = [
        Row(image, method, s, {"psnr": float(by_image[i] + by_seed[s] - place + noise * rng.normal())})
        for place, (method, count) in enumerate(seeds.items())
        for s in range(count)
        for i, image in enumerate(IMAGES)
    ]
    return score_table(rows, PSNR)


def test_a_method_is_known_by_its_own_seeds_and_a_pair_by_those_of_both() -> None:
    scores = table({"l1": 4, "l2": 2})
    assert (scores.of("l1").shape, scores.of("l2").shape) == ((4, 3), (2, 3))
    assert scores.difference("l1", "l2") == pytest.approx(np.ones((2, 3)))


@pytest.mark.parametrize("seeds", [{"l1": 4, "l2": 4}, {"l1": 4, "l2": 1}, {"l1": 2, "l2": 4, "mix": 3}])
def test_means_are_as_if_all_had_every_seed(seeds: dict[str, int]) -> None:
    """What a seed adds to all methods alike does not count against those that lack it."""
    means = table(seeds).means
    assert means - means[0] == pytest.approx(-np.arange(len(seeds)))


def test_methods_without_a_common_seed_have_no_difference() -> None:
    rows = [
        Row(image, method, seed, {"psnr": 30.0}) for image in IMAGES for method, seed in (("l1", 0), ("l2", 1))
    ]
    assert score_table(rows, PSNR).difference("l1", "l2").shape == (0, 3)


def test_a_seed_that_lacks_an_image_excludes_its_method() -> None:
    rows = [Row(image, "l1", seed, {"psnr": 30.0}) for image in IMAGES for seed in (0, 1)]
    rows += [Row(image, "l2", 0, {"psnr": 30.0}) for image in IMAGES] + [Row("a", "l2", 1, {"psnr": 30.0})]
    assert score_table(rows, PSNR).methods == ("l1",)


def test_seeds_that_no_remaining_method_has_are_gone() -> None:
    rows = [Row(image, "l1", 0, {"psnr": 30.0}) for image in IMAGES]
    rows += [Row(image, DEGRADED, 0, {"psnr": 20.0}) for image in IMAGES] + [Row("a", "l2", 5, {"psnr": 30.0})]
    assert score_table(rows, PSNR).seeds == (0,)


def test_the_usual_ratio_of_seeds_is_that_of_the_middle_pair() -> None:
    """By the definition: the variance of seed means over that of what is due to neither image nor seed."""
    scores = table({"l1": 4, "l2": 4, "mix": 4}, noise=0.3)
    ratios = []
    for pair in (("l1", "l2"), ("l1", "mix"), ("l2", "mix")):
        values = scores.difference(*pair)
        rest = values - values.mean(0) - values.mean(1, keepdims=True) + values.mean()
        ratios.append(values.mean(1).var(ddof=1) / (np.square(rest).sum() / 6))
    assert scores.seed_ratio is not None
    assert scores.seed_ratio.ratio == pytest.approx(sorted(ratios)[1])


def test_one_seed_says_nothing_of_seeds() -> None:
    assert table({"l1": 1, "l2": 1}, noise=0.3).seed_ratio is None
