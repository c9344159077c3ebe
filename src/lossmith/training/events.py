"""TensorBoard's event files."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from lossmith.files import unwritable

KIND = "events.out.tfevents"


class Events:
    """One file of scalars, in a folder where files of former sittings may lie.

    What those hold from step `after` on is taken back. TensorBoard's own writer works in a thread, where a full
    disk ends as a traceback; here it is a LossmithError.
    """

    def __init__(self, folder: Path, after: int) -> None:
        self.path = folder / f"{KIND}.{_number(folder):010}.{socket.gethostname()}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        self._write(Event(step=after, session_log=SessionLog(status=SessionLog.START)))

    def add(self, step: int, values: dict[str, float]) -> None:
        """Scalars of a step, by their names."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        try:
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        with suppress(OSError):  # which was raised when it was met
            self._file.close()


def _number(folder: Path) -> int:
    """The seconds of this moment, as is usual; but files are read in the order of their names, and clocks jump."""
    numbers = (path.name.split(".")[3] for path in folder.glob(f"{KIND}.*.*"))
    return max([int(time.time()), *(int(number) + 1 for number in numbers if number.isdecimal())])
