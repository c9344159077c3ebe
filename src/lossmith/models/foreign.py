"""Models from anywhere: our own files, and other people's weights of networks that we or spandrel know."""

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
from lossmith.core.state_dicts import StateDict, choose, misfit, quoted, read_state_dicts
from lossmith.models.model_file import (
    FORMAT,
    Model,
    are_finite,
    check_file,
    load_model,
    load_weights,
    shapes,
    shapes_of,
)
from lossmith.models.spandrel import is_spandrel_model, load_by_spandrel
from lossmith.models.state_dict_keys import canonicalize_keys, detect_network
from lossmith.networks import NETWORKS, Restorer, network

MIN_NAME_OVERLAP = 0.25
"""The share of names in common from which on a network of ours is worth naming."""
PROBE_HEIGHTS = (64, 256)
"""Heights of the images on which is tried what anybody's network takes and makes; they are twice as wide."""
Weights = dict[str, Tensor]


def load_any_model(path: Path, network_expression: str | None = None) -> Model:
    """A model of ours, or anybody's weights: of an RRDBNet or SRResNet in any layout, or of what spandrel knows.

    They are found wherever training programs put them; see `find_state_dicts`. Which network they belong to is
    told from their names and shapes, or said as `network_expression`. No code in a file is ever run.

    Raises LossmithError, in one sentence, for what is missing, damaged, unsafe or unknown.
    """
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".onnx":
        raise LossmithError(f"{path} is a graph; restore and evaluate take it as it is, but it holds no network")
    if is_safetensors(path) and any(name.startswith("lossmith-") for name in formats_of(path)):
        return _load_own(path, network_expression)
    found = read_state_dicts(path)
    if network_expression is not None:
        restorer = network(network_expression)
        return _model(path, restorer, network_expression, *weights_for(path, restorer, found))
    return _detect_model(path, found)


def _load_own(path: Path, own_network: str | None) -> Model:
    try:
        return load_model(path, own_network)
    except LossmithError:
        if own_network is None:
            weights, receipt = load_tensors(path, FORMAT)
            if is_spandrel_model(receipt) and (known := load_by_spandrel([StateDict(weights)])):
                return replace(known[1], receipt=receipt)
        raise


def weights_for(path: Path, restorer: nn.Module, found: Sequence[StateDict]) -> tuple[StateDict, Weights]:
    """Those of the weights in a file that are of this network, under its names.

    Raises LossmithError, which says how the closest ones differ.
    """
    wanted = shapes(restorer.state_dict())

    def fit(each: StateDict) -> Weights | None:
        return None if misfit(wanted, shapes(weights := canonical_weights(restorer, each))) else weights

    with _errors_naming(path):
        chosen = choose(found, fit)
    if chosen is not None:
        return chosen
    wrong = misfit(wanted, shapes(canonical_weights(restorer, closest_state_dict(restorer, found))))
    raise LossmithError(f"{path} does not hold the weights of {_describe(restorer)}: {wrong}")


def canonical_weights(restorer: nn.Module, each: StateDict) -> Weights:
    """Weights under the names that this network has for them; those of ours have had others."""
    return canonicalize_keys(each.weights) if isinstance(restorer, Restorer) else each.weights


def closest_state_dict(restorer: nn.Module, found: Sequence[StateDict]) -> StateDict:
    """The weights with the most names of this network."""
    wanted = restorer.state_dict().keys()
    return max(found, key=lambda each: len(wanted & canonical_weights(restorer, each).keys()))


def _detect_model(path: Path, found: Sequence[StateDict]) -> Model:
    """The model whose network is told from the weights."""
    reasons: list[str] = []

    def as_ours(each: StateDict) -> tuple[str, Weights] | None:
        try:
            weights = canonicalize_keys(each.checked())
            if (expression := detect_network(weights)) is None:
                return None
            wrong = misfit(shapes_of(expression), shapes(weights))
        except LossmithError as error:
            reasons.append(str(error))
            return None
        if wrong:
            reasons.append(f"does not hold the weights of {expression}: {wrong}")
        return None if wrong else (expression, weights)

    with _errors_naming(path):
        chosen = choose(found, as_ours)
    if chosen is not None:
        each, (expression, weights) = chosen
        return _model(path, network(expression), expression, each, weights)
    with _errors_naming(path):
        return _by_spandrel(path, found, reasons)


