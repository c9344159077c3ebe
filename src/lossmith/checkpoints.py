"""Models from anywhere: our own files, and other people's checkpoints of networks that we have too."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from lossmith.errors import LossmithError
from lossmith.files import digest_of
from lossmith.models import Model, has_shapes_of, load_model
from lossmith.networks import Restorer, network
from lossmith.networks.layouts import present_names, recognise, unwrap
from lossmith.pickles import load_pickle


def open_model(path: Path, own_network: str | None = None) -> Model:
    """A model of ours, or a checkpoint (.safetensors, .pth) of an RRDBNet or SRResNet in any layout of the field.

    Which network other people's weights belong to is told from their keys and shapes, or said as `own_network`.
    Pickles are only read as far as they hold nothing but weights; no code in a file is ever run.

    Raises LossmithError, in one sentence, for what is missing, damaged, unsafe or unknown.
    """
    path = Path(path)
    if not path.is_file() or _is_ours(path):
        return load_model(path, own_network)
    checkpoint = read_weights(path)
    try:
        weights = unwrap(checkpoint)
        if own_network is None or ":" not in own_network:
            weights = present_names(weights)
        expression = own_network or recognise(weights)
    except LossmithError as error:
        raise LossmithError(f"{path} {error}") from error
    if own_network is None and not has_shapes_of(expression, weights):
        raise LossmithError(f"{path} does not hold the weights of {expression}")
    restorer = network(expression)
    spelling = str(restorer) if isinstance(restorer, Restorer) else expression
    try:
        restorer.load_state_dict(weights)
    except RuntimeError as error:
        raise LossmithError(f"{path} does not hold the weights of {spelling}") from error
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise LossmithError(f"{path} holds weights that are not numbers")
    origin = {"file": path.name, "sha256": digest_of(path)}
    receipt = {"network": spelling, "scale": getattr(restorer, "scale", 1), "origin": origin}
    return Model(restorer.eval().requires_grad_(False), receipt)


def _is_ours(path: Path) -> bool:
    """Whether it is a safetensors file that says so; a damaged one is refused by who reads it."""
    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return any(name.startswith("lossmith-") for name in file.metadata() or {})
    except (SafetensorError, OSError):
        return True


def read_weights(path: Path) -> dict[str, Any]:
    """What a checkpoint holds by name, tensors or more names; a pickle is read as far as that and no farther.

    Raises LossmithError for what holds anything else, or is damaged.
    """
    if path.suffix == ".safetensors":
        return dict(load_file(path))
    try:
        checkpoint = load_pickle(path)
    except Exception as error:  # whatever a damaged or a dangerous file makes the reader raise
        if "Unsupported global" in str(error):  # as torch calls any name that a pickle would have run
            raise LossmithError(
                f"{path} holds more than weights and is refused, since loading it could run code; "
                "ask its author for a safetensors file"
            ) from error
        raise LossmithError(f"{path} is neither a safetensors file nor a checkpoint of PyTorch") from error
    if not isinstance(checkpoint, dict):
        raise LossmithError(f"{path} holds a {type(checkpoint).__name__}, not weights by name")
    return checkpoint


__all__ = ["open_model", "read_weights"]
