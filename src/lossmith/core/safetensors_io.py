"""Safetensors files of a named format: tensors, and a JSON card in the metadata under the format's name."""

import json
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_bytes
from lossmith.core.foreign_files import foreign_kind


def save_tensors(path: Path, tensors: dict[str, Tensor], format: str, card: dict[str, Any]) -> None:
    """Write tensors and a card atomically; equal contents give equal files."""
    cpu_tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # one entry only: safetensors does not keep the order of several
    metadata = {format: json.dumps(card)}
    # safetensors' own writer raises another error when the disk is full
    write_bytes(path, save(cpu_tensors, metadata))


def is_safetensors(path: Path) -> bool:
    """Whether a file is safetensors, by its first bytes, as people rename files; by its name if it has too few."""
    with path.open("rb") as file:
        start = file.read(9)
    pickled = start[:2] == b"PK" or start[:1] == b"\x80"
    return start[8:] == b"{" or (path.suffix.lower() == ".safetensors" and not pickled)


def formats_of(path: Path) -> list[str]:
    """The names in the metadata of a file, its format among them; none if it is not safetensors."""
    try:
        with safe_open(path, framework="pt") as file:
            return list(file.metadata() or {})
    except (SafetensorError, OSError):
        return []


def load_tensors(path: Path, format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the card of a file of this format, such as `lossmith-loss-1`. No code is ever run.

    Raises LossmithError for a file that is missing, damaged, or of another format or version.
    """
    if not path.is_file():
        raise LossmithError(f"{path} is not a file")
    if not is_safetensors(path):
        raise LossmithError(f"{path} is not a lossmith {_kind(format)} file, which is a safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        reason = foreign_kind(path) or f"is not a whole safetensors file: {error}"
        raise LossmithError(f"{path} {reason}") from error
    if format not in metadata:
        raise LossmithError(f"{path} {_format_mismatch(metadata, format)}")
    try:
        card = json.loads(metadata[format])
    except (ValueError, RecursionError) as error:
        raise LossmithError(f"{path} has a card that is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise LossmithError(f"{path} has a card that is a JSON {type(card).__name__}, not an object")
    return tensors, card


def _format_mismatch(metadata: dict[str, str], format: str) -> str:
    """How the format of a file differs from the expected one, as the end of a sentence."""
    kind = _kind(format)
    other = next((name for name in metadata if re.fullmatch(r"lossmith-\w+-\d+", name)), None)
    if other is None:
        return f"is not a lossmith {kind} file: its metadata has no entry '{format}'"
    if _kind(other) == kind:
        return f"is of version '{other}', and this lossmith reads '{format}': update lossmith"
    return f"holds a {_kind(other)}, not a {kind}"


def _kind(format: str) -> str:
    """`model` of `lossmith-model-1`."""
    return format.split("-")[1]
