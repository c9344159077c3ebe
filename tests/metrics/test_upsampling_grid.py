"""A grid that an upsampling network leaves is seen, and nothing else is."""

import math
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.metrics import grid_artifacts
from lossmith.metrics.upsampling_grid import MIN_CELLS, ROUNDING_DETAIL, detail, min_side

PERIODS = [2, 3, 4, 8]
SEEN = 0.5
"""The margin of the registry in dB."""


def noise(sigma: float, side: int = 384, seed: int = 0) -> torch.Tensor:
    """Gray, (1, 1, side, side), of this standard deviation on 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + sigma / 255 * torch.randn(1, 1, side, side, generator=generator, dtype=torch.float64)


def dots(period: int, side: int = 384) -> torch.Tensor:
    """1 at one place of every cell, 0 elsewhere."""
    pattern = torch.zeros(1, 1, side, side, dtype=torch.float64)
    pattern[..., ::period, ::period] = 1
    return pattern


def reference(prediction: np.ndarray, target: np.ndarray, period: int) -> float:
    """By a Fourier transform instead of means: the energy of d and |d| at the frequencies of the grid."""

    def details(image: np.ndarray) -> np.ndarray:
        neighbors = sum(np.roll(image, shift, axis) for shift in (1, -1) for axis in (0, 1))
        return (image - neighbors / 4)[1:-1, 1:-1]

    def strength(values: np.ndarray) -> float:
        whole = values[tuple(slice(side // period * period) for side in values.shape)]
        spectrum = np.fft.fft2(whole) / whole.size
        at_grid = spectrum[:: whole.shape[0] // period, :: whole.shape[1] // period]
        return math.sqrt((abs(at_grid) ** 2).sum() - abs(at_grid[0, 0]) ** 2)

    x, y = details(prediction), details(target)
    masking = abs(y).mean() + ROUNDING_DETAIL
    g_x, g_y = (strength(d) + strength(abs(d)) for d in (x, y))
    return 20 * math.log10((masking + g_x) / (masking + g_y))


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("size", [(96, 96), (101, 135)])
def test_it_is_the_energy_at_the_frequencies_of_the_grid(period, size, photo, degrade):
    target = photo(*size)[:, :1]
    prediction = degrade(target) + 0.02 * dots(period, 135)[..., : size[0], : size[1]]
    arrays = (255 * image[0, 0].numpy() for image in (prediction, target))
    score = grid_artifacts(prediction, target, period=period).item()
    assert score == pytest.approx(reference(*arrays, period), abs=1e-9)


def test_a_checkerboard_on_noise_has_the_decibels_that_follow_from_both_amplitudes():
    """Its detail is twice its amplitude, that of Gaussian noise has the deviation sigma * sqrt(1 + 4 / 16)."""
    sigma, amplitude, side = 5.0, 4.0, 768
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    target = noise(sigma, side)
    prediction = target + (1 - 2 * ((rows + columns) % 2)) * amplitude / 255
    masking = sigma * math.sqrt(1.25) * math.sqrt(2 / math.pi) + ROUNDING_DETAIL
    expected = {2: 20 * math.log10((masking + 2 * amplitude) / masking), 3: 0.0}
    expected |= {4: expected[2], 8: expected[2]}  # a grid of 2 pixels repeats after 4 and after 8, too
    for period, decibels in expected.items():  # means of noise over cells deviate by some hundredths of sigma
        assert grid_artifacts(prediction, target, period=period).item() == pytest.approx(decibels, abs=0.2)


@pytest.mark.parametrize("period", PERIODS)
def test_details_that_come_and_go_with_the_grid_are_seen_though_their_mean_is_0(period):
    target = noise(5.0)
    flicker = dots(period) * (noise(20.0, seed=1) - 0.5)
    assert grid_artifacts(target + flicker, target, period=period).item() > 2 * SEEN


@pytest.mark.parametrize("period", PERIODS)
def test_what_is_no_grid_is_not_seen(period, photo):
    target = photo(384, 384)
    blurred = torch.nn.functional.avg_pool2d(target, 5, stride=1, padding=2, count_include_pad=False)
    noisy = target + noise(12, 384, seed=3) - 0.5
    brighter = (0.1 + 0.8 * target).clamp(0, 1)
    for image in (blurred, noisy, brighter):  # blur loses the little that chance gives the target
        assert -2 * SEEN < grid_artifacts(image, target, period=period).item() < SEEN


@pytest.mark.parametrize("period", PERIODS)
def test_equal_pictures_have_0_decibels_whatever_they_show(period):
    for image in (noise(5.0), dots(period), torch.full((1, 3, 80, 80), 0.3)):
        assert grid_artifacts(image, image, period=period).item() == 0


def test_a_texture_of_the_target_is_no_grid_and_its_loss_is_below_0():
    woven = noise(3.0) + 0.1 * dots(4)
    assert grid_artifacts(woven + noise(3.0, seed=2) - 0.5, woven, period=4).item() < SEEN
    assert grid_artifacts(noise(3.0), woven, period=4).item() < -SEEN


def test_it_does_not_matter_where_the_grid_begins(photo):
    target = photo(200, 200)[..., 8:, 8:]
    scores = [
        grid_artifacts(target + 0.05 * dots(4, 192).roll((shift, 2 * shift), (2, 3)), target, period=4).item()
        for shift in range(4)
    ]
    assert min(scores) > SEEN
    assert scores == pytest.approx([scores[0]] * 4, abs=0.1)  # other pixels of the picture carry the dots


def test_it_grows_with_the_grid_and_shrinks_with_the_details_around_it():
    weak, strong = (grid_artifacts(noise(5) + a * dots(4), noise(5), period=4).item() for a in (0.02, 0.1))
    hidden = grid_artifacts(noise(25) + 0.02 * dots(4), noise(25), period=4).item()
    assert 0 < hidden < weak < strong


def test_blocks_of_jpeg_are_a_grid_of_8(photo):
    target = photo(256, 256)
    pixels = (target[0].movedim(0, 2) * 255).round().to(torch.uint8).numpy()
    with BytesIO() as file:
        Image.fromarray(pixels).save(file, "jpeg", quality=10)
        blocky = torch.from_numpy(np.array(Image.open(file))).movedim(2, 0)[None] / 255
    assert grid_artifacts(blocky.double(), target, period=8).item() > 2 * SEEN


def test_the_overlap_of_a_transposed_convolution_is_seen(photo):
    """With a kernel of 3 and a stride of 2, places of a cell get 1, 2 or 4 contributions (Odena et al. 2016)."""
    target = photo(256, 256)
    small = torch.nn.functional.avg_pool2d(target, 2)
    kernel = torch.full((3, 1, 3, 3), 4 / 9, dtype=torch.float64)
    uneven = torch.nn.functional.conv_transpose2d(small, kernel, stride=2, groups=3)[..., :256, :256]
    smooth = torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
    assert grid_artifacts(uneven.clamp(0, 1), target, period=2).item() > 2 * SEEN
    assert abs(grid_artifacts(smooth, target, period=2).item()) < SEEN


def test_a_flat_prediction_has_a_gradient():
    flat = torch.full((1, 3, 40, 40), 0.5, dtype=torch.float64, requires_grad=True)
    grid_artifacts(flat, noise(5, 40).expand(-1, 3, -1, -1), period=4).sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_details_are_what_differs_from_the_neighbors():
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    assert torch.equal(detail(ramp), torch.zeros(1, 1, 3, 4))


@pytest.mark.parametrize("period", PERIODS)
def test_a_side_has_several_cells(period):
    side = min_side(period)
    assert (side - 2) // period == MIN_CELLS
    assert grid_artifacts(noise(5, side), noise(5, side), period=period).item() == 0
    with pytest.raises(LossmithError, match=f"grid{period} needs at least {side} x {side} pixels"):
        grid_artifacts(noise(5, side - 1), noise(5, side - 1), period=period)


@pytest.mark.parametrize("period", [0, 1, 17, 2.5])
def test_other_periods_are_refused(period):
    with pytest.raises(LossmithError, match="`period` must be 2 to 16 pixels"):
        grid_artifacts(noise(5), noise(5), period=period)
