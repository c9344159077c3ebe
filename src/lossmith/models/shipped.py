"""The restorers that come with lossmith: one model file for each task and character."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.core.safetensors_io import load_tensors, save_tensors
from lossmith.models.model_file import FORMAT, check_file
from lossmith.models.tasks import Character, Task

SHIPPED = Path(__file__).with_name("shipped")
MAX_BYTES = 2_000_000
"""Of a shipped model's file."""


def shipped_models() -> list[str]:
    """The names of the models that come with lossmith, such as x4-faithful, task by task."""
    names = [shipped_name(task, character) for task in get_args(Task) for character in get_args(Character)]
    return [name for name in names if shipped_file(name).is_file()]


def shipped_name(task: str, character: str) -> str:
    """The name of the model of a task and a character.

    >>> shipped_name("x4", "faithful")
    'x4-faithful'
    """
    return f"{task}-{character}"


def shipped_file(name: str) -> Path:
    """Where the shipped model of a name lies."""
    return SHIPPED / f"{name}.safetensors"


def shipped_receipt(name: str) -> dict[str, Any]:
    """The receipt of a shipped model, which has the entries of `ship`."""
    return load_tensors(shipped_file(name), FORMAT)[1]


def find_model(path: str | Path) -> Path:
    """The file that is meant by a path, or by the name of a shipped model where no file is called so.

    Raises LossmithError where there is none; the message names models that are near.
    """
    path = Path(path)
    name = str(path)
    if not path.exists() and not path.suffix and path.name == name:
        if name not in shipped_models():
            error = unknown_name_error("shipped model", name, shipped_models())
            raise LossmithError(f"{error}; other models are files")
        return shipped_file(name)
    check_file(path)
    return path


def ship(
    model_file: Path,
    task: Task,
    character: Character,
    *,
    trained_on: Sequence[Mapping[str, str]],
    scores: Mapping[str, float],
    license: str = "Apache-2.0",
    folder: Path | None = None,
) -> Path:
    """Copy a trained model into the package, with what `lossmith models` says of it in its receipt.

    The weights are rounded to half precision, which halves the file.

    Parameters
    ----------
    model_file
        The model of a run.
    task, character
        What it undoes, and what it was trained for; its name is TASK-CHARACTER.
    trained_on
        The photographs, each with `name`, `author` and `license`.
    scores
        What it reaches, such as {"classic5, quality 10, PSNR": 29.2}.
    license
        Of the model, as an SPDX expression.
    folder
        Where to put it [default: the package].

    Returns the file that was written.

    Raises
    ------
    LossmithError
        For an unknown task or character, photographs without a license, and a model that is too large.
    """
    for kind, word, known in (("task", task, get_args(Task)), ("character", character, get_args(Character))):
        if word not in known:
            raise unknown_name_error(kind, word, known)
    for photograph in trained_on:
        if missing := [entry for entry in ("name", "author", "license") if not photograph.get(entry)]:
            raise LossmithError(f"{dict(photograph)} has no {' and no '.join(missing)}, and is trained on")
    weights, receipt = load_tensors(model_file, FORMAT)
    entries = {
        "task": task,
        "character": character,
        "license": license,
        "trained_on": [dict(photograph) for photograph in trained_on],
        "scores": dict(scores),
    }
    halves, receipt = {name: weight.half() for name, weight in weights.items()}, {**receipt, **entries}
    size = sum(weight.nbytes for weight in halves.values()) + len(json.dumps(receipt))
    if size > MAX_BYTES:
        raise LossmithError(f"{model_file} makes {size:,} bytes, and a model that ships has at most {MAX_BYTES:,}")
    path = (folder or SHIPPED) / f"{shipped_name(task, character)}.safetensors"
    save_tensors(path, halves, FORMAT, receipt)
    return path
