"""Weights as files hold them: wherever training programs put them, and whatever these put before the names."""

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
from lossmith.core.safe_pickle import Aside, load_pickle
from lossmith.core.safetensors_io import is_safetensors

DEEPEST = 8
"""How many names may stand around the weights."""
MOST = 64
"""State dicts that one file may hold."""
NAMED = 3
"""Names that a sentence gives as examples."""

# words in the names that training programs use: for averaged weights, for the network, for what judges it, and for
# what is no network at all
AVERAGED = "ema|swa|averaged?|avg"
NETWORK = "models?|module|net|network|generator|gen|g|params?|state|dict|weights?|orig|mod|restorer"
COMPANION = "discriminator|disc|d|critic|loss|losses|criterion|perceptual|vgg|lpips|metrics?|psnr|ssim|fid"
BESIDE = "optim|optimi[sz]ers?|opt|schedulers?|scaler|callbacks|loops"


class Rank(IntEnum):
    """Which weights are meant, where a file has several."""

    AVERAGED = 0
    NETWORK = 1
    OTHER = 2
    COMPANION = 3


@dataclass(frozen=True)
class StateDict:
    """Weights by name, and where in the file they lie."""

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
        """Where they lie, as the end of "weights"; empty where they are all that there is."""
        return f" under '{'.'.join(self.path)}'" if self.path else ""

    def checked(self) -> dict[str, Tensor]:
        """The weights, if they are to be used; LossmithError otherwise."""
        for name, tensor in self.weights.items():
            if wrong := _fault_of(name, tensor):
                raise LossmithError(f"holds a tensor '{name}' that {wrong}")
        return self.weights


def read_state_dicts(path: Path) -> list[StateDict]:
    """All weights in a safetensors file or a pickle, the most wanted first; no code in it is ever run.

    Raises LossmithError, in one sentence, for what is missing, damaged or unsafe, or holds no weights.
    """
    checkpoint = _read(path)
    if isinstance(checkpoint, Mapping) and str(checkpoint.get("format", "")).startswith("lossmith "):
        raise LossmithError(f"{path} {_state_of_ours(path)}")
    if found := find_state_dicts(checkpoint) if isinstance(checkpoint, Mapping | list | tuple) else []:
        return found
    if not isinstance(checkpoint, Mapping):
        raise LossmithError(f"{path} holds a {type(checkpoint).__name__}, not weights by name")
    if objects := [name for name, value in checkpoint.items() if isinstance(value, Aside)]:
        raise LossmithError(
            f"{path} holds {quoted(objects)} as objects and not as tensors; if they are arrays of numpy, "
            "save it anew with torch.as_tensor(array) in the place of each"
        )
    raise LossmithError(f"{path} holds no weights{', only ' if checkpoint else ''}{quoted(checkpoint)}")


def _read(path: Path) -> Any:
    if is_safetensors(path):
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            reason = foreign_kind(path) or f"is not a whole safetensors file: {error}"
            raise LossmithError(f"{path} {reason}") from error
    return load_pickle(path)


def _state_of_ours(path: Path) -> str:
    """What a file is from which one of our own runs goes on."""
    model = path.parent.parent / "model.safetensors"
    if model.is_file():
        return f"is the state from which a run goes on; its model is {model}"
    return "is the state from which a stopped run goes on; the same command ends it and writes its model"


def find_state_dicts(checkpoint: object) -> list[StateDict]:
    """The weights in what a training program has saved, at any depth, with and without what is before all names.

    What lies beside them, as numbers, texts and the state of an optimizer do, is passed over.

    >>> weight = Tensor(2)
    >>> [found.path for found in find_state_dicts({"state_dict": {"net_g.conv": weight, "net_d.conv": weight}})]
    [('state_dict',), ('state_dict', 'net_g'), ('state_dict', 'net_d')]
    """
    found: list[StateDict] = []
    met: set[int] = set()

    def visit(inner: object, path: tuple[str, ...]) -> None:
        if id(inner) in met or len(path) > DEEPEST or len(found) >= MOST or (path and _said(BESIDE, path[-1])):
            return
        met.add(id(inner))
        # a file may have given its dictionary other methods
        items = list(dict.items(inner) if isinstance(inner, dict) else enumerate(inner))  # type: ignore[arg-type]
        weights = {str(name): value for name, value in items if isinstance(value, Tensor)}
        if weights and isinstance(inner, Mapping):
            found.extend(_without_prefixes(StateDict(weights, path)))
        for name, value in items:
            if isinstance(value, Mapping | list | tuple):
                visit(value, (*path, str(name)))

    visit(checkpoint, ())
    return sorted(found, key=lambda each: each.rank)


