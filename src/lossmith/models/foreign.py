"""Loading models of any origin: files of lossmith, and weights of networks that lossmith or spandrel knows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.safetensors_io import formats_of, is_safetensors, load_tensors
from lossmith.core.state_dicts import StateDict, choose, misfit, quote_names, read_state_dicts
from lossmith.models.model_file import (
    FORMAT,
    Model,
    are_finite,
    load_model,
    load_weights,
    shapes,
    shapes_of,
)
from lossmith.models.shipped import find_model
from lossmith.models.spandrel import is_spandrel_model, load_by_spandrel
from lossmith.models.state_dict_keys import canonicalize_keys, detect_network
from lossmith.networks import NETWORKS, NetworkLike, Restorer, network, network_expression

MIN_NAME_OVERLAP = 0.25
"""The least share of common tensor names for a network to be suggested."""
PROBE_HEIGHTS = (64, 256)
"""Heights of the images, twice as wide, by which the channels and the scale of an unknown network are found."""
Weights = dict[str, Tensor]
"""Tensors by name."""


def load_any_model(path: str | Path, architecture: NetworkLike | None = None) -> Model:
    """Load a model of lossmith, or weights of any program. No code in a file is ever run.

    Weights are found wherever training programs put them; see `find_state_dicts`.

    Parameters
    ----------
    path
        The file, or the name of a shipped model.
    architecture
        The network of the weights [default: detected by names and shapes of tensors: RRDBNet or SRResNet in any
        layout of keys, or a network that spandrel knows].

    Raises
    ------
    LossmithError
        For a file that is missing, damaged or unsafe, and for weights of an unknown or another network.
    """
    path = find_model(path)
    expression = None if architecture is None else network_expression(architecture)
    if path.suffix.lower() == ".onnx":
        raise LossmithError(f"{path} is a graph; restore and evaluate take it as it is, but it holds no network")
    if is_safetensors(path) and any(name.startswith("lossmith-") for name in formats_of(path)):
        return _load_own(path, expression)
    state_dicts = read_state_dicts(path)
    if expression is not None:
        restorer = network(expression)
        return _model(path, restorer, expression, *weights_for(path, restorer, state_dicts))
    return _detect_model(path, state_dicts)


def _load_own(path: Path, expression: str | None) -> Model:
    """Load a model file of lossmith, whose network may be one that spandrel knows."""
    try:
        return load_model(path, expression)
    except LossmithError:
        if expression is None:
            weights, receipt = load_tensors(path, FORMAT)
            if is_spandrel_model(receipt) and (known := load_by_spandrel([StateDict(weights)])):
                return replace(known[1], receipt=receipt)
        raise


def weights_for(path: Path, restorer: nn.Module, state_dicts: Sequence[StateDict]) -> tuple[StateDict, Weights]:
    """The state dict of a file that fits a network, and its weights under the network's names.

    Raises LossmithError, which says how the closest state dict differs.
    """
    expected = shapes(restorer.state_dict())

    def fit(candidate: StateDict) -> Weights | None:
        return None if misfit(expected, shapes(weights := canonical_weights(restorer, candidate))) else weights

    with _errors_naming(path):
        match = choose(state_dicts, fit)
    if match is not None:
        return match
    fault = misfit(expected, shapes(canonical_weights(restorer, closest_state_dict(restorer, state_dicts))))
    raise LossmithError(f"{path} does not hold the weights of {_describe(restorer)}: {fault}")


def canonical_weights(restorer: nn.Module, state_dict: StateDict) -> Weights:
    """Weights under the present names of a network; those of lossmith's networks have had other names."""
    return canonicalize_keys(state_dict.weights) if isinstance(restorer, Restorer) else state_dict.weights


def closest_state_dict(restorer: nn.Module, state_dicts: Sequence[StateDict]) -> StateDict:
    """The state dict that has the most names in common with a network."""
    names = restorer.state_dict().keys()
    return max(state_dicts, key=lambda candidate: len(names & canonical_weights(restorer, candidate).keys()))


def _detect_model(path: Path, state_dicts: Sequence[StateDict]) -> Model:
    """The model of a file that does not name its network."""
    reasons: list[str] = []

    def detect(candidate: StateDict) -> tuple[str, Weights] | None:
        try:
            candidate.check()
            weights = canonicalize_keys(candidate.weights)
            if (expression := detect_network(weights)) is None:
                return None
            fault = misfit(shapes_of(expression), shapes(weights))
        except LossmithError as error:
            reasons.append(str(error))
            return None
        if fault:
            reasons.append(f"does not hold the weights of {expression}: {fault}")
        return None if fault else (expression, weights)

    with _errors_naming(path):
        match = choose(state_dicts, detect)
    if match is not None:
        state_dict, (expression, weights) = match
        return _model(path, network(expression), expression, state_dict, weights)
    with _errors_naming(path):
        return _by_spandrel(path, state_dicts, reasons)


