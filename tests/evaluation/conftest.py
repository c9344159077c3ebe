"""Photographs, the usual damage, and the benchmark data where it is at hand."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import Tensor

from lossmith.metrics.registry import Metric


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Images are small here; threads that wait for one another on a busy machine take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photo() -> Callable[[int, int], Tensor]:
    """(3, height, width), float64 multiples of 1/255, from a corner of the astronaut."""
    whole = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1).to(torch.float64) / 255
    return lambda height, width: whole[:, :height, -width:].clone()


def _noisy(image: Tensor) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.05, tuple(image.shape)))
    return _rounded(image + noise)


def _blurred(image: Tensor) -> Tensor:
    return _rounded(F.avg_pool2d(image[None], 5, stride=1, padding=2, count_include_pad=False)[0])


def _faded(image: Tensor) -> Tensor:
    return _rounded(0.2 + 0.7 * image)


def _rounded(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


@pytest.fixture(params=[_noisy, _blurred, _faded], ids=["noisy", "blurred", "faded"])
def damage(request: pytest.FixtureRequest) -> Callable[[Tensor], Tensor]:
    """A damage that leaves 8-bit images."""
    function: Callable[[Tensor], Tensor] = request.param
    return function


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """The folder of LOSSMITH_DATA."""
    folder = os.environ.get("LOSSMITH_DATA")
    if not folder:
        pytest.skip("LOSSMITH_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def psnr_metric() -> Metric:
    return Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB")


@pytest.fixture(scope="session")
def gmsd_metric() -> Metric:
    return Metric("gmsd", "GMSD", higher_is_better=False, digits=4)
