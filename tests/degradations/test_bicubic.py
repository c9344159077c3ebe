"""Bicubic reduction and enlargement are MATLAB's, bit for bit."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from lossmith.core.errors import LossmithError
from lossmith.degradations import Bicubic, from_8bit, resize, resize_8bit, to_8bit


def keys(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def matlab_line(line: np.ndarray, new: int, scale: float) -> np.ndarray:
    """imresize of one line of pixels, one output at a time, counting from 1 as MATLAB does."""
    old, stretch = len(line), min(scale, 1)
    mirror = [*range(1, old + 1), *range(old, 0, -1)]
    result = []
    for x in range(1, new + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        left = math.floor(u - 2 / stretch)
        places = range(left, left + math.ceil(4 / stretch) + 2)
        weights = [stretch * keys(stretch * (u - place)) for place in places]
        values = [line[mirror[(place - 1) % len(mirror)] - 1] for place in places]
        result.append(math.fsum(w * v for w, v in zip(weights, values, strict=True)) / math.fsum(weights))
    return np.array(result)


def matlab(image: Tensor, sides: tuple[int, int], scales: tuple[float, float], round_first: bool) -> Tensor:
    """imresize of (H, W): vertically, then horizontally; 8-bit images are rounded after each."""
    work = image.double().numpy() * 255

    def quantize(values: np.ndarray) -> np.ndarray:
        return np.clip(np.floor(values + 0.5), 0, 255) if round_first else values

    work = quantize(np.apply_along_axis(matlab_line, 0, quantize(work), sides[0], scales[0]))
    work = quantize(np.apply_along_axis(matlab_line, 1, work, sides[1], scales[1]))
    return torch.from_numpy(work / 255)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_downscaling_equals_matlab_on_8_bits(scale: int) -> None:
    clean = torch.rand(3, 4 * scale, 5 * scale, generator=torch.Generator().manual_seed(scale))
    degraded = Bicubic(scale)(clean)
    for channel in range(3):
        expected = matlab(clean[channel], (4, 5), (1 / scale, 1 / scale), round_first=True)
        assert torch.equal(degraded[channel], expected.float())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upscaling_equals_matlab_on_8_bits(scale: int) -> None:
    small = torch.rand(6, 7, generator=torch.Generator().manual_seed(scale))
    expected = matlab(small, (6 * scale, 7 * scale), (scale, scale), round_first=True)
    assert torch.equal(resize_8bit(small, scale), expected.float())


@pytest.mark.parametrize("sides", [(4, 3), (5, 11), (9, 13), (20, 30), (1, 1), (23, 4)])
def test_resizing_to_any_size_equals_matlab_on_floats(sides: tuple[int, int]) -> None:
    image = torch.rand(9, 13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = matlab(image, sides, (sides[0] / 9, sides[1] / 13), round_first=False)
    torch.testing.assert_close(resize(image, sides), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("factor", [4.0, 2.0, 0.5, 0.25])
def test_float_resizing_equals_torch_with_mirrored_edges(factor: float) -> None:
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flipped = torch.cat([images.flip(-1), images, images.flip(-1)], -1)
    mirrored = torch.cat([flipped.flip(-2), flipped, flipped.flip(-2)], -2)
    resized = functional.interpolate(mirrored, scale_factor=factor, mode="bicubic", antialias=True)
    top, left = int(16 * factor), int(24 * factor)
    expected = resized[..., top : 2 * top, left : 2 * left]
    torch.testing.assert_close(resize(images, factor), expected, rtol=0, atol=1e-12)


def test_float_resizing_has_a_gradient() -> None:
    image = torch.rand(1, 6, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: resize(p, 0.5), image)
    assert torch.autograd.gradcheck(lambda p: resize(p, (9, 7)), image)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 30), st.floats(0, 1))
def test_a_flat_image_stays_flat_at_any_size(h: int, w: int, to_h: int, to_w: int, value: float) -> None:
    image = torch.full((h, w), value, dtype=torch.float64)
    torch.testing.assert_close(resize(image, (to_h, to_w)), torch.full((to_h, to_w), value, dtype=torch.float64))


@given(st.integers(0, 10_000), st.sampled_from([0.25, 1 / 3, 0.5, 2, 3]))
def test_resizing_commutes_with_flips(seed: int, factor: float) -> None:
    image = torch.rand(12, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(resize(image.flip(0), factor), resize(image, factor).flip(0))


def test_resizing_keeps_batches_and_half_precision() -> None:
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize(images, 0.5)[1, 2], resize(images[1, 2], 0.5))
    half = resize(images.half(), 0.5)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), resize(images, 0.5), rtol=0, atol=2e-3)


@pytest.mark.parametrize("side", [510, 33, 3 * 1361])
def test_a_third_of_a_multiple_of_three_is_exact(side: int) -> None:
    assert resize(torch.zeros(2, side), 1 / 3).shape[-1] == side // 3


def test_8_bit_values_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_8bit(from_8bit(levels)), levels)
    assert torch.equal(to_8bit(from_8bit(levels, torch.float64)), levels)


@pytest.mark.parametrize("scale", [1, 0, -2, 2.5, "two", True, None])
def test_invalid_scales_are_refused(scale: object) -> None:
    with pytest.raises(LossmithError, match=r"bicubic: scale must be a whole number, 2 or more, not"):
        Bicubic(scale)  # type: ignore[arg-type]


def test_an_image_that_does_not_divide_is_refused() -> None:
    with pytest.raises(LossmithError, match="9x8 pixels must be cropped to multiples of 4 first"):
        Bicubic(4)(torch.rand(3, 9, 8))


@pytest.mark.parametrize(
    ("images", "to"),
    [
        (torch.zeros(4, 4, dtype=torch.uint8), 2),
        (torch.zeros(4), 2),
        (torch.zeros(4, 4), 0),
        (torch.zeros(4, 4), (0, 3)),
    ],
)
def test_inputs_that_cannot_be_resized_are_refused(images: Tensor, to: float) -> None:
    with pytest.raises(LossmithError, match=r"^resize: "):
        resize(images, to)


def test_8_bit_resizing_refuses_integers_and_nonpositive_factors() -> None:
    for images, factor in ((torch.zeros(4, 4, dtype=torch.uint8), 2.0), (torch.zeros(4, 4), 0.0)):
        with pytest.raises(LossmithError, match=r"^resize_8bit: "):
            resize_8bit(images, factor)