def _without_prefixes(whole: StateDict) -> Iterator[StateDict]:
    """Weights under their full names, then under what is left of them without `module.`, `net_g.` and the like.

    A part of a module is only taken where everything beside it is known to be no part of the network.
    """
    yield whole
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in whole.weights.items():
        first, dot, rest = name.partition(".")
        if dot:
            parts.setdefault(first, {})[rest] = tensor
        elif tensor.numel() > 1:  # one number may be a counter, such as `n_averaged`
            return
    networks = [name for name in parts if _rank(name) != Rank.COMPANION]
    if len(whole.path) < DEEPEST and (
        len(networks) <= 1 or all(_rank(name) in (Rank.AVERAGED, Rank.NETWORK) for name in networks)
    ):
        for name, weights in parts.items():
            yield from _without_prefixes(StateDict(weights, (*whole.path, name)))


def _rank(name: str) -> Rank:
    if _said(COMPANION, name):
        return Rank.COMPANION
    if _said(AVERAGED, name):
        return Rank.AVERAGED
    return Rank.NETWORK if _said(NETWORK, name, all) else Rank.OTHER


def _said(pattern: str, name: str, how_many: Callable[[list[bool]], bool] = any) -> bool:
    """Whether words in a name that a program has made, such as `netG_ema` or `params-ema`, are of a kind."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return bool(words) and how_many([bool(re.fullmatch(pattern, word.lower())) for word in words])


def _fault_of(name: str, tensor: Tensor) -> str:
    """Why a tensor of a file is not to be used, or nothing."""
    if tensor.is_meta:
        return "has no values"
    if tensor.layout != strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
        return "is larger than what is stored of it"  # so that a small file could fill the memory
    if name.endswith(("weight", "bias")) and not tensor.is_floating_point():
        return f"is of {tensor.dtype}, not floating point"
    return ""


Fit = TypeVar("Fit")


def choose(found: Sequence[StateDict], fit: Callable[[StateDict], Fit | None]) -> tuple[StateDict, Fit] | None:
    """The most wanted of the weights for which `fit` gives something, and that; None where there are none.

    Raises LossmithError where several are wanted as much, and differ.
    """
    for _, alike in groupby(found, key=lambda each: each.rank):
        fitting = [(each, fits) for each in alike if (fits := fit(each)) is not None]
        if others := [each for each, _ in fitting[1:] if not _equal(each, fitting[0][0])]:
            places = " and".join(each.place for each in (fitting[0][0], *others[: NAMED - 1]))
            raise LossmithError(
                f"holds weights that fit{places}, and does not say which are meant; keep one of them"
            )
        if fitting:
            return fitting[0]
    return None


def _equal(one: StateDict, other: StateDict) -> bool:
    """Whether they are the same numbers, under whatever names."""
    if len(one.weights) != len(other.weights):
        return False
    pairs = zip(one.weights.values(), other.weights.values(), strict=True)
    return all(a is b or (a.shape == b.shape and bool(a.equal(b.to(a.dtype)))) for a, b in pairs)


def misfit(wanted: Mapping[str, Size], given: Mapping[str, Size]) -> str:
    """How the weights in a file differ from a network's, or nothing: the first few names, and how many more.

    >>> misfit({"a": Size([3]), "b": Size([2, 2])}, {"b": Size([4]), "c": Size([1])})
    "it lacks 'a', 'b' is [4] in it and [2, 2] in the network, the network has no 'c'"
    """
    wrong = [
        f"it lacks '{name}'"
        if name not in given
        else f"'{name}' is {list(given[name])} in it and {list(shape)} in the network"
        for name, shape in wanted.items()
        if given.get(name) != shape and not (name not in given and is_counter(name))
    ]
    wrong += [f"the network has no '{name}'" for name in given if name not in wanted]
    return listed(wrong)


def is_counter(name: str) -> bool:
    """Of batches, in batch normalization; which old files have not, and nobody needs."""
    return name.endswith("num_batches_tracked")


def listed(things: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = f" and {len(things) - NAMED} more" if len(things) > NAMED else ""
    return ", ".join(things[:NAMED]) + more


def quoted(names: Iterable[Any]) -> str:
    """The first few of some names in quotation marks, and how many more."""
    return listed([f"'{name}'" for name in names])


__all__ = [
    "StateDict",
    "choose",
    "find_state_dicts",
    "is_counter",
    "listed",
    "misfit",
    "quoted",
    "read_state_dicts",
]
