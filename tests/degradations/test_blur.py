"""The blur is SciPy's Gaussian filter with a stated kernel and mirrored edges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from lossmith.core.errors import LossmithError
from lossmith.degradations import Blur, degradation


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 5), st.integers(1, 40), st.integers(1, 40))
def test_blur_equals_scipys_gaussian_filter_on_images_of_any_size(sigma: float, height: int, width: int) -> None:
    clean = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = gaussian_filter(clean.numpy(), sigma, axes=(1, 2), mode="reflect", radius=math.ceil(4 * sigma))
    np.testing.assert_allclose(Blur(sigma)(clean).numpy(), expected, atol=1e-12)


def test_blur_of_zero_changes_nothing() -> None:
    clean = torch.rand(3, 5, 7)
    assert torch.equal(Blur(0)(clean), clean)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_blur_keeps_the_dtype(dtype: torch.dtype) -> None:
    assert Blur(1)(torch.rand(3, 9, 9).to(dtype)).dtype == dtype


@pytest.mark.parametrize("bad", ["-1", "101", "wide", "none"])
def test_invalid_blur_widths_are_refused(bad: str) -> None:
    with pytest.raises(LossmithError, match="sigma must be"):
        degradation(f"blur({bad})")
