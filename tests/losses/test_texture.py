"""The texture loss: its formula in NumPy, and what it sees and does not see."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.losses import TextureLoss

FLOOR, SLIGHT = 1e-3, 0.1


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def halved(image: np.ndarray) -> np.ndarray:
    height, width = (side // 2 for side in image.shape)
    return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """By linear interpolation between the middles of pixels, along one axis after the other."""
    for axis, side in enumerate(size):
        middles = np.arange(image.shape[axis])
        places = (np.arange(side) + 0.5) * image.shape[axis] / side - 0.5
        image = np.apply_along_axis(lambda line: np.interp(places, middles, line), axis, image)  # noqa: B023
    return image


def amplitudes(octave: np.ndarray, window: int, period: int) -> np.ndarray:
    """The root mean square at every place, pixel by pixel."""
    reach = (window - 1) * period
    height, width = (side - reach for side in octave.shape)
    cells = [
        [octave[top : top + reach + 1 : period, left : left + reach + 1 : period] for left in range(width)]
        for top in range(height)
    ]
    return np.sqrt((np.array(cells) ** 2).mean((-2, -1)) + FLOOR**2)


def texture(x: np.ndarray, y: np.ndarray, levels: int, window: int, period: int) -> float:
    errors = []
    for _ in range(levels):
        small = [halved(image) for image in (x, y)]
        octaves = [image - enlarged(half, image.shape) for image, half in zip((x, y), small, strict=True)]
        first, second = (amplitudes(octave, window, period) for octave in octaves)
        errors.append((np.hypot(np.log(first / second), SLIGHT) - SLIGHT).mean())
        x, y = small
    return float(np.mean(errors))


@pytest.mark.parametrize(("levels", "window", "period"), [(1, 3, 4), (2, 2, 3), (3, 3, 1), (2, 1, 1)])
@pytest.mark.parametrize("size", [(24, 24), (27, 22)])
def test_it_equals_its_formula(levels: int, window: int, period: int, size: tuple[int, int]) -> None:
    x, y = rand(1, 1, *size, seed=1), rand(1, 1, *size, seed=2)
    expected = texture(x[0, 0].numpy(), y[0, 0].numpy(), levels, window, period)
    assert TextureLoss(levels, window, period)(x, y).item() == pytest.approx(expected, rel=1e-10)


def test_it_is_the_logarithm_of_a_change_of_contrast() -> None:
    target = rand(2, 3, 48, 48)
    prediction = 0.5 + 2 * (target - 0.5)
    expected = np.hypot(np.log(2), SLIGHT) - SLIGHT
    # the floor of 0.001 is a hundredth of these amplitudes, so it counts by its square
    assert TextureLoss()(prediction, target).item() == pytest.approx(expected, rel=1e-3)


def test_brightness_and_color_do_not_count() -> None:
    target = rand(1, 3, 48, 48)
    tinted = target + torch.tensor([0.1, -0.2, 0.05]).view(1, 3, 1, 1)
    assert TextureLoss()(tinted, target).item() == pytest.approx(0, abs=1e-12)


def test_a_blurred_picture_costs_more_than_one_with_other_texture_of_its_strength() -> None:
    """What a difference of pixels sees the other way round."""
    target, other = rand(1, 3, 64, 64, seed=1), rand(1, 3, 64, 64, seed=2)
    blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1)
    assert TextureLoss()(blurred, target) > 2 * TextureLoss()(other, target)
    assert (blurred - target).abs().mean() < (other - target).abs().mean()


def test_a_grid_of_the_period_costs_where_windows_of_neighbors_see_none_of_it() -> None:
    """Energy that is gathered on every fourth pixel, as an upsampling network may do it."""
    target = rand(1, 1, 64, 64) - 0.5
    grid = torch.zeros(4, 4, dtype=torch.float64)
    grid[0, 0] = 4
    gathered = target * grid.repeat(16, 16)
    apart, neighbors = TextureLoss(levels=1, period=4), TextureLoss(levels=1, window=4, period=1)
    assert apart(gathered, target) > 1.5 * neighbors(gathered, target)


def test_flat_pictures_have_finite_gradients() -> None:
    flat = torch.full((1, 3, 40, 40), 0.3, requires_grad=True)
    value = TextureLoss()(flat, rand(1, 3, 40, 40).float())
    value.backward()
    assert value > 1
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
