"""The parts that metrics are made of, by what they must do."""

import pytest
import torch

from lossmith.metrics.information_weighted import _upsample, information_content, laplacian_pyramid
from lossmith.metrics.matlab_filters import downsample
from lossmith.metrics.phase_congruency import phase_congruency


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_downsample_is_matlabs_filter_and_subsampling(factor):
    """`conv2(x, ones(f) / f^2, 'same')`, then every f-th pixel."""
    image = torch.rand(1, 1, 13, 17, dtype=torch.float64)
    size = factor - 1
    full = torch.zeros(13 + size, 17 + size, dtype=torch.float64)
    for i in range(factor):
        for j in range(factor):
            full[i : i + 13, j : j + 17] += image[0, 0] / factor**2
    start = factor // 2  # the central part of the full convolution
    central = full[start : start + 13, start : start + 17]
    assert torch.allclose(downsample(image, factor)[0, 0], central[::factor, ::factor], atol=1e-12)


@pytest.mark.parametrize("size", [(33, 48), (40, 161)])
def test_the_laplacian_pyramid_reconstructs_the_image(size):
    """Enlarging the last band and adding the others, coarsest first, is the inverse."""
    image = torch.rand(2, 1, *size, dtype=torch.float64)
    *bands, rest = laplacian_pyramid(image, 4)
    for band in reversed(bands):
        rest = band + _upsample(rest, band.shape)
    assert torch.allclose(rest, image, atol=1e-12)


def test_phase_congruency_does_not_depend_on_contrast_or_brightness(photo):
    luma = photo(64, 80)[:, :1] * 255
    # up to Kovesi's epsilon of 1e-4, which is added to energies
    assert torch.allclose(phase_congruency(luma), phase_congruency(30 + luma / 2), atol=1e-3)


def test_phase_congruency_is_between_0_and_1_and_0_on_flat_images(photo):
    values = phase_congruency(photo(63, 80)[:, :1] * 255)
    assert 0 <= values.min() <= values.max() <= 1
    for level in (0.0, 0.3, 255.0):
        image = torch.full((1, 1, 20, 21), level, dtype=torch.float64)
        assert phase_congruency(image).abs().max() == 0


def test_information_content_grows_with_contrast(photo):
    band = laplacian_pyramid(photo(64, 64)[:, :1] * 255, 2)[0]
    assert information_content(2 * band, 2 * band).mean() > information_content(band, band).mean() > 0


def test_information_content_of_a_flat_band_is_zero():
    flat_band = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    assert information_content(flat_band, flat_band).sum() == 0
