"""Model files of lossmith: the weights of a restorer and its receipt, in one safetensors file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Size, Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import rename_entries
from lossmith.core.pixel_format import PixelFormat
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.core.state_dicts import join_names, misfit
from lossmith.networks import Restorer, network

FORMAT = "lossmith-model-1"
MODEL_FILE = "model.safetensors"
"""Name of the model file in the folder of a run."""


@dataclass(frozen=True)
class Model:
    """A restorer with its receipt, which has `network` (its expression), `scale`, and how it was trained."""

    restorer: nn.Module
    receipt: dict[str, Any]
    channels: int = 3
    """What the network takes: 1 for a gray network of another program, which gets the colors one by one."""
    multiple_of: int = 1
    """The sides of images must be multiples of this."""
    minimum: int = 1
    """The least height and width of images, in pixels."""

    @property
    def scale(self) -> int:
        return int(self.receipt["scale"])

    @property
    def pixels(self) -> PixelFormat:
        """The format of the images that it was trained on; of other programs' models, 8-bit RGB."""
        return PixelFormat.from_receipt(self.receipt)


def save_model(path: Path, restorer: nn.Module, receipt: dict[str, Any]) -> None:
    """Write a model file.

    The receipt must have `network` (the expression) and `scale`, and `pixels` for images that are not 8-bit RGB;
    see `PixelFormat.receipt_entries`.
    """
    save_tensors(path, restorer.state_dict(), FORMAT, receipt)


def load_model(path: Path, network_expression: str | None = None) -> Model:
    """Load a model file. No code that it names is ever run.

    Parameters
    ----------
    path
        The file.
    network_expression
        The network [default: that of the receipt]. A network of your own, by import path, must be named here: a
        file cannot make lossmith run its code.

    Raises
    ------
    LossmithError
        When the file is missing or damaged, or does not hold the weights of the network.
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
            f"{path} belongs to '{expression}', whose code is only run when you name it yourself: `network`"
        )
    pixels = pixels_of(path, receipt)
    channels = pixels.channels if "pixels" in receipt else None
    if network_expression is None and (fault := misfit(shapes_of(expression, scale, channels), shapes(weights))):
        raise LossmithError(f"{path} does not hold the weights of {expression}: {fault}")
    restorer = network(expression, scale, channels)
    if fault := misfit(shapes(restorer.state_dict()), shapes(weights)):
        raise LossmithError(f"{path} does not hold the weights of {expression}: {fault}")
    load_weights(restorer, weights)
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not finite; train it again")
    built_for = restorer.channels if isinstance(restorer, Restorer) else pixels.channels
    return Model(restorer.eval().requires_grad_(False), receipt, built_for)


def pixels_of(path: Path, receipt: Mapping[str, Any]) -> PixelFormat:
    """The format of images in the receipt of a file; raises LossmithError for one that is none."""
    try:
        return PixelFormat.from_receipt(receipt)
    except (LossmithError, TypeError, ValueError) as error:
        raise LossmithError(f"{path} does not say which images it is for: {error}") from error


def check_file(path: Path) -> None:
    """Raise LossmithError for a path that is not a file; for a folder it names the models in it."""
    if path.is_dir():
        raise LossmithError(f"'{path}' is a folder{_list_models(models_in(path))}")
    if not path.is_file():
        fault = "is not a file" if path.exists() else "does not exist"
        raise LossmithError(f"'{path}' {fault}; a model is the {MODEL_FILE} in the folder of a run")


def models_in(folder: Path) -> list[Path]:
    """The model files in the folder of a run, of its stages, or of a tournament."""
    return [path for depth in range(4) for path in sorted(folder.glob("*/" * depth + MODEL_FILE))]


def _list_models(models: Sequence[Path]) -> str:
    names = join_names([str(model) for model in models])
    return f"; name {'the' if len(models) == 1 else 'a'} model in it: {names}" if models else " without a model"


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights that fit a network into it; tensors that are not among them stay."""
    network.load_state_dict({**network.state_dict(), **weights})


def are_finite(weights: Mapping[str, Tensor]) -> bool:
    """Whether all weights are finite; in double precision, since torch does not check floats of 8 bits."""
    return all(bool(weight.double().isfinite().all()) for weight in weights.values())


def shapes(weights: Mapping[str, Tensor]) -> dict[str, Size]:
    """The shapes of tensors by name."""
    return {name: tensor.shape for name, tensor in weights.items()}


def shapes_of(expression: str, scale: int | None = None, channels: int | None = None) -> dict[str, Size]:
    """The shapes of a network's weights, without allocating them: a file may name a network of any size."""
    with torch.device("meta"):
        return shapes(network(expression, scale, channels).state_dict())
