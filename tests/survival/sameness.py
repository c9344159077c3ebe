"""Whether two finished folders hold the same."""

import csv
import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def assert_same(reference: Path, actual: Path, ignored: Collection[str] = ()) -> None:
    """Every file of the one is in the other and holds the same, bit for bit, and no file is there that should not.

    Weights, rows, scores, images, receipts, states and pages; of TensorBoard's events, what is shown of them.
    What is in files called as in `but` may differ.
    """
    assert _files(reference) == _files(actual)
    for name in _files(reference):
        if Path(name).name in ignored:
            continue
        one, other = (_content(folder / name) for folder in (reference, actual))
        assert one == other, name
    for journal in actual.rglob("metrics.csv"):
        _assert_shown_once(journal)


def _files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # how many states and files of events there were on the way is no matter
    relevant = (path for path in paths if "tensorboard" not in path.parts and ".previous" not in path.name)
    return sorted(path.as_posix() for path in relevant)


def _content(path: Path) -> Any:
    if path.suffix == ".db":
        return _trials(path)
    return _to_plain(torch.load(path, weights_only=True)) if path.suffix == ".ckpt" else path.read_bytes()


def _trials(path: Path) -> list[Any]:
    """What a storage of Optuna holds, but for the time of the day."""
    tables = (
        "number, state FROM trials",
        "trial_id, param_value FROM trial_params",
        "trial_id, value FROM trial_values",
    )
    with closing(sqlite3.connect(path)) as database:
        return [sorted(database.execute(f"SELECT {table}").fetchall()) for table in tables]


def _to_plain(value: Any) -> Any:
    """With tensors as lists, which can be compared."""
    if isinstance(value, dict):
        return {key: _to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    return (str(value.dtype), value.tolist()) if isinstance(value, torch.Tensor) else value


def _assert_shown_once(journal: Path) -> None:
    """TensorBoard shows each row of the journal once."""
    events = EventAccumulator(str(journal.with_name("tensorboard")))
    events.Reload()
    with journal.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in rows[0].keys() - {"step"}:
        events_by_step = {event.step: event.value for event in events.Scalars(name)}
        assert len(events_by_step) == len(events.Scalars(name)), "each step once"
        rows_by_step = {int(row["step"]): float(row[name]) for row in rows if row[name]}
        assert events_by_step.keys() == rows_by_step.keys()
        assert all(
            abs(events_by_step[step] - rows_by_step[step]) <= 1e-6 * abs(rows_by_step[step])
            for step in rows_by_step
        )  # float32
