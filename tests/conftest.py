"""Fixtures of several rooms: training images, a photograph, models, recipes, and the benchmark images."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.data import Data, PreparedData, prepare_data, write_image
from lossmith.loss_learning import LossRecipe
from lossmith.models import shipped
from lossmith.models.model_file import save_model
from lossmith.models.shipped import ship
from lossmith.models.tasks import Character, Task
from lossmith.networks import network

MakeModel = Callable[[str, int], Path]

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


@pytest.fixture
def random_model(tmp_path: Path) -> MakeModel:
    """`random_model(network, scale)` saves a network with random weights as a model file."""

    def save(expression: str, scale: int) -> Path:
        torch.manual_seed(0)
        path = tmp_path / "models" / f"{scale}x-{expression.partition('(')[0]}.safetensors"
        save_model(path, network(expression, scale), {"network": expression, "scale": scale})
        return path

    return save


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lossmith that ships small models for all tasks; the test works in another one."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(shipped, "SHIPPED", folder)
    networks = {
        ("jpeg", "jpeg(5..95)"): ("srresnet_small(features=4, blocks=1, unshuffle=2)", 1),
        ("denoise", "noise(0..50)"): ("srresnet_small(features=4, blocks=1, unshuffle=2)", 1),
        ("x2", "bicubic(2)"): ("srresnet_small(features=4, blocks=1)", 2),
        ("x4", "bicubic(4)"): ("srresnet_small(features=4, blocks=1)", 4),
    }
    torch.manual_seed(0)
    for (task, degradation), (expression, scale) in networks.items():
        for character in get_args(Character):
            receipt = {"network": expression, "scale": scale, "degradation": degradation, "loss": "l1"}
            save_model(tmp_path / "model.safetensors", network(expression, scale), receipt)
            ship(
                tmp_path / "model.safetensors",
                cast(Task, task),
                character,
                trained_on=[{"name": "Bridge", "author": "Sander Klootwijk", "license": "CC-BY-SA-4.0"}],
                scores={"Set5, PSNR": 31.25, "Set5, SSIM": 0.8838},
            )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture(scope="session")
def loss_recipe() -> LossRecipe:
    """A loss of two scales, learned in a second from the scene below."""
    return LossRecipe(iterations=3, min_side=24, width=4, max_width=8, crop=24, batch=2)


@pytest.fixture(scope="session")
def scene() -> Tensor:
    """(3, 48, 56): an image with edges and texture."""
    rng = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.linspace(0, 9, 48), torch.linspace(0, 12, 56), indexing="ij")
    waves = torch.stack([(rows + 2 * columns).sin(), (rows * columns / 3).cos(), (columns - rows).sin()])
    return (0.5 + 0.3 * waves + 0.05 * torch.rand(3, 48, 56, generator=rng)).clamp(0, 1)


@pytest.fixture(scope="session")
def photo() -> Callable[[int, int], Tensor]:
    """(3, height, width), float64 multiples of 1/255, from a corner of the astronaut."""
    from skimage import data

    image = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1).to(torch.float64) / 255
    return lambda height, width: image[:, :height, -width:].clone()


def _noisy(image: Tensor) -> Tensor:
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.05, tuple(image.shape)))
    return _round(image + noise)


def _blur(image: Tensor) -> Tensor:
    return _round(torch.nn.functional.avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False))


def _fade(image: Tensor) -> Tensor:
    return _round(0.2 + 0.7 * image)


def _round(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


@pytest.fixture(params=[_noisy, _blur, _fade], ids=["noisy", "blurred", "faded"])
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
