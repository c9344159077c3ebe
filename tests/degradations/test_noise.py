"""White noise and sensor noise have the variance they promise and come from the generator given."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.degradations import Degradation, Noise, ShotNoise


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 100), st.floats(0, 1))
def test_noise_has_the_variance_and_mean_it_promises(sigma: float, value: float) -> None:
    noise = Noise(sigma)(torch.full((3, 100, 100), value), rng()) - value
    assert float(noise.std()) * 255 == pytest.approx(sigma, rel=0.02, abs=1e-4)
    assert abs(float(noise.mean())) * 255 < 0.03 * sigma + 1e-4


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 0.1), st.floats(0, 0.01), st.floats(0, 1))
def test_shot_noise_has_a_variance_linear_in_intensity(a: float, b: float, value: float) -> None:
    noise = ShotNoise(a, b)(torch.full((3, 100, 100), value), rng()) - value
    assert float(noise.double().var()) == pytest.approx(a * value + b, rel=0.05, abs=1e-9)


@pytest.mark.parametrize("degrade", [Noise(50), ShotNoise(0.1, 0.01)])
def test_noise_is_not_clipped(degrade: Degradation) -> None:
    assert float(degrade(torch.zeros(3, 20, 20), rng()).min()) < 0
    assert float(degrade(torch.ones(3, 20, 20), rng()).max()) > 1


def test_negative_intensities_have_no_shot_noise() -> None:
    assert torch.equal(ShotNoise(0.1, 0.0)(torch.full((3, 4, 4), -0.2), rng()), torch.full((3, 4, 4), -0.2))


@pytest.mark.parametrize("degrade", [Noise(25), ShotNoise()])
def test_noise_depends_on_the_generator_alone(degrade: Degradation) -> None:
    clean = torch.rand(3, 8, 8)
    before = clean.clone()
    assert torch.equal(degrade(clean, rng(1)), degrade(clean, rng(1)))
    assert not torch.equal(degrade(clean, rng(1)), degrade(clean, rng(2)))
    assert torch.equal(clean, before)


@pytest.mark.parametrize("degrade", [Noise(25), ShotNoise()])
def test_noise_differs_between_pixels_and_channels(degrade: Degradation) -> None:
    noise = degrade(torch.full((3, 50, 50), 0.5), rng()) - 0.5
    correlation = np.corrcoef(noise.reshape(3, -1).numpy())
    assert np.abs(correlation - np.eye(3)).max() < 0.06


@pytest.mark.parametrize("degrade", [Noise(25), ShotNoise()])
@pytest.mark.parametrize("generator", [None, 7, torch.Generator()])
def test_a_missing_generator_is_an_error(degrade: Degradation, generator: object) -> None:
    with pytest.raises(LossmithError, match=f"{degrade.name}: draws random numbers, so it needs rng"):
        degrade(torch.rand(3, 4, 4), generator)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "much", None, True])
def test_invalid_noise_amounts_are_refused(bad: object) -> None:
    with pytest.raises(LossmithError, match=r"^noise: sigma must be a number, 0 or more"):
        Noise(bad)  # type: ignore[arg-type]
    with pytest.raises(LossmithError, match=r"^shot_noise: a must be a number, 0 or more"):
        ShotNoise(a=bad)  # type: ignore[arg-type]
    with pytest.raises(LossmithError, match=r"^shot_noise: b must be a number, 0 or more"):
        ShotNoise(b=bad)  # type: ignore[arg-type]
