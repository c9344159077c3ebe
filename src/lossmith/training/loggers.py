"""Loggers of a run: CSV, TensorBoard, and the text beside its progress bar."""

import csv
import io
import math
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from lossmith.core.files import write_error, write_text
from lossmith.evaluation.pulls import is_pull
from lossmith.training.module import StepMetrics
from lossmith.training.state import TrainState

EVENT_FILE_PREFIX = "events.out.tfevents"


class TensorBoardWriter:
    """Writes an event file of scalars into a folder that may hold event files of earlier sessions.

    A session log of step `after` makes TensorBoard discard what those hold from there on. TensorBoard's own writer
    works in a thread, where a full disk ends in a traceback; this one raises a LossmithError.
    """

    def __init__(self, folder: Path, after: int) -> None:
        self.path = folder / f"{EVENT_FILE_PREFIX}.{_timestamp(folder):010}.{socket.gethostname()}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as error:
            raise write_error(self.path, error) from error
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=after, session_log=SessionLog(status=SessionLog.START)))

    def add_scalars(self, step: int, values: dict[str, float]) -> None:
        """Write the scalars of a step, by name."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        try:
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            raise write_error(self.path, error) from error

    def close(self) -> None:
        with suppress(OSError):  # raised before, by the write that failed
            self._file.close()


def _timestamp(folder: Path) -> int:
    """The Unix time, as usual, or more: event files are read in the order of their names, and clocks may jump."""
    numbers = (path.name.split(".")[3] for path in folder.glob(f"{EVENT_FILE_PREFIX}.*.*"))
    return max([int(time.time()), *(int(number) + 1 for number in numbers if number.isdecimal())])


ROWS_PER_RUN = 100
"""Rows of `metrics.csv` that a run writes, at equal distances of its budget."""
WRITE_EVERY_S = 5.0
"""Seconds between two writes of `metrics.csv`, each of which waits for the disk."""


class CSVLogger:
    """Writes `metrics.csv` and TensorBoard events.

    All rows are part of the checkpoint, so a resumed run has each of them once.

    Parameters
    ----------
    path
        The CSV file; the events go into the folder `tensorboard` beside it.
    every_seconds
        Least time between two writes of the CSV file.
    """

    def __init__(self, path: Path, every_seconds: float = WRITE_EVERY_S) -> None:
        self.path, self.every_seconds = path, every_seconds
        self._written_at = -math.inf
        self.rows: list[dict[str, float]] = []
        self._last_row = 0
        self._events: TensorBoardWriter | None = None

    def should_log(self, state: TrainState) -> bool:
        """Whether it is time for another row."""
        return int(ROWS_PER_RUN * state.progress) > self._last_row

    def log(self, state: TrainState, values: dict[str, float]) -> None:
        """Add a row."""
        self._last_row = int(ROWS_PER_RUN * state.progress)
        if self._events is None:
            self._events = self._open_events()
        row = {"step": float(state.step), "seconds": round(state.timer.elapsed, 3), **values}
        self.rows.append(row)
        self._events.add_scalars(state.step, {name: row[name] for name in row if name != "step"})
        if time.monotonic() - self._written_at >= self.every_seconds:
            self.write()
            self._written_at = time.monotonic()

    def _open_events(self) -> TensorBoardWriter:
        """A writer that discards what a killed run logged after its last checkpoint."""
        after = int(self.rows[-1]["step"]) + 1 if self.rows else 0
        return TensorBoardWriter(self.path.parent / "tensorboard", after)

    def write(self) -> None:
        """Write all rows as one CSV table; their keys differ, and columns are in the order of first appearance."""
        if not self.rows:  # a run that fails before its first step must not empty the table of the one before
            return
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows({**row, "step": int(row["step"])} for row in self.rows)
        write_text(self.path, text.getvalue())

    def close(self) -> None:
        """Close the event file and write all rows."""
        if self._events is not None:
            self._events.close()
        self.write()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "last_row": self._last_row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._last_row = state["rows"], state["last_row"]


def format_status(state: TrainState, values: StepMetrics) -> str:
    """Step, steps per second and the named terms, as text; without their shares."""
    rate = state.step / max(state.timer.elapsed, 1e-9)
    named = {name: value for name, value in values.items() if name != "loss" and not is_pull(name)}
    terms = "  ".join(f"{name} {float(value):.4g}" for name, value in named.items())
    return f"step {state.step}  {rate:.1f}/s  {terms}"