def _by_spandrel(path: Path, state_dicts: Sequence[StateDict], reasons: Sequence[str]) -> Model:
    """The model of a network that spandrel knows; `reasons` say why it is not a network of lossmith."""
    try:
        match = load_by_spandrel(state_dicts)
    except ModuleNotFoundError as error:
        reason = reasons[0] if reasons else _unknown_network_error(state_dicts, "here")
        raise LossmithError(f'{reason}; spandrel may know it: pip install "lossmith[spandrel]"') from error
    except LossmithError as error:
        raise LossmithError(reasons[0] if reasons else str(error)) from error
    if match is None:
        raise LossmithError(reasons[0] if reasons else _unknown_network_error(state_dicts, "here or to spandrel"))
    state_dict, model = match
    return replace(model, receipt={**model.receipt, "origin": _origin(path, state_dict)})


def _unknown_network_error(state_dicts: Sequence[StateDict], where: str) -> str:
    """Advice on weights of an unknown network: to name the network with the most names in common, or one's own."""
    best, names, max_share = "", set[str](), 0.0
    closest = state_dicts[0]
    for name, factory in NETWORKS.items():
        expected = set(factory().state_dict())
        for candidate in state_dicts:
            keys = set(canonicalize_keys(candidate.weights))
            if (share := len(keys & expected) / len(keys | expected)) > max_share:
                best, closest, names, max_share = name, candidate, keys ^ expected, share
    fault = f"holds{closest.place} the weights of no network that is known {where}"
    if max_share < MIN_NAME_OVERLAP:
        examples = quote_names(closest.weights)
        return f"{fault}, such as {examples}; name your own network: `network='my_package.nets:MyNet'`"
    but = f", but for {quote_names(sorted(names))}" if names else ""
    fit = f"{max_share:.0%} of the names fit{but}"
    return f"{fault}; closest is {best}, which {fit}: name it, `network='{best}(scale=4)'`"


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Begin LossmithErrors about the content of a file with its name."""
    try:
        yield
    except LossmithError as error:
        raise LossmithError(f"{path} {error}") from error


def _model(path: Path, restorer: nn.Module, expression: str, state_dict: StateDict, weights: Weights) -> Model:
    with _errors_naming(path):
        state_dict.check()
    load_weights(restorer, weights)
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not finite")
    restorer.eval().requires_grad_(False)
    receipt_expression = str(restorer) if isinstance(restorer, Restorer) else expression
    channels, scale = _channels_and_scale(restorer)
    return Model(
        restorer, {"network": receipt_expression, "scale": scale, "origin": _origin(path, state_dict)}, channels
    )


def _channels_and_scale(restorer: nn.Module) -> tuple[int, int]:
    """The channels and the scale of a network; of one that is not lossmith's, found by running it.

    For a network that runs on no probe, three channels and its attribute `scale`: opening it will give the error.
    """
    if isinstance(restorer, Restorer):
        return restorer.channels, restorer.scale
    for side, channels in product(PROBE_HEIGHTS, (3, 1)):
        image = torch.full((1, channels, side, 2 * side), 0.5)
        try:
            with torch.inference_mode():
                shape = restorer(image).shape
        except Exception:  # networks raise anything for channels or sizes that they do not take
            continue
        scale = shape[-1] // image.shape[-1]
        if scale and tuple(shape) == (1, channels, scale * side, scale * 2 * side):
            return channels, int(scale)
    attribute = getattr(restorer, "scale", 1)
    return 3, attribute if isinstance(attribute, int) else 1


def _origin(path: Path, state_dict: StateDict) -> dict[str, str]:
    """The entry of a receipt that says which file, and what in it, the weights are from."""
    place = {"weights": ".".join(state_dict.path)} if state_dict.path else {}
    return {"file": path.name, "sha256": sha256_of(path), **place}


def _describe(restorer: nn.Module) -> str:
    return str(restorer) if isinstance(restorer, Restorer) else type(restorer).__name__


__all__ = ["canonical_weights", "closest_state_dict", "load_any_model", "weights_for"]
