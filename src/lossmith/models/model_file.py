"""Model files: the weights of a restorer and how it came about, in one safetensors file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import rename_entries
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.core.state_dicts import listed, misfit
from lossmith.networks import network

FORMAT = "lossmith-model-1"
MODEL_FILE = "model.safetensors"
"""What the model of a run is called, in the run's folder."""


@dataclass(frozen=True)
class Model:
    """A restorer with its receipt: `network`, `scale` and what else was written when it was saved."""

    restorer: nn.Module
    receipt: dict[str, Any]
    channels: int = 3
    multiple_of: int = 1
    """What the sides of images must be a multiple of."""
    minimum: int = 1
    """The shortest side that it takes."""

    @property
    def scale(self) -> int:
        return int(self.receipt["scale"])


def save_model(path: Path, restorer: nn.Module, receipt: dict[str, Any]) -> None:
    """Write the weights and the receipt, which must name `network` (its expression) and `scale`."""
    save_tensors(path, restorer.state_dict(), FORMAT, receipt)


def load_model(path: Path, network_expression: str | None = None) -> Model:
    """Read a model file. No code that it names is ever run.

    A model of a network of your own is made by naming it as `network_expression`, an expression; a file cannot do
    that.

    Raises LossmithError, in one sentence, when it is missing or is not what it should be.
    """
    check_file(path)
    weights, receipt = load_tensors(path, FORMAT)
    receipt = rename_entries(receipt)
    try:
        expression, scale = str(network_expression or receipt["network"]), int(receipt["scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LossmithError(f"{path} does not say which network it belongs to") from error
    if network_expression is None and ":" in expression:
        raise LossmithError(
            f"{path} belongs to '{expression}', whose code is only run when you name it yourself: --network"
        )
    if network_expression is None and (wrong := misfit(shapes_of(expression, scale), shapes(weights))):
        raise LossmithError(f"{path} does not hold the weights of {expression}: {wrong}")
    restorer = network(expression, scale)
    if wrong := misfit(shapes(restorer.state_dict()), shapes(weights)):
        raise LossmithError(f"{path} does not hold the weights of {expression}: {wrong}")
    load_weights(restorer, weights)
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not numbers; train it anew")
    return Model(restorer.eval().requires_grad_(False), receipt)


def check_file(path: Path) -> None:
    """Raise LossmithError for what is no file, which names the models in a folder."""
    if path.is_dir():
        raise LossmithError(f"'{path}' is a folder{_list_models(models_in(path))}")
    if not path.is_file():
        missing = "is not a file" if path.exists() else "does not exist"
        raise LossmithError(f"'{path}' {missing}; a model is the {MODEL_FILE} in the folder of a run")


def models_in(folder: Path) -> list[Path]:
    """The models of a run, of its stages, or of a tournament."""
    return [path for depth in range(4) for path in sorted(folder.glob("*/" * depth + MODEL_FILE))]


def _list_models(models: Sequence[Path]) -> str:
    named = listed([str(model) for model in models])
    return f"; name {'the' if len(models) == 1 else 'a'} model in it: {named}" if models else " without a model"


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network weights that fit it."""
    network.load_state_dict({**network.state_dict(), **weights})


def are_finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether all are numbers; in double precision, since torch does not ask this of floats of 8 bits."""
    return all(bool(weight.double().isfinite().all()) for weight in weights.values())


def shapes(weights: Mapping[str, Tensor]) -> dict[str, Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


def shapes_of(expression: str, scale: int | None = None) -> dict[str, Size]:
    """The weights of a network of ours, without making room for it: a file may name one that no memory holds."""
    with torch.device("meta"):
        return shapes(network(expression, scale).state_dict())
