"""The Bayer mosaic and its bilinear interpolation."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.degradations import Chain, Mosaic, ShotNoise, bayer_sample, demosaic_bilinear, from_8bit

PATTERNS = ["rggb", "bggr", "grbg", "gbrg"]


def dense_reference(clean: Tensor, pattern: str) -> np.ndarray:
    """Bilinear demosaicking as normalized convolution: sum of weighted samples over sum of weights."""
    from scipy.ndimage import convolve

    _, height, width = clean.shape
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    planes = []
    for channel, kernel in enumerate((square, cross, square)):
        tiled = np.tile([[c == "rgb"[channel] for c in pattern[:2]], [c == "rgb"[channel] for c in pattern[2:]]],
                        (height, width))[:height, :width].astype(float)  # fmt: skip
        above = convolve(clean[channel].double().numpy() * tiled, kernel, mode="mirror")
        planes.append(above / convolve(tiled, kernel, mode="mirror"))
    return np.stack(planes)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (5, 7), (8, 6)])
def test_demosaicing_equals_normalized_convolution(pattern: str, size: tuple[int, int]) -> None:
    clean = torch.rand(3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.from_numpy(dense_reference(clean, pattern))
    torch.testing.assert_close(Mosaic(pattern)(clean), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_sensor_sees_one_color_at_each_pixel(pattern: str) -> None:
    clean = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    raw = bayer_sample(clean, pattern)
    assert raw.shape == (1, 6, 8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        assert torch.equal(raw[0, row::2, column::2], clean["rgb".index(color), row::2, column::2])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_sampled_pixels_are_kept(pattern: str) -> None:
    clean = torch.rand(3, 7, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bayer_sample(Mosaic(pattern)(clean), pattern), bayer_sample(clean, pattern))


@given(st.integers(2, 9), st.integers(2, 9), st.sampled_from(PATTERNS))
def test_flat_colors_are_exact_up_to_the_edges(height: int, width: int, pattern: str) -> None:
    image = torch.tensor([0.25, 0.5, 0.75])[:, None, None].expand(3, height, width)
    assert torch.equal(Mosaic(pattern)(image), image)


def test_noise_before_the_mosaic_is_noise_on_the_raw_samples() -> None:
    clean = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    chain = Chain([ShotNoise(), Mosaic()])
    noisy = ShotNoise()(clean, np.random.default_rng(3))
    assert torch.equal(chain(clean, np.random.default_rng(3)), demosaic_bilinear(bayer_sample(noisy)))


def test_mosaic_has_a_gradient() -> None:
    raw = torch.rand(1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(demosaic_bilinear, raw)


def test_bad_patterns_and_tiny_images_are_refused() -> None:
    with pytest.raises(LossmithError, match=r"^mosaic: pattern must be one of rggb, bggr, grbg, gbrg, not rgbg$"):
        Mosaic("rgbg")
    with pytest.raises(LossmithError, match=r"^mosaic: pattern must be one of"):
        bayer_sample(torch.rand(3, 4, 4), "RGGB")
    with pytest.raises(LossmithError, match=r"^mosaic: an image must have 2x2 pixels at least, not 1x5$"):
        Mosaic()(torch.rand(3, 1, 5))


def mcmaster() -> list[Tensor]:
    from PIL import Image

    images = []
    for path in sorted((Path(os.environ["LOSSMITH_DATA"]) / "test/McMaster").glob("*.png")):
        with Image.open(path) as file:
            images.append(from_8bit(torch.from_numpy(np.array(file)).permute(2, 0, 1)))
    return images


@pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")
def test_mcmaster_meets_the_published_psnr() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for clean in mcmaster():
        noisy = Chain([ShotNoise(), Mosaic()])(clean, rng)
        rows.append([-10 * math.log10((x - clean).square().mean()) for x in (Mosaic()(clean), noisy)])
    bilinear, with_noise = np.mean(rows, 0)
    assert bilinear == pytest.approx(32.30, abs=0.05)
    assert with_noise == pytest.approx(28.2, abs=0.1)
