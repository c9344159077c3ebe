"""Progress bars in a terminal and in Jupyter, and their absence elsewhere."""

import builtins
import importlib
import io
import logging
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lossmith.cli import _log_to_stderr
from lossmith.core.progress import UPDATE_EVERY_S, ProgressBar, progress_option

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
"""What a bar in a terminal writes at its beginning and at its end."""


class Clock:
    """Shows the time that it is told."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and keeps what is written."""

    def isatty(self) -> bool:
        return True


class Notebook(list[dict[str, str]]):
    """Stands in for IPython in a kernel, and keeps what cells display."""

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw
        assert display_id
        self.append(data)
        return SimpleNamespace(update=lambda data, raw: self.append(data))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("lossmith.core.progress.time", clock)
    return clock


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, to which tests redirect stderr themselves, since pytest replaces it after the fixtures."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return Terminal()


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    notebook = Notebook()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    display.display = notebook.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return notebook


def work(steps: int = 4) -> None:
    """Work that shows its progress."""
    with ProgressBar("l1 + 0.1*tv") as bar:
        for step in range(1, steps + 1):
            bar.update(step / steps, lambda step=step: f"step {step} [not markup]")  # type: ignore[misc]


def test_a_terminal_shows_title_percentage_and_status(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        work()
        output = terminal.getvalue()
        assert "l1 + 0.1*tv" in output
        assert "100%" in output
        assert "step 4 [not markup]" in output
        assert output.count(HIDE_CURSOR) == output.count(SHOW_CURSOR) == 1


def test_a_bar_inside_another_is_shown_in_its_place_with_both_titles(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        with ProgressBar("a.jpg") as outer:
            outer.count(1, 4)
            work()
            between = len(terminal.getvalue())
            outer.count(4, 4)
        written = terminal.getvalue()
        assert "a.jpg: l1 + 0.1*tv" in written[:between]
        assert "a.jpg" in written[between:]
        assert "l1 + 0.1*tv" not in written[between:].split("4 of 4")[-1]
        assert written.count(HIDE_CURSOR) == written.count(SHOW_CURSOR) == 1


def test_the_cursor_is_shown_again_after_an_error(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        with pytest.raises(ZeroDivisionError), ProgressBar() as bar:
            bar.count(1, 0)
        assert terminal.getvalue().rindex(SHOW_CURSOR) > terminal.getvalue().rindex(HIDE_CURSOR)


def test_log_messages_are_lines_of_their_own_above_a_live_bar(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        with _log_to_stderr("train"), ProgressBar("training") as bar:
            bar.count(1, 4)
            logging.getLogger("lossmith.test").warning("the disk is nearly full")
            bar.count(4, 4)
        lines = [line.split("\r\x1b[2K")[-1].rstrip() for line in terminal.getvalue().split("\n")]
        assert "lossmith: the disk is nearly full" in lines
        after = terminal.getvalue().partition("nearly full")[2]
        assert "25%" in after, "the bar is drawn anew below the message"


def test_what_is_printed_into_a_pipe_does_not_go_to_the_terminal(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with redirect_stderr(terminal):
        with ProgressBar():
            print("a result")
        assert capsys.readouterr().out == "a result\n"
        assert HIDE_CURSOR in terminal.getvalue()
        assert "a result" not in terminal.getvalue()


def test_a_pipe_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_that_cannot_move_its_cursor_gets_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redirect_stderr(terminal):
        monkeypatch.setenv("TERM", "dumb")
        work()
        assert terminal.getvalue() == ""


def test_a_process_without_stderr_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    work()


def test_without_rich_there_is_no_bar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with redirect_stderr(terminal):
        actual = builtins.__import__

        def bare(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.startswith("rich"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return actual(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", bare)
        work()
        assert terminal.getvalue() == ""


def test_a_notebook_shows_one_bar_that_is_updated(notebook: Notebook, clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        with ProgressBar("l1 & tv") as bar:
            bar.count(1, 4)
            clock.now += 10
            bar.count(2, 4)
        *_, last = notebook
        assert last["text/plain"] == "l1 & tv  50%  0:20 left  2 of 4"
        assert '<progress value="0.500"' in last["text/html"]
        assert "l1 &amp; tv" in last["text/html"]
        assert terminal.getvalue() == "", "one bar, not two"


def test_ipython_in_a_terminal_is_a_terminal(
    notebook: Notebook, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redirect_stderr(terminal):
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", SimpleNamespace)
        work()
        assert notebook == []
        assert "100%" in terminal.getvalue()


def test_the_status_is_made_only_for_the_updates_that_are_shown(terminal: Terminal, clock: Clock) -> None:
    with redirect_stderr(terminal):
        fractions: list[float] = []

        def update(bar: ProgressBar, done: float) -> None:
            bar.update(done, lambda: fractions.append(done) or "")  # type: ignore[func-returns-value]

        with ProgressBar() as bar:
            update(bar, 0.1)  # the first
            update(bar, 0.2)
            clock.now += UPDATE_EVERY_S
            update(bar, 0.3)  # after a pause
            update(bar, 0.4)
            update(bar, 1.0)  # the end
        assert fractions == [0.1, 0.3, 1.0]


@pytest.mark.parametrize("start", [0.0, 0.5], ids=["fresh", "resumed"])
def test_the_time_left_is_exact_where_speed_is_constant(notebook: Notebook, clock: Clock, start: float) -> None:
    with ProgressBar() as bar:
        bar.update(start)
        assert "left" not in notebook[-1]["text/plain"], "the first update has no speed"
        for done in (0.6, 0.75, 0.9):
            clock.now = 100 + (done - start) * 1000
            bar.update(done)
            minutes, seconds = divmod(round((1 - done) * 1000), 60)
            assert f"{minutes}:{seconds:02} left" in notebook[-1]["text/plain"]


@progress_option
def command(*, progress: bool = True) -> None:
    """A command."""
    work()


@progress_option
def outer_command(*, progress: bool = True) -> None:
    """A command that calls another."""
    command()


def test_progress_is_shown_by_default_and_switched_off_for_one_call(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        command(progress=False)
        assert terminal.getvalue() == ""
        command()
        assert "100%" in terminal.getvalue()


def test_progress_is_off_within_commands_that_a_command_calls(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        outer_command(progress=False)
        assert terminal.getvalue() == ""


@pytest.mark.parametrize("name", ["train", "compare", "evaluate", "learn_loss", "restore", "blend", "reproduce"])
def test_every_long_command_has_the_option(name: str) -> None:
    import inspect

    import lossmith

    function = getattr(lossmith, name)
    assert inspect.signature(function).parameters["progress"].default is True
    assert hasattr(function, "__wrapped__"), "decorated, so that the option has an effect"


def on_a_terminal(*words: object) -> str:
    """What `lossmith` writes to a terminal on its stderr."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "lossmith", *map(str, words)]
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, env=environment)
    os.close(follower)
    output = b""
    try:
        while part := os.read(leader, 65536):
            output += part
    except OSError:  # Linux's sign that the other end is closed
        pass
    os.close(leader)
    process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.slow
def test_processes_that_train_together_show_one_bar(photos: Path, tmp_path: Path) -> None:
    network = "srresnet_small(features=8, blocks=1)"
    words = ["train", photos, "--network", network, "--steps", 3, "--batch", 2, "--patch", 32, "--devices", 2]
    output = on_a_terminal(*words, "--out", tmp_path / "shown")
    assert output.count(HIDE_CURSOR) == output.count(SHOW_CURSOR) == 2, "one of training, and one of scoring"
    assert "step 3" in output
    output = on_a_terminal(*words, "--out", tmp_path / "silent", "--no-progress")
    assert HIDE_CURSOR not in output
    assert "step 3" not in output
    assert "lossmith: " in output, "remarks and announcements remain"


@pytest.mark.slow
def test_a_jupyter_kernel_shows_the_bar_in_its_cell() -> None:
    pytest.importorskip("ipykernel")
    nbclient = pytest.importorskip("nbclient")
    nbformat = importlib.import_module("nbformat")
    program = """
from lossmith.core.progress import ProgressBar
with ProgressBar("training") as bar:
    for step in range(4):
        bar.count(step + 1, 4)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(program)])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "display_data"
    assert output.data["text/plain"] == "training  100%  0:00 left  4 of 4"
    assert "<progress" in output.data["text/html"]
