"""The residual of a degradation covers all of an image, whatever its size."""

import numpy as np
import pytest
import torch

from lossmith.degradations import degradation
from lossmith.loss_learning.sample import DegradedSample


@pytest.mark.parametrize("size", [(60, 60), (61, 62), (59, 64)])
def test_a_downscaling_degradation_reaches_the_last_row_and_column(size: tuple[int, int]) -> None:
    clean = torch.from_numpy(np.random.default_rng(0).random((3, *size), np.float32))
    sample = DegradedSample(clean, degradation("bicubic(3) | noise(30)"), None, {})
    error = sample.residual(clean, np.random.Generator(np.random.Philox(1)))
    assert error.shape == clean.shape
    for axes in ((0, 2), (0, 1)):
        rms = error.square().mean(axes).sqrt()
        assert rms.min() > 0.3 * rms.mean()
