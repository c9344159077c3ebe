"""What many rooms are tested with: a few small images to train on, a photograph, and the benchmark images."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.data import Data, PreparedData, prepare_data, write_image

# Small tensors gain nothing from several threads, and threads that wait for each other cost a busy machine dearly.
torch.set_num_threads(1)


def smooth_image(seed: int, height: int, width: int) -> torch.Tensor:
    """(3, height, width) of soft random blobs in [0, 1]."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((1, 3, 6, 6), dtype=np.float32))
    size = (height, width)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)[0].clamp(0, 1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six small images."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(6):
        write_image(folder / f"{seed}.png", smooth_image(seed, 48 + 2 * seed, 64))
    return folder


@pytest.fixture(scope="session")
def prepared_photos(photos: Path) -> PreparedData:
    """These, with noise, to train on and to test with."""
    return prepare_data(Data([photos]), "noise(25)")


@pytest.fixture(scope="session")
def photo() -> Callable[[int, int], Tensor]:
    """(3, height, width), float64 multiples of 1/255, from a corner of the astronaut."""
    from skimage import data

    image = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1).to(torch.float64) / 255
    return lambda height, width: image[:, :height, -width:].clone()


def _noisy(image: Tensor) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.05, tuple(image.shape)))
    return _rounded(image + noise)


def _blurred(image: Tensor) -> Tensor:
    return _rounded(torch.nn.functional.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False))


def _faded(image: Tensor) -> Tensor:
    return _rounded(0.2 + 0.7 * image)


def _rounded(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


@pytest.fixture(params=[_noisy, _blurred, _faded], ids=["noisy", "blurred", "faded"])
def degrade(request: pytest.FixtureRequest) -> Callable[[Tensor], Tensor]:
    """A degradation of (..., C, H, W) that leaves 8-bit images."""
    function: Callable[[Tensor], Tensor] = request.param
    return function


@pytest.fixture(scope="session")
def benchmark_data() -> Path:
    """The folder of LOSSMITH_DATA."""
    folder = os.environ.get("LOSSMITH_DATA")
    if not folder:
        pytest.skip("LOSSMITH_DATA is not set")
    return Path(folder)
