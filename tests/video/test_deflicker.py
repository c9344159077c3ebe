"""Where the film stands still, the result does; where it moves, nothing drags behind."""

import numpy as np
import pytest

from lossmith.core.errors import LossmithError
from lossmith.video import Deflicker, flicker
from lossmith.video.film import Pixels


def scene(frames: int = 12) -> list[Pixels]:
    """A square moves over the left half; a little noise everywhere."""
    random = np.random.default_rng(0)
    ground = random.integers(40, 200, (8, 12, 3)).repeat(8, 0).repeat(8, 1)
    images = [ground + random.integers(-2, 3, ground.shape) for _ in range(frames)]
    for number, image in enumerate(images):
        image[3 * number : 3 * number + 12, 10:30] = 255
    return [image.astype(np.uint8) for image in images]


def flickering(frames: list[Pixels]) -> list[Pixels]:
    """As a network that adds something else to each frame."""
    random = np.random.default_rng(1)
    return [np.clip(frame / np.float32(255) + random.normal(0, 0.05), 0, 1).astype(np.float32) for frame in frames]


def levels(results: list[Pixels]) -> list[Pixels]:
    return [np.round(255 * result).astype(np.uint8) for result in results]


def test_steady_lowers_the_flicker_of_still_regions() -> None:
    frames = scene()
    results = flickering(frames)
    deflicker = Deflicker(0.8)
    deflickered = [deflicker(frame, result) for frame, result in zip(frames, results, strict=True)]
    # an average with weights 0.2, 0.16, ... changes from frame to frame by 0.2 of the deviation and a bit
    assert flicker(frames, levels(deflickered)) < 0.4 * flicker(frames, levels(results))


def test_what_moves_is_not_blended() -> None:
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    deflicker = Deflicker(0.9)
    deflicker(black, np.zeros((16, 16, 3), np.float32))
    assert np.array_equal(deflicker(white, np.ones((16, 16, 3), np.float32)), np.ones((16, 16, 3)))


def test_a_slow_fade_does_not_drag_behind() -> None:
    deflicker, result = Deflicker(0.9), np.zeros(())
    for level in range(0, 200, 2):
        result = deflicker(np.full((8, 8, 3), level, np.uint8), np.full((8, 8, 3), level / 255, np.float32))
    # the film may be ahead of its average by what counts as a change, 0.04, and not more
    assert abs(float(result.mean()) - 198 / 255) < 0.04


def test_flicker_is_the_mean_difference_where_the_film_stands_still() -> None:
    still = [np.full((8, 8, 3), 90, np.uint8)] * 3
    results = [np.full((8, 8, 3), value, np.uint8) for value in (10, 13, 8)]
    assert flicker(still, results) == 4.0
    assert np.isnan(flicker([results[0], still[0]], results[:2]))


@pytest.mark.parametrize("strength", [-0.1, 1.0])
def test_the_strength_is_a_share(strength: float) -> None:
    with pytest.raises(LossmithError, match="`deflicker` must be"):
        Deflicker(strength)
