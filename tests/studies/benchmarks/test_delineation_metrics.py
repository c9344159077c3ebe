"""Completeness, correctness and quality, against distances between all pairs of pixels."""

import numpy as np
import pytest

from lossmith.studies.benchmarks.delineation_metrics import Mask, line_scores, skeleton


def random_lines(seed: int, side: int = 40) -> Mask:
    """Three random walks."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((side, side), dtype=bool)
    for _ in range(3):
        walk = rng.integers(side, size=2) + rng.integers(-1, 2, size=(side, 2)).cumsum(axis=0)
        lines[tuple(walk.clip(0, side - 1).T)] = True
    return lines


def scores_by_pairs(extracted: Mask, reference: Mask, tolerance: int) -> dict[str, float]:
    """The definition, word for word."""
    first, second = np.argwhere(extracted), np.argwhere(reference)
    squares = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    near = squares <= tolerance**2
    matched_extraction, matched_reference = near.any(axis=1).sum(), near.any(axis=0).sum()
    return {
        "quality": matched_extraction / (len(first) + len(second) - matched_reference),
        "completeness": matched_reference / len(second),
        "correctness": matched_extraction / len(first),
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 7])
def test_scores_are_those_of_all_pairs_of_pixels(seed: int, tolerance: int) -> None:
    extracted, reference = random_lines(seed), random_lines(seed + 100)
    scores = line_scores(extracted, reference, tolerance)
    assert scores == pytest.approx(scores_by_pairs(extracted, reference, tolerance), abs=1e-12)
    assert all(0 <= score <= 1 for score in scores.values())


def test_completeness_is_correctness_the_other_way_round() -> None:
    one, other = random_lines(1), random_lines(2)
    there, back = line_scores(one, other, tolerance=2), line_scores(other, one, tolerance=2)
    assert there["completeness"] == back["correctness"]
    assert there["correctness"] == back["completeness"]


def test_a_drawing_of_itself_is_perfect() -> None:
    lines = random_lines(3)
    assert set(line_scores(lines, lines, tolerance=0).values()) == {1.0}


def test_without_tolerance_quality_is_intersection_over_union() -> None:
    extracted, reference = random_lines(4), random_lines(5)
    reference |= extracted & (np.arange(40) < 20)
    quality = line_scores(extracted, reference, tolerance=0)["quality"]
    assert 0 < quality < 1
    assert quality == (extracted & reference).sum() / (extracted | reference).sum()


def test_a_line_is_matched_up_to_the_tolerance_and_no_further() -> None:
    reference = np.zeros((20, 20), dtype=bool)
    reference[5] = True
    for distance, score in ((2, 1.0), (3, 1.0), (4, 0.0)):
        moved = np.roll(reference, distance, axis=0)
        assert set(line_scores(moved, reference, tolerance=3).values()) == {score}


def test_half_a_line_is_half_complete() -> None:
    reference = np.zeros((9, 20), dtype=bool)
    reference[4] = True
    half = reference & (np.arange(20) < 10)
    scores = {"quality": 0.5, "completeness": 0.5, "correctness": 1.0}
    assert line_scores(half, reference, tolerance=0) == scores
    # a tolerance of 2 matches two more pixels of the reference
    assert line_scores(half, reference, tolerance=2)["completeness"] == 12 / 20


def test_of_nothing_all_is_complete_and_correct() -> None:
    lines, nothing = random_lines(6), np.zeros((40, 40), dtype=bool)
    assert line_scores(nothing, lines, 3) == {"quality": 0.0, "completeness": 0.0, "correctness": 1.0}
    assert line_scores(lines, nothing, 3) == {"quality": 0.0, "completeness": 1.0, "correctness": 0.0}
    assert line_scores(nothing, nothing, 3) == {"quality": 1.0, "completeness": 1.0, "correctness": 1.0}


def test_a_skeleton_is_a_line_in_the_middle() -> None:
    bar = np.zeros((15, 60), dtype=bool)
    bar[5:10, 5:55] = True
    lines = skeleton(bar)
    assert (lines.sum(axis=0) <= 1).all()
    assert lines[7, 10:50].all()
