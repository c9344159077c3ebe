"""Finds state dicts in checkpoints, at any depth and under any prefix of their keys."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Size, Tensor, strided

from lossmith.core.errors import LossmithError
from lossmith.core.foreign_files import foreign_kind
from lossmith.core.safe_pickle import Placeholder, load_pickle
from lossmith.core.safetensors_io import is_safetensors

MAX_NESTING = 8
"""Levels of nesting that are searched for weights."""
MAX_STATE_DICTS = 64
"""State dicts that one file may hold."""
MAX_NAMES = 3
"""Names that an error message lists."""

# words in the keys that training programs use: for averaged weights, the network, discriminators and losses beside
# it, and state other than weights
AVERAGE_WORDS = "ema|swa|averaged?|avg"
NETWORK_WORDS = "models?|module|net|network|generator|gen|g|params?|state|dict|weights?|orig|mod|restorer"
COMPANION_WORDS = "discriminator|disc|d|critic|loss|losses|criterion|perceptual|vgg|lpips|metrics?|psnr|ssim|fid"
NON_WEIGHT_WORDS = "optim|optimi[sz]ers?|opt|schedulers?|scaler|callbacks|loops"


class Rank(IntEnum):
    """The order of preference among the state dicts of a file."""

    AVERAGED = 0
    NETWORK = 1
    OTHER = 2
    COMPANION = 3


@dataclass(frozen=True)
class StateDict:
    """Weights by name, and their place in the file."""

    weights: dict[str, Tensor]
    path: tuple[str, ...] = ()

    @property
    def rank(self) -> Rank:
        ranks = {_rank(name) for name in self.path}
        if Rank.COMPANION in ranks or Rank.AVERAGED in ranks:
            return Rank.COMPANION if Rank.COMPANION in ranks else Rank.AVERAGED
        return max(ranks, default=Rank.NETWORK)

    @property
    def place(self) -> str:
        """Where they are, to follow the word "weights" in a sentence; empty at the top level."""
        return f" under '{'.'.join(self.path)}'" if self.path else ""

    def check(self) -> None:
        """Raise LossmithError if one of the tensors cannot be used."""
        for name, tensor in self.weights.items():
            if fault := _fault_of(name, tensor):
                raise LossmithError(f"holds a tensor '{name}' that {fault}")


def read_state_dicts(path: Path) -> list[StateDict]:
    """All state dicts in a safetensors file or a pickle, in order of rank; no code in it is ever run.

    Raises LossmithError for a file that is missing, damaged or unsafe, or holds no weights.
    """
    checkpoint = _read(path)
    if isinstance(checkpoint, Mapping) and str(checkpoint.get("format", "")).startswith("lossmith "):
        raise LossmithError(f"{path} {_describe_checkpoint(path)}")
    if state_dicts := find_state_dicts(checkpoint) if isinstance(checkpoint, Mapping | list | tuple) else []:
        return state_dicts
    if not isinstance(checkpoint, Mapping):
        raise LossmithError(f"{path} holds a {type(checkpoint).__name__}, not weights by name")
    if objects := [name for name, value in checkpoint.items() if isinstance(value, Placeholder)]:
        raise LossmithError(
            f"{path} holds {quote_names(objects)} as objects and not as tensors; if they are NumPy arrays, "
            "save it again with torch.as_tensor(array) in place of each"
        )
    raise LossmithError(f"{path} holds no weights{', only ' if checkpoint else ''}{quote_names(checkpoint)}")


def _read(path: Path) -> Any:
    if is_safetensors(path):
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            reason = foreign_kind(path) or f"is not a whole safetensors file: {error}"
            raise LossmithError(f"{path} {reason}") from error
    return load_pickle(path)


def _describe_checkpoint(path: Path) -> str:
    """What a checkpoint of lossmith is, and where the model is."""
    model = path.parent.parent / "model.safetensors"
    if model.is_file():
        return f"is the state from which a run goes on; its model is {model}"
    return "is the state from which a stopped run goes on; the same command ends it and writes its model"


def find_state_dicts(checkpoint: object) -> list[StateDict]:
    """The state dicts in a checkpoint, at any depth, with and without a common prefix of their names.

    Other entries, such as numbers, texts and the state of an optimizer, are skipped.

    >>> weight = Tensor(2)
    >>> [entry.path for entry in find_state_dicts({"state_dict": {"net_g.conv": weight, "net_d.conv": weight}})]
    [('state_dict',), ('state_dict', 'net_g'), ('state_dict', 'net_d')]
    """
    state_dicts: list[StateDict] = []
    visited: set[int] = set()

    def visit(inner: object, path: tuple[str, ...]) -> None:
        if (
            id(inner) in visited
            or len(path) > MAX_NESTING
            or len(state_dicts) >= MAX_STATE_DICTS
            or (path and _has_words(NON_WEIGHT_WORDS, path[-1]))
        ):
            return
        visited.add(id(inner))
        # the methods of a dict subclass in the file are not called
        items = list(dict.items(inner) if isinstance(inner, dict) else enumerate(inner))  # type: ignore[arg-type]
        weights = {str(name): value for name, value in items if isinstance(value, Tensor)}
        if weights and isinstance(inner, Mapping):
            state_dicts.extend(_without_prefixes(StateDict(weights, path)))
        for name, value in items:
            if isinstance(value, Mapping | list | tuple):
                visit(value, (*path, str(name)))

    visit(checkpoint, ())
    return sorted(state_dicts, key=lambda state_dict: state_dict.rank)


def _without_prefixes(state_dict: StateDict) -> Iterator[StateDict]:
    """Weights under their full names, then without prefixes such as `module.` and `net_g.`.

    A submodule is yielded only if everything beside it is known not to be part of the network.
    """
    yield state_dict
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state_dict.weights.items():
        first, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(first, {})[rest] = tensor
        elif tensor.numel() > 1:  # one number may be a counter, such as `n_averaged`
            return
    networks = [name for name in parts if _rank(name) != Rank.COMPANION]
    if len(state_dict.path) < MAX_NESTING and (
        len(networks) <= 1 or all(_rank(name) in (Rank.AVERAGED, Rank.NETWORK) for name in networks)
    ):
        for name, weights in parts.items():
            yield from _without_prefixes(StateDict(weights, (*state_dict.path, name)))


def _rank(name: str) -> Rank:
    if _has_words(COMPANION_WORDS, name):
        return Rank.COMPANION
    if _has_words(AVERAGE_WORDS, name):
        return Rank.AVERAGED
    return Rank.NETWORK if _has_words(NETWORK_WORDS, name, all) else Rank.OTHER


def _has_words(pattern: str, name: str, how_many: Callable[[list[bool]], bool] = any) -> bool:
    """Whether words of a name such as `netG_ema` or `params-ema` match a pattern."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return bool(words) and how_many([bool(re.fullmatch(pattern, word.lower())) for word in words])