def _by_spandrel(path: Path, found: Sequence[StateDict], reasons: Sequence[str]) -> Model:
    """The model of a network that spandrel knows; `reasons` are those for which it is none of ours."""
    try:
        known = load_by_spandrel(found)
    except ModuleNotFoundError as error:
        reason = reasons[0] if reasons else _unknown_network_error(found, "here")
        raise LossmithError(f'{reason}; spandrel may know it: pip install "lossmith[spandrel]"') from error
    except LossmithError as error:
        raise LossmithError(reasons[0] if reasons else str(error)) from error
    if known is None:
        raise LossmithError(reasons[0] if reasons else _unknown_network_error(found, "here or to spandrel"))
    each, model = known
    return replace(model, receipt={**model.receipt, "origin": _origin(path, each)})


def _unknown_network_error(found: Sequence[StateDict], where: str) -> str:
    """What to do with weights that nobody knows: which of our networks has the most of their names."""
    best, names, most = "", set[str](), 0.0
    each = found[0]
    for name, factory in NETWORKS.items():
        ours = set(factory().state_dict())
        for candidate in found:
            theirs = set(canonicalize_keys(candidate.weights))
            if (share := len(theirs & ours) / len(theirs | ours)) > most:
                best, each, names, most = name, candidate, theirs ^ ours, share
    said = f"holds{each.place} the weights of no network that is known {where}"
    if most < MIN_NAME_OVERLAP:
        return f"{said}, such as {quoted(each.weights)}; name your own network: --network my_package.nets:MyNet"
    but = f", but for {quoted(sorted(names))}" if names else ""
    return (
        f"{said}; closest is {best}, which {most:.0%} of the names fit{but}: name it, --network '{best}(scale=4)'"
    )


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """Sentences about what is in a file begin with its name."""
    try:
        yield
    except LossmithError as error:
        raise LossmithError(f"{path} {error}") from error


def _model(path: Path, restorer: nn.Module, expression: str, found: StateDict, weights: Weights) -> Model:
    with _errors_naming(path):
        found.checked()
    load_weights(restorer, weights)
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not numbers")
    restorer.eval().requires_grad_(False)
    spelling = str(restorer) if isinstance(restorer, Restorer) else expression
    channels, scale = (3, restorer.scale) if isinstance(restorer, Restorer) else _channels_and_scale(restorer)
    return Model(restorer, {"network": spelling, "scale": scale, "origin": _origin(path, found)}, channels)


def _channels_and_scale(restorer: nn.Module) -> tuple[int, int]:
    """Those of a network of anybody's, found by trying; where it runs on nothing, the opener will say why."""
    for side, channels in product(PROBE_HEIGHTS, (3, 1)):
        image = torch.full((1, channels, side, 2 * side), 0.5)
        try:
            with torch.inference_mode():
                made = restorer(image).shape
        except Exception:  # whatever anybody's network makes of a size or of channels that it does not take
            continue
        scale = made[-1] // image.shape[-1]
        if scale and tuple(made) == (1, channels, scale * side, scale * 2 * side):
            return channels, int(scale)
    said = getattr(restorer, "scale", 1)
    return 3, said if isinstance(said, int) else 1


def _origin(path: Path, found: StateDict) -> dict[str, str]:
    where = {"weights": ".".join(found.path)} if found.path else {}
    return {"file": path.name, "sha256": sha256_of(path), **where}


def _describe(restorer: nn.Module) -> str:
    return str(restorer) if isinstance(restorer, Restorer) else type(restorer).__name__


__all__ = ["canonical_weights", "closest_state_dict", "load_any_model", "weights_for"]
