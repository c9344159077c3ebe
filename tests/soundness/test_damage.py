"""Pictures like photographs, and damage to them that grows with its amount."""

from itertools import pairwise

import pytest
import torch

from lossmith.soundness.damage import DAMAGES, cached_pictures, damaged
from lossmith.soundness.dead_leaves import dead_leaves
from lossmith.soundness.process_state import process_state_kept


def test_pictures_are_a_function_of_the_seed_in_the_range() -> None:
    first, again, other = (dead_leaves((2, 3, 40, 56), seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    assert first.shape == (2, 3, 40, 56)
    assert 0 <= first.min() < 0.2
    assert 0.8 < first.max() <= 1


def test_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    damaged("noise", 0.1, (1, 3, 24, 24))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_spectrum_falls_as_that_of_photographs_does() -> None:
    """Amplitude falls with the frequency, by 2 an octave; 1.5 to 3 in photographs."""
    gray = dead_leaves((8, 1, 128, 128))[:, 0]
    power = torch.fft.fft2(gray - gray.mean((1, 2), keepdim=True)).abs().square().mean(0)
    rows, columns = torch.fft.fftfreq(128)[:, None], torch.fft.fftfreq(128)
    frequency = (rows.square() + columns.square()).sqrt()
    octaves = [power[(frequency >= low) & (frequency < 2 * low)].mean() for low in (0.02, 0.04, 0.08, 0.16)]
    for low, high in pairwise(octaves):
        assert 1.5**2 < low / high < 3**2


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("damage", DAMAGES)
def test_more_of_a_damage_is_a_larger_error(damage: str, channels: int) -> None:
    shape = (4, channels, 32, 32)
    pairs = [damaged(damage, amount, shape) for amount in DAMAGES[damage].amounts]
    errors = [float((prediction - target).square().mean()) for prediction, target in pairs]
    assert errors == sorted(errors)
    assert errors[0] > 1e-5
    assert all(torch.equal(target, pairs[0][1]) for _, target in pairs)


def test_a_shift_moves_the_picture_and_brings_in_what_was_beside_it() -> None:
    prediction, target = damaged("shift", 3, (1, 3, 24, 24))
    assert torch.equal(prediction[..., 3:], target[..., :-3])
    assert not torch.equal(prediction[..., :3], target[..., -3:])


def test_blur_leaves_flat_places_and_the_mean_alone() -> None:
    prediction, target = damaged("blur", 1.0, (8, 3, 64, 64))
    torch.testing.assert_close(prediction.mean(), target.mean(), atol=2e-3, rtol=0)
    assert prediction.diff(dim=-1).abs().mean() < 0.8 * target.diff(dim=-1).abs().mean()


def test_what_is_changed_in_place_stays_changed_for_the_caller_alone() -> None:
    first = damaged("blur", 1.0, (1, 3, 24, 24))
    expected = [image.clone() for image in first]
    for image in first:
        image.zero_()
    assert all(map(torch.equal, damaged("blur", 1.0, (1, 3, 24, 24)), expected))


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_default_dtype_changes_nothing(damage: str) -> None:
    expected = damaged(damage, DAMAGES[damage].amounts[0], (1, 3, 20, 24), seed=11)
    with process_state_kept():
        torch.set_default_dtype(torch.float64)
        cached_pictures.cache_clear()
        actual = damaged(damage, DAMAGES[damage].amounts[0], (1, 3, 20, 24), seed=11)
    for image, reference in zip(actual, expected, strict=True):
        assert image.dtype == torch.float32
        torch.testing.assert_close(image, reference, atol=1e-6, rtol=0)
