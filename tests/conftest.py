"""A small world to train in: smooth random images, a quick network, a few steps."""

from pathlib import Path

import numpy as np
import pytest
import torch

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
def gathered(photos: Path) -> PreparedData:
    """These, with noise, to train on and to test with."""
    return prepare_data(Data([photos]), "noise(25)")
