"""Which configurations are studied: networks whose weights are at hand, and their layers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import torch

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.core.files import sha256_of
from lossmith.core.state_dicts import is_counter
from lossmith.losses.perceptual.backbones import Backbone, backbone
from lossmith.losses.perceptual.graph import feature_graph, layer_names
from lossmith.losses.perceptual.weights import find_file, read_state_dict
from lossmith.studies.configuration import Configuration, Weights, drawn_alike
from lossmith.studies.layers import OTHERS, default_layers
from lossmith.studies.pihlgren import PIHLGREN

NETWORKS = (*PIHLGREN, *OTHERS)
"""Those of a study that names none, as far as their weights are at hand."""


@dataclass(frozen=True)
class Selection:
    """The configurations of a study, and what was left out."""

    configurations: tuple[Configuration, ...]
    """Network by network, trained before random, in the order of layers; without the baseline."""
    remarks: tuple[str, ...] = ()
    """Which layers were left out and why, a sentence each."""
    missing_weights: Mapping[str, str] = field(default_factory=dict)
    """Where the weights of networks that were left out are to be put, a sentence each."""


def select(networks: Sequence[str] | None, layers: Sequence[str] | None, weights: Weights) -> Selection:
    """The configurations for names of networks and layers; None stands for the usual ones.

    Trained weights that are not at hand are downloaded, by torchvision or timm, for networks that are named, and
    for no others.

    Raises
    ------
    LossmithError
        For unknown networks and layers; when there are no weights of a network that is named, or of any of the
        usual ones, with the place where to put them.
    """
    trained = weights != "random"
    sources, missing = _sources(networks, trained)
    taps = _taps(sources, layers)
    remarks: list[str] = []
    if trained:
        taps = {source.name: _held(source, taps[source.name], remarks) for source in sources}
    kinds = {"trained": (False,), "random": (True,), "both": (False, True)}[weights]
    configurations = (
        Configuration(source.name, layer, random)
        for source in sources
        for random in kinds
        for layer in taps[source.name]
    )
    return Selection(tuple(configurations), tuple(remarks), missing)


def _sources(names: Sequence[str] | None, trained: bool) -> tuple[list[Backbone], dict[str, str]]:
    """The networks, and where the weights of usual networks that are not at hand are to be put."""
    if names is not None:
        sources = [backbone(name) for name in dict.fromkeys(names)]
        if not sources:
            raise LossmithError("`networks` needs at least one network, such as squeezenet1_1")
        problems = [problem for source in sources if trained and (problem := _fetch(source))]
        if problems:
            raise LossmithError("; ".join([*problems, "or study random weights, `weights=random`"]))
        return sources, {}
    backbone(NETWORKS[0])  # raises where torchvision, from which most are, is not installed
    sources = [source for source in map(_if_installed, NETWORKS) if source]
    missing = {source.name: source.missing() for source in sources if trained and not _is_at_hand(source)}
    if len(missing) == len(sources):
        raise LossmithError(
            f"no weights are at hand of {', '.join(missing)}: the smallest, {missing['squeezenet1_1']}; "
            "or study random weights, `weights=random`"
        )
    return [source for source in sources if source.name not in missing], missing


def _if_installed(name: str) -> Backbone | None:
    try:
        return backbone(name)
    except (LossmithError, ImportError):  # timm is an extra
        return None


def _is_at_hand(source: Backbone) -> bool:
    return not source.files or source.file(()) is not None


def _fetch(source: Backbone) -> str:
    """See to it that the weights of a network are at hand; returns why they are not, or nothing."""
    if not _is_at_hand(source):
        try:
            source.weights(None, ())
        except LossmithError as error:
            return str(error)
    return ""


def _taps(sources: Sequence[Backbone], layers: Sequence[str] | None) -> dict[str, list[str]]:
    """The layers of every network: those of the given ones that it has, or the usual ones."""
    if layers is None:
        return {source.name: default_layers(backbone(source.name)) for source in sources}
    wanted = dict.fromkeys(layers)
    names = {source.name: layer_names(backbone(source.name).network) for source in sources}
    every = {name for known in names.values() for name in known}
    if unknown := [layer for layer in wanted if layer not in every]:
        raise unknown_name_error("layer", unknown[0], every)
    if without := [name for name, known in names.items() if known.isdisjoint(wanted)]:
        raise LossmithError(f"{without[0]} has none of the layers {', '.join(wanted)}; study it by itself")
    return {name: [layer for layer in wanted if layer in known] for name, known in names.items()}


def _held(source: Backbone, layers: Sequence[str], remarks: list[str]) -> list[str]:
    """The layers whose weights are at hand, since some files hold the first layers of a network alone."""
    path = source.file(()) if source.files else None
    if path is None or path.name not in source.first_layers:
        return [*layers]
    held = [layer for layer in layers if source.file(tensors_before(source.name, layer))]
    if not held:
        raise LossmithError(f"{path} does not hold {', '.join(layers)}: {source.missing()}")
    if left_out := [layer for layer in layers if layer not in held]:
        are = "is" if len(left_out) == 1 else "are"
        remarks.append(
            f"{', '.join(left_out)} of {source.name} {are} left out, since {path.name} ends before: "
            f"{source.missing()}"
        )
    return held


def tensors_before(network: str, layer: str) -> list[str]:
    """The names of the tensors on which a layer of a network depends."""
    cut = feature_graph(backbone(network).network, [layer])
    return [name for name in cut.state_dict() if not is_counter(name)]


def weights_digest(configuration: Configuration) -> str:
    """What tells the weights of a configuration from others: the SHA-256 of their file, or of a user's network.

    A file of the first layers counts where it holds the same as one of the whole network, so that what was run
    before that was there stays valid.
    """
    if configuration.network is None:
        return "none"
    if ":" in configuration.network:
        return _module_digest(configuration.network, configuration.random)
    if configuration.random:
        return "none"
    source = backbone(configuration.network)
    path, first_layers = source.file(()), find_file(source.first_layers)
    if path and first_layers and path != first_layers:
        needed = tensors_before(configuration.network, configuration.layer)
        whole, part = read_state_dict(path), read_state_dict(first_layers)
        if all(name in part and name in whole and torch.equal(part[name], whole[name]) for name in needed):
            path = first_layers
    return _file_digest(path, path.stat().st_mtime_ns) if path else "the network's own"


@lru_cache
def _file_digest(path: Path, modified_at: int) -> str:
    """Of large files, which many layers have in common."""
    return sha256_of(path)


def _module_digest(network: str, random: bool) -> str:
    """Of a network of the user's: of its modules, and, unless they are to be random, of its weights."""
    with drawn_alike(network):
        module = backbone(network).network
    digest = sha256(re.sub(r" at 0x\w+", "", repr(module)).encode())
    if not random:
        for name, tensor in module.state_dict().items():
            digest.update(
                name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )
    return digest.hexdigest()


__all__ = ["NETWORKS", "Selection", "select", "tensors_before", "weights_digest"]
