"""Model files: the weights of a restorer and how it came about, in one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from lossmith.errors import LossmithError
from lossmith.files import replacing
from lossmith.networks import network

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
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in restorer.state_dict().items()}
    # one entry only: safetensors does not keep the order of several, and equal runs shall make equal files
    metadata = {FORMAT: json.dumps(receipt, sort_keys=True)}
    with replacing(path) as draft:
        try:
            save_file(weights, draft, metadata)
        except SafetensorError as error:  # so a full disk is called there
            raise OSError(str(error)) from error


def load_model(path: Path, own_network: str | None = None) -> Model:
    """Read a model file. No code that it names is ever run.

    A model of a network of your own is made by naming it as `own_network`, an expression; a file cannot do that.

    Raises LossmithError, in one sentence, when it is missing or is not what it should be.
    """
    if not path.is_file():
        raise LossmithError(f"{path} is not a file; a model is the model.safetensors in the folder of a run")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise LossmithError(f"{path} is not a whole safetensors file: {error}") from error
    if FORMAT not in metadata:
        raise LossmithError(f"{path} was not written by lossmith, so the network it belongs to is not known")
    receipt: dict[str, Any] = json.loads(metadata[FORMAT])
    try:
        expression, scale = own_network or receipt["network"], int(receipt["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise LossmithError(f"{path} does not say which network it belongs to") from error
    if own_network is None and ":" in expression:
        raise LossmithError(f"{path} belongs to '{expression}', whose code is only run when you name it yourself")
    restorer = network(expression, scale)
    try:
        restorer.load_state_dict(weights)
    except RuntimeError as error:
        raise LossmithError(f"{path} does not hold the weights of {expression}") from error
    return Model(restorer.eval().requires_grad_(False), receipt)
