"""`lossmith show-loss` and `lossmith convert-mdf`: loss files looked at, and made of the published pickles."""

import json
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from torch import Tensor

from lossmith._version import __version__
from lossmith.core.errors import LossmithError, escape_control
from lossmith.core.files import refuse_existing, sha256_of
from lossmith.losses.mdf.loss_file import (
    check_name,
    expression_of,
    find_loss,
    load_discriminators,
    load_loss,
    save_loss,
    validate,
)
from lossmith.losses.mdf.published_pickle import read_pickle

PUBLISHED_SCALES = 8
"""The discriminators that the published loss uses, of the eight or nine in a file."""


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
            yield f"{margin}{escape_control(name)}:"
            yield from _lines(value, margin + "  ")
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            yield f"{margin}{escape_control(name)}:"
            yield from (f"{margin}  {k}: {_pairs(entry)}" for k, entry in enumerate(value))
        else:
            yield f"{margin}{escape_control(name)}: {_plain(value)}"


def _pairs(entry: dict[str, Any]) -> str:
    return ", ".join(f"{escape_control(name)} {_plain(value)}" for name, value in entry.items())


def _plain(value: Any) -> str:
    return escape_control(value if isinstance(value, str) else json.dumps(value))


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
    check_name(out)
    refuse_existing(out)
    stacks = read_pickle(file)
    card = {
        "origin": {"file": file.name, "sha256": sha256_of(file)},
        "license": "that of the pickle; its authors published theirs under BSD-3-Clause",
        "versions": {"lossmith": __version__},
        "range": [0, 1],
        "scales": [_scale(file, tensors) for tensors in stacks],
        "default_scales": min(PUBLISHED_SCALES, len(stacks)),
    }
    state = {f"{k}.{name}": tensor for k, tensors in enumerate(stacks) for name, tensor in tensors.items()}
    validate(file, state, card)
    save_loss(out, load_discriminators(state, card), card)
    return f"loss: {out}, as in --losses {quote(expression_of(out))}"


def _scale(file: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    head = tensors.get("head.conv.weight")
    if head is None or head.ndim != 4:
        raise LossmithError(f"{file} cannot be converted: its modules have no 'head.conv.weight' of a convolution")
    blocks = sum(name.startswith("body.") and name.endswith(".conv.weight") for name in tensors)
    return {"width": len(head), "factor": 1.0, "layers": blocks + 2}


__all__ = ["convert_mdf", "show_loss"]
