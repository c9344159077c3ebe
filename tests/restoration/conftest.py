"""Small model files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lossmith.models.model_file import save_model
from lossmith.networks import network

Saver = Callable[[str, int], Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saver:
    """Saves a network with random weights as a model file."""

    def save(expression: str, scale: int) -> Path:
        torch.manual_seed(0)
        path = tmp_path / "models" / f"{scale}x-{expression.partition('(')[0]}.safetensors"
        save_model(path, network(expression, scale), {"network": expression, "scale": scale})
        return path

    return save
