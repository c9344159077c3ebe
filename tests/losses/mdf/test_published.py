"""MDF with the published weights, against values that the published code computed in float64."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lossmith.losses import MDFLoss
from lossmith.losses.mdf.loss_file import FORMAT

pytestmark = pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")
FILES = {"sr_denoise": [32] * 4 + [64] * 4 + [128], "jpeg": [32] * 4 + [64] * 4}


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ["LOSSMITH_DATA"]) / "weights/mdf"


@pytest.fixture(scope="module")
def images(folder: Path) -> Iterator[Any]:
    with np.load(folder / "expected.npz") as arrays:
        yield tuple(torch.from_numpy(arrays[name]) for name in ("prediction", "target"))


@pytest.fixture(params=FILES)
def case(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> tuple[MDFLoss, dict[str, Tensor]]:
    """The loss, and what it is to give for each image."""
    scales = [{"width": width, "factor": 1.0} for width in FILES[request.param]]
    card = {"scales": scales, "range": [0, 1], "default_scales": 8}
    file = tmp_path / "published.safetensors"
    save_file(load_file(folder / f"reference_{request.param}.safetensors"), file, {FORMAT: json.dumps(card)})
    rows = json.loads((folder / "expected.json").read_text())["values"][request.param]
    expected = {key: torch.tensor([row[key] for row in rows], dtype=torch.float64) for key in rows[0]}
    return MDFLoss.load(file, reduction="none"), expected


@pytest.mark.parametrize(
    ("dtype", "slack"),
    # float32 rounds some activations to the other side of the leaky ReLU's kink
    [pytest.param(torch.float64, 1e-6, marks=pytest.mark.slow), (torch.float32, 5e-5)],
)
def test_values_and_gradients_equal_the_published_code(
    case: tuple[MDFLoss, dict[str, Tensor]], images: tuple[Tensor, Tensor], dtype: torch.dtype, slack: float
) -> None:
    criterion, expected = case
    prediction, target = (image.to(dtype, copy=True) for image in images)
    values = criterion(prediction.requires_grad_(), target)
    (gradient,) = torch.autograd.grad(values.sum(), prediction)
    torch.testing.assert_close(values.double(), expected["value"], rtol=1e-5, atol=0)
    slopes = gradient.double().flatten(1)
    torch.testing.assert_close(slopes.abs().sum(1), expected["grad_l1"], rtol=slack, atol=0)
    torch.testing.assert_close(slopes.norm(dim=1), expected["grad_l2"], rtol=slack, atol=0)
