"""Files of weights: the folders that are searched, reading, and loading into a network."""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.state_dicts import is_counter, read_state_dicts

WEIGHTS_FOLDER = "LOSSMITH_WEIGHTS"
"""The environment variable that names a folder of weights."""


def weight_folders() -> list[Path]:
    """The folders of weights, in order: the folder in LOSSMITH_WEIGHTS, then torch.hub's checkpoints."""
    own = os.environ.get(WEIGHTS_FOLDER)
    return ([Path(own)] if own else []) + [Path(torch.hub.get_dir()) / "checkpoints"]


def package_file(package: str, file: str) -> list[Path]:
    """The path of a file within a package, without importing it; empty if the package is not installed."""
    spec = find_spec(package)
    return [Path(folder) / file for folder in (spec and spec.submodule_search_locations) or []]


def find_file(names: Iterable[str], extra_paths: Iterable[Path] = ()) -> Path | None:
    """The first file of one of these names in the weight folders, or else the first existing extra path."""
    names = list(names)
    candidates = [folder / name for folder in weight_folders() for name in names]
    return next((path for path in [*candidates, *extra_paths] if path.is_file()), None)


def find_or_raise(file: str | None, names: Sequence[str], extra_paths: Iterable[Path], needed: str) -> Path:
    """The given file, or the first of the usual names; a LossmithError begins with `needed` if there is none."""
    path = Path(file) if file else find_file(names, extra_paths)
    if path is None:
        raise LossmithError(f"{needed}: {missing_file_hint(names[0])}")
    if not path.is_file():
        raise LossmithError(f"{needed}, and {path} is not a file")
    return path


def missing_file_hint(file: str) -> str:
    """The second half of a sentence about a missing file: where to put it."""
    folder, home = weight_folders()[-1], Path(os.path.expanduser("~"))
    shown = Path("~") / folder.relative_to(home) if folder.is_relative_to(home) else folder
    return f"put {file} into {shown} or into the folder named by the environment variable {WEIGHTS_FOLDER}"


def read_state_dict(path: Path, wanted: Iterable[str] = ()) -> dict[str, Tensor]:
    """The weights in a file that have the most of the `wanted` names; no code in the file is run."""
    try:
        candidates = read_state_dicts(path)
        names = set(wanted)
        best = max(candidates, key=lambda candidate: len(names & candidate.weights.keys()))
        best.check()
        return best.weights
    except (LossmithError, OSError) as error:
        reason = str(error).removeprefix(f"{path} ")
        raise LossmithError(f"cannot read the weights in {path}: it {reason}") from error


def load_into(
    network: nn.Module, state: Mapping[str, Tensor], source: str, called: str, all_names: Collection[str]
) -> None:
    """Copy weights into a network of which only the first layers are kept.

    Parameters
    ----------
    network
        The layers that are kept.
    state
        Tensors by name, of these layers or of the whole network.
    source, called
        The file and the network, for messages.
    all_names
        The names of all tensors of the whole network.

    Raises
    ------
    LossmithError
        If a tensor is missing or has another shape, or if there are further layers that the whole network does
        not have: VGG-19 begins as VGG-16 does.
    """
    parts = {name.partition(".")[0] for name in all_names}
    for name in state:
        if name not in all_names and name.partition(".")[0] in parts and not is_counter(name):
            raise LossmithError(
                f"{source} does not hold the weights of {called}: it has '{name}', which {called} does not have"
            )
    for name, tensor in network.state_dict().items():
        if is_counter(name):
            continue
        if name not in state or state[name].shape != tensor.shape:
            raise LossmithError(
                f"{source} does not hold the weights of {called}: '{name}' is missing or has another shape"
            )
        tensor.copy_(state[name])


def init_random(network: nn.Module) -> None:
    """He initialization from a fixed seed: the same every time, and features keep their scale over layers."""
    generator = torch.Generator("cpu").manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.ndim > 1:
            values = torch.randn(tensor.shape, generator=generator, dtype=torch.float32, device="cpu")
            tensor.copy_(values * (2 / tensor[0].numel()) ** 0.5)
        else:
            tensor.fill_(float(name.endswith(("weight", "running_var"))))


__all__ = [
    "WEIGHTS_FOLDER",
    "find_file",
    "find_or_raise",
    "init_random",
    "load_into",
    "missing_file_hint",
    "package_file",
    "read_state_dict",
    "weight_folders",
]
