"""How far long work has come: one bar for all that takes its time."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

LIVE_EVERY = 0.2
"""Seconds between two looks of a bar on a terminal."""
PLAIN_EVERY = 15.0
"""Seconds between two lines where the output is no terminal."""


class ProgressBar:
    """A live bar on a terminal; a plain line now and then elsewhere.

    Ask `due` before the words are made, which cost more than the question:

    >>> with ProgressBar() as bar:
    ...     if bar.due(0.25):
    ...         bar.show("reading", 0.25, f"1 of 4  {time_left(75.2)}")
    """

    def __init__(self, title: str = "") -> None:
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}", style="dim", markup=False),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task(title, total=1.0, status="")
        self._pause = LIVE_EVERY if self._live else PLAIN_EVERY
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def due(self, done: float) -> bool:
        """Whether it is time to show something, when `done` of the work is done: at its end it always is."""
        return done >= 1 or time.monotonic() - self._shown >= self._pause

    def show(self, title: str, done: float, status: str) -> None:
        """Show that `done` of the work, 0 to 1, is done, and more in words."""
        self._shown = time.monotonic()
        self._bar.update(self._task, completed=done, description=title, status=status)
        if not self._live:
            self._console.print(f"{title}  {done:4.0%}  {status}", markup=False, soft_wrap=True)


def time_left(seconds: float) -> str:
    """In words.

    >>> time_left(75.2)
    '1:15 left'
    """
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f} left"
