"""`lossmith show-loss` prints the card of a loss; `lossmith convert-mdf` converts the published pickles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from lossmith._version import __version__
from lossmith.core.errors import LossmithError, escape_control
from lossmith.core.files import refuse_existing, sha256_of
from lossmith.expressions import instantiate, parse_call
from lossmith.losses import mdf

if TYPE_CHECKING:
    from torch import Tensor

PUBLISHED_SCALES = 8
"""How many of the eight or nine discriminators in a file the published loss uses."""


def show_loss(file: str) -> str:
    """Show the card of a loss: what it was learned for, from what, how, and what it costs.

    Parameters
    ----------
    file
        A loss file, the name of a loss that comes with lossmith, such as jpeg, or its expression, such as
        "mdf(jpeg)".

    Raises
    ------
    LossmithError
        When the file does not hold what its card says, and for the expression of a loss without a card.
    """
    path = mdf.find_loss(_name_in(file))
    state, card = mdf.load_loss(path)
    numbers = sum(tensor.numel() for tensor in state.values())
    facts = {"file": f"{path.name}, {path.stat().st_size:,} bytes, {numbers:,} numbers", **card}
    return "\n".join(_lines(facts))


def _name_in(text: str) -> str:
    """The file or the name in an expression `mdf(...)`; any other text as it is."""
    if not text.endswith(")") or Path(text).exists():
        return text
    call = parse_call(text, "loss")
    if call.name != mdf.MDFLoss.name:
        raise LossmithError(f"only mdf losses have a card, and '{text}' is not one")
    return str(instantiate(call, mdf.MDFLoss, "loss").file)


def _lines(facts: dict[str, Any], margin: str = "") -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield f"{margin}{escape_control(name)}:"
            yield from _lines(value, margin + "  ")
        elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            yield f"{margin}{escape_control(name)}:"
            yield from (f"{margin}  {k}: {_pairs(entry)}" for k, entry in enumerate(value))
        else:
            yield f"{margin}{escape_control(name)}: {_format_value(value)}"


def _pairs(entry: dict[str, Any]) -> str:
    return ", ".join(f"{escape_control(name)} {_format_value(value)}" for name, value in entry.items())


def _format_value(value: Any) -> str:
    return escape_control(value if isinstance(value, str) else json.dumps(value))


def convert_mdf(file: Path, *, out: Path) -> str:
    """Convert a pickle that the authors of MDF published, such as Ds_JPEG.pth, to a loss file.

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
        When the file is not a published MDF file, or `out` exists already.
    """
    file, out = Path(file), Path(out)
    mdf.check_name(out)
    refuse_existing(out)
    stacks = mdf.read_pickle(file)
    card = {
        "origin": {"file": file.name, "sha256": sha256_of(file)},
        "license": "that of the pickle; its authors published theirs under BSD-3-Clause",
        "versions": {"lossmith": __version__},
        "range": [0, 1],
        "scales": [_scale(file, tensors) for tensors in stacks],
        "default_scales": min(PUBLISHED_SCALES, len(stacks)),
    }
    state = {f"{k}.{name}": tensor for k, tensors in enumerate(stacks) for name, tensor in tensors.items()}
    mdf.validate(file, state, card)
    mdf.save_loss(out, mdf.load_discriminators(state, card), card)
    return f"loss: {out}, as in `losses={quote(mdf.expression_of(out))}`"


def _scale(file: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    head = tensors.get("head.conv.weight")
    if head is None or head.ndim != 4:
        raise LossmithError(f"{file} cannot be converted: its modules have no 'head.conv.weight' of a convolution")
    blocks = sum(name.startswith("body.") and name.endswith(".conv.weight") for name in tensors)
    return {"width": len(head), "factor": 1.0, "layers": blocks + 2}


__all__ = ["convert_mdf", "show_loss"]
