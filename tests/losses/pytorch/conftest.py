"""Fixtures of the tests of losses under PyTorch."""

import pytest
import torch
from torch import Tensor

from lossmith.losses.perceptual import dists
from lossmith.losses.structural.backends import dispatch, torch_backend


@pytest.fixture(autouse=True)
def heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of DISTS's own for each of its channels, as their file does not come with it."""

    def equal(file: str | None, widths: list[int]) -> list[tuple[Tensor, Tensor]]:
        share = 0.5 / sum(widths)
        heads = [torch.full((2, width), share, dtype=torch.float32) for width in widths]
        return [(texture.clone(), structure.clone()) for texture, structure in heads]

    monkeypatch.setattr(dists, "read_heads", equal)


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "backend_for", lambda x: torch_backend)
