"""A small image with edges and texture, and a recipe of a second."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossmith.data import write_image
from lossmith.loss_learning import LossRecipe


@pytest.fixture(scope="session")
def small() -> LossRecipe:
    """Two scales of an image of 48 pixels."""
    return LossRecipe(iterations=3, min_side=24, width=4, max_width=8, crop=24, batch=2)


@pytest.fixture(scope="session")
def scene() -> Tensor:
    rng = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(torch.linspace(0, 9, 48), torch.linspace(0, 12, 56), indexing="ij")
    waves = torch.stack([(rows + 2 * columns).sin(), (rows * columns / 3).cos(), (columns - rows).sin()])
    return (0.5 + 0.3 * waves + 0.05 * torch.rand(3, 48, 56, generator=rng)).clamp(0, 1)


@pytest.fixture
def image(scene: Tensor, tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    write_image(path, scene)
    return path
