"""The file from which a stopped run goes on."""

from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from lossmith.errors import LossmithError
from lossmith.files import replacing

FORMAT = "lossmith run 2"
"""The mark of what this version writes: to be changed with what the states hold."""

State = dict[str, Any]


def save(path: Path, state: State) -> None:
    """Write a state whole. Raises LossmithError when it cannot be written."""
    content = BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    with replacing(path) as draft:  # torch's own writer meets a full disk with an error about its file's positions
        draft.write_bytes(content.getbuffer())


def load(path: Path) -> State | None:
    """The state in a file, in the processor's memory; None when there is no file.

    Raises LossmithError when the file is damaged, or was written by a version that kept other things.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        form = state.get("format")
    except (OSError, RuntimeError, UnpicklingError, EOFError, AttributeError) as error:
        raise LossmithError(f"{path} is damaged; delete it to start this run anew") from error
    if form != FORMAT:
        raise LossmithError(
            f"{path} was written by another version of lossmith, and this one cannot go on from it; "
            "delete it to start this run anew"
        )
    return dict(state)
