"""Model files: the weights of a restorer and how it came about, in one safetensors file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.errors import LossmithError
from lossmith.networks import network
from lossmith.tensor_files import load_tensors, save_tensors

FORMAT = "lossmith-model-1"


@dataclass(frozen=True)
class Model:
    """A restorer with its receipt: `network`, `scale` and what else was written when it was saved."""

    restorer: nn.Module
    receipt: dict[str, Any]

    @property
    def scale(self) -> int:
        return int(self.receipt["scale"])


def save_model(path: Path, restorer: nn.Module, receipt: dict[str, Any]) -> None:
    """Write the weights and the receipt, which must name `network` (its expression) and `scale`."""
    save_tensors(path, restorer.state_dict(), FORMAT, receipt)


def load_model(path: Path, own_network: str | None = None) -> Model:
    """Read a model file. No code that it names is ever run.

    A model of a network of your own is made by naming it as `own_network`, an expression; a file cannot do that.

    Raises LossmithError, in one sentence, when it is missing or is not what it should be.
    """
    if not path.is_file():
        raise LossmithError(f"{path} is not a file; a model is the model.safetensors in the folder of a run")
    weights, receipt = load_tensors(path, FORMAT)
    try:
        expression, scale = str(own_network or receipt["network"]), int(receipt["scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LossmithError(f"{path} does not say which network it belongs to") from error
    if own_network is None and ":" in expression:
        raise LossmithError(f"{path} belongs to '{expression}', whose code is only run when you name it yourself")
    if own_network is None and not has_shapes_of(expression, weights, scale):
        raise LossmithError(f"{path} does not hold the weights of {expression}")
    restorer = network(expression, scale)
    try:
        restorer.load_state_dict(weights)
    except RuntimeError as error:
        raise LossmithError(f"{path} does not hold the weights of {expression}") from error
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise LossmithError(f"{path} holds weights that are not numbers; train it anew")
    return Model(restorer.eval().requires_grad_(False), receipt)


def has_shapes_of(expression: str, weights: Mapping[str, Tensor], scale: int | None = None) -> bool:
    """Whether these could be the weights of a network of ours, told without making room for it.

    A file may name a network that no memory holds.
    """
    with torch.device("meta"):
        wanted = network(expression, scale).state_dict()
    return {name: tensor.shape for name, tensor in wanted.items()} == {
        name: tensor.shape for name, tensor in weights.items()
    }
