"""`lossmith show-loss` and `lossmith convert-mdf`: loss files looked at, and made of the published pickles."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

import lossmith
from lossmith.errors import LossmithError
from lossmith.losses.loss_file import check, find_loss, load_critics, load_loss, save_loss
from lossmith.losses.mdf_pickle import read_pickle

PUBLISHED_SCALES = 8
"""The critics that the published loss uses, of the eight or nine in a file."""


def show_loss(file: str) -> str:
    """Show the card of a loss: what it was learned for, from what, how, and what it costs.

    Parameters
    ----------
    file
        A loss file, or the name of a loss that comes with lossmith, such as jpeg.

    Raises
    ------
    LossmithError
        When the file is not in every part what its card says.
    """
    path = find_loss(file)
    state, card = load_loss(path)
    numbers = sum(tensor.numel() for tensor in state.values())
    facts = {"file": f"{path.name}, {path.stat().st_size:,} bytes, {numbers:,} numbers", **card}
    return "\n".join(_lines(facts))


def _lines(facts: dict[str, Any], margin: str = "") -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield f"{margin}{name}:"
            yield from _lines(value, margin + "  ")
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            yield f"{margin}{name}:"
            yield from (f"{margin}  {k}: {_pairs(entry)}" for k, entry in enumerate(value))
        else:
            yield f"{margin}{name}: {_plain(value)}"


def _pairs(entry: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_plain(value)}" for name, value in entry.items())


def _plain(value: Any) -> str:
    """Text on one line, whoever wrote it: a card may come from anybody, and terminals obey control characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def convert_mdf(file: Path, *, out: Path) -> str:
    """Make a loss file of a pickle that the authors of MDF published, such as Ds_JPEG.pth.

    The pickle is read without running any code from it.

    Parameters
    ----------
    file
        The published file.
    out
        The loss file to write, such as mdf-jpeg.safetensors.

    Raises
    ------
    LossmithError
        When the file is not a published MDF file, or `out` is there already.
    """
    file, out = Path(file), Path(out)
    if out.suffix != ".safetensors":
        raise LossmithError(
            f"a loss is kept in a .safetensors file; call it {out.with_suffix('.safetensors').name}"
        )
    if out.exists():
        raise LossmithError(f"{out} exists already; choose another --out")
    stacks = read_pickle(file)
    card = {
        "origin": {"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest()},
        "licence": "that of the pickle; its authors published theirs under BSD-3-Clause",
        "versions": {"lossmith": lossmith.__version__},
        "range": [0, 1],
        "scales": [_scale(file, tensors) for tensors in stacks],
        "used": min(PUBLISHED_SCALES, len(stacks)),
    }
    state = {f"{k}.{name}": tensor for k, tensors in enumerate(stacks) for name, tensor in tensors.items()}
    check(file, state, card)
    save_loss(out, load_critics(state, card), card)
    return f'loss: {out}, as in --losses "mdf({out})"'


def _scale(file: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    if "head.conv.weight" not in tensors:
        raise LossmithError(f"{file} cannot be converted: its modules have no 'head.conv.weight'")
    blocks = sum(name.startswith("body.") and name.endswith(".conv.weight") for name in tensors)
    return {"width": len(tensors["head.conv.weight"]), "factor": 1.0, "layers": blocks + 2}


__all__ = ["convert_mdf", "show_loss"]