def _fault_of(name: str, tensor: Tensor) -> str:
    """Why a tensor cannot be used, as the end of a sentence; empty if it can."""
    if tensor.is_meta:
        return "has no values"
    if tensor.layout != strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
        return "is larger than what is stored of it"  # expanded, a small file could fill the memory
    if name.endswith(("weight", "bias")) and not tensor.is_floating_point():
        return f"is of {tensor.dtype}, not floating point"
    return ""


FitT = TypeVar("FitT")


def choose(
    state_dicts: Sequence[StateDict], fit: Callable[[StateDict], FitT | None]
) -> tuple[StateDict, FitT] | None:
    """The first state dict by rank for which `fit` does not return None, and its value; None if there is none.

    Raises LossmithError if several of the same rank fit, and differ.
    """
    for _, group in groupby(state_dicts, key=lambda candidate: candidate.rank):
        fitting = [(candidate, value) for candidate in group if (value := fit(candidate)) is not None]
        if others := [candidate for candidate, _ in fitting[1:] if not _equal(candidate, fitting[0][0])]:
            places = " and".join(candidate.place for candidate in (fitting[0][0], *others[: MAX_NAMES - 1]))
            raise LossmithError(
                f"holds weights that fit{places}, and does not say which are meant; keep one of them"
            )
        if fitting:
            return fitting[0]
    return None


def _equal(one: StateDict, other: StateDict) -> bool:
    """Whether the tensors are equal, regardless of their names."""
    if len(one.weights) != len(other.weights):
        return False
    pairs = zip(one.weights.values(), other.weights.values(), strict=True)
    return all(a is b or (a.shape == b.shape and bool(a.equal(b.to(a.dtype)))) for a, b in pairs)


def misfit(expected: Mapping[str, Size], actual: Mapping[str, Size]) -> str:
    """How the weights in a file differ from a network's: the first few names and the number of others, or nothing.

    >>> misfit({"a": Size([3]), "b": Size([2, 2])}, {"b": Size([4]), "c": Size([1])})
    "it lacks 'a', 'b' is [4] in it and [2, 2] in the network, the network has no 'c'"
    """
    faults = [
        f"it lacks '{name}'"
        if name not in actual
        else f"'{name}' is {list(actual[name])} in it and {list(shape)} in the network"
        for name, shape in expected.items()
        if actual.get(name) != shape and not (name not in actual and is_counter(name))
    ]
    faults += [f"the network has no '{name}'" for name in actual if name not in expected]
    return join_names(faults)


def is_counter(name: str) -> bool:
    """Whether it is the batch counter of a BatchNorm, which old files lack and inference ignores."""
    return name.endswith("num_batches_tracked")


def join_names(names: Sequence[str]) -> str:
    """The first few names, and the number of others."""
    others = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + others


def quote_names(names: Iterable[Any]) -> str:
    """The first few names in quotation marks, and the number of others."""
    return join_names([f"'{name}'" for name in names])


__all__ = [
    "StateDict",
    "choose",
    "find_state_dicts",
    "is_counter",
    "join_names",
    "misfit",
    "quote_names",
    "read_state_dicts",
]
