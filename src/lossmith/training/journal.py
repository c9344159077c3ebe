"""Writes down how a run goes."""

import csv
import io
import math
import time
from pathlib import Path
from typing import Any

from lossmith.files import write_text
from lossmith.training.course import Course
from lossmith.training.events import Events

LOG_ENTRIES = 100
"""Rows of `metrics.csv` over a whole run."""
WRITE_EVERY = 5.0
"""Seconds between two writings of `metrics.csv`, each of which waits for the disk."""


class Journal:
    """Writes `metrics.csv` and TensorBoard events.

    All rows are part of the checkpoint, so a resumed run has each of them once.
    """

    def __init__(self, path: Path, every_seconds: float = WRITE_EVERY) -> None:
        self.path, self.every_seconds = path, every_seconds
        self._written = -math.inf
        self.rows: list[dict[str, float]] = []
        self._done = 0
        self._events: Events | None = None

    def due(self, course: Course) -> bool:
        """Whether it is time for another row."""
        return int(LOG_ENTRIES * course.progress) > self._done

    def enter(self, course: Course, values: dict[str, float]) -> None:
        """Add a row."""
        self._done = int(LOG_ENTRIES * course.progress)
        if self._events is None:
            self._events = self._opened()
        row = {"step": float(course.step), "seconds": round(course.stopwatch.elapsed, 3), **values}
        self.rows.append(row)
        self._events.add(course.step, {name: row[name] for name in row if name != "step"})
        if time.monotonic() - self._written >= self.every_seconds:
            self.write()
            self._written = time.monotonic()

    def _opened(self) -> Events:
        """Events to go on with after the last row; what a killed run logged after its checkpoint is taken back."""
        after = int(self.rows[-1]["step"]) + 1 if self.rows else 0
        return Events(self.path.parent / "tensorboard", after)

    def write(self) -> None:
        """Write all rows, whose keys differ, as one CSV table with columns in the order of first appearance."""
        if not self.rows:  # a run that failed before it began shall not empty the table of its last attempt
            return
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows({**row, "step": int(row["step"])} for row in self.rows)
        write_text(self.path, text.getvalue())

    def close(self) -> None:
        """Write what is not yet written."""
        if self._events is not None:
            self._events.close()
        self.write()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._done = state["rows"], state["done"]
