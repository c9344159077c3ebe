"""Progress bars: live in a terminal and in Jupyter, nothing elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from html import escape
from importlib import import_module
from typing import ParamSpec, Protocol, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

UPDATE_EVERY_S = 0.2
"""Seconds between two updates of a bar."""

_enabled = ContextVar("progress_enabled", default=True)
_outer: ContextVar["ProgressBar | None"] = ContextVar("outer_bar", default=None)


def progress_option(command: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function that has the option `progress`: with `progress=False` no bar is shown while it runs."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        # a command that calls another, as `reproduce` does, decides for both
        token = _enabled.set(_enabled.get() and bool(kwargs.get("progress", True)))
        try:
            return command(*args, **kwargs)
        finally:
            _enabled.reset(token)

    return wrapper


class ProgressBar:
    """A progress bar with the time left.

    Nothing is shown where stderr is neither a terminal nor a notebook's, within a command called with
    `progress=False`, and in a terminal without rich. A bar inside another is shown in its place, with both titles.

    >>> with ProgressBar("scoring") as bar:
    ...     for index in range(4):
    ...         bar.count(index, 4)
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self._display: _Display | None = None
        self._start: tuple[float, float] | None = None  # what was done at the first update, and its time
        self._updated_at = 0.0

    def __enter__(self) -> Self:
        outer = _outer.get()
        if _enabled.get():
            self._display = _open_display() if outer is None else outer._part()
        self._token = _outer.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _outer.reset(self._token)
        if self._display:
            self._display.close()

    def update(self, done: float, status: Callable[[], str] = str) -> None:
        """Show progress, unless the last update was a moment ago; the end, `done=1`, is always shown.

        Parameters
        ----------
        done
            The fraction of the work that is done, 0 to 1. The time left is estimated from what has been done since
            the first update.
        status
            Returns a text to show beside the bar. It is called only if the text is shown, so it may read values
            from a GPU.
        """
        if self._display is None:
            return
        now = time.monotonic()
        if self._start is None:
            self._start = (done, now)
        elif done < 1 and now - self._updated_at < UPDATE_EVERY_S:
            return
        self._updated_at = now
        start_done, start_time = self._start
        gain = done - start_done
        left = _time_left((now - start_time) / gain * (1 - done)) if gain > 0 else ""
        self._display.show(self.title, done, left, status())

    def _part(self) -> "_Display | None":
        """A display for the bar of a part of the work."""
        return self._display and _InnerDisplay(self, self._display)

    def count(self, finished: int, total: int) -> None:
        """Show how many parts of the work, all alike, are finished."""
        self.update(finished / total, lambda: f"{finished} of {total}")


def bars_shown() -> bool:
    """Whether the bar that is open is shown somewhere; if not, what it would say may be logged."""
    bar = _outer.get()
    return bool(bar and bar._display)


def _time_left(seconds: float) -> str:
    """The time left, in minutes and seconds.

    >>> _time_left(75.2)
    '1:15 left'
    """
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f} left"


class _Display(Protocol):
    """Where a bar is drawn."""

    def show(self, title: str, done: float, left: str, status: str) -> None: ...

    def close(self) -> None: ...


def _open_display() -> _Display | None:
    """A display on this process's terminal or notebook, if it has one."""
    if _in_notebook():
        return _NotebookDisplay()
    if not sys.stderr or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        return _TerminalDisplay()
    except ModuleNotFoundError:  # rich is not part of a bare installation
        return None


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


class _InnerDisplay:
    """The display of a bar, lent to one inside it."""

    def __init__(self, outer: ProgressBar, display: _Display) -> None:
        self._outer, self._display = outer, display

    def show(self, title: str, done: float, left: str, status: str) -> None:
        self._display.show(f"{self._outer.title}: {title}", done, left, status)

    def close(self) -> None:
        """The outer bar goes on."""


class _TerminalDisplay:
    """A bar on the last line of stderr; what is printed meanwhile appears above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            TextColumn("{task.fields[status]}", style="dim", markup=False),
            console=Console(stderr=True),
            auto_refresh=False,  # no thread
            redirect_stdout=bool(sys.stdout) and sys.stdout.isatty(),  # one that is piped must not go to stderr
        )
        self._task = self._bar.add_task("", total=1.0, left="", status="")
        self._bar.start()

    def show(self, title: str, done: float, left: str, status: str) -> None:
        self._bar.update(self._task, completed=done, description=title, left=left, status=status, refresh=True)

    def close(self) -> None:
        self._bar.stop()


class _NotebookDisplay:
    """A bar in the output of a notebook's cell, drawn by the browser."""

    def __init__(self) -> None:
        self._handle = import_module("IPython.display").display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, title: str, done: float, left: str, status: str) -> None:
        text = "  ".join(part for part in (title, f"{done:.0%}", left, status) if part)
        bar = f'<progress value="{done:.3f}" style="width: 16em"></progress> '
        self._handle.update({"text/plain": text, "text/html": bar + escape(text)}, raw=True)

    def close(self) -> None:
        """The last update stays in the notebook."""
