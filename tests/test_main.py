"""The `lossmith` command as a program: how it ends when it is interrupted, or nobody reads on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lossmith.core.signals import SIGNALS

COMMAND = [sys.executable, "-m", "lossmith"]


def listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs are deaf to


def test_an_interrupted_training_says_so_and_saves_its_checkpoint(photos: Path, tmp_path: Path) -> None:
    words = ["train", photos, "--network", "fcn", "--steps", "1000000", "--batch", "1", "--patch", "32"]
    training = subprocess.Popen(
        [*COMMAND, *map(str, words), "--out", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,
    )
    while training.poll() is None and not (tmp_path / "metrics.csv").exists():
        time.sleep(0.1)
    training.send_signal(signal.SIGINT)
    _, errors = training.communicate()
    assert training.returncode == 130, errors
    assert errors.splitlines()[-1] == "lossmith: stopped; the same command goes on from here"
    assert "Traceback" not in errors
    assert (tmp_path / "checkpoints" / "last.ckpt").is_file()


def test_an_interrupt_during_import_shows_no_traceback() -> None:
    program = (
        "import sys; from lossmith.__main__ import main\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'cyclopts': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "main()"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (130, "lossmith: stopped; the same command goes on from here\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stop_signal_ends_the_program_at_any_point(number: signal.Signals) -> None:
    program = (
        f"import signal, lossmith.cli; from lossmith.__main__ import main\n"
        f"lossmith.cli.run = lambda words: signal.raise_signal({number:d}) or 0\n"
        "main()"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert process.returncode == 128 + number
    assert process.stderr == "lossmith: stopped; the same command goes on from here\n"


def test_a_closed_output_pipe_is_no_error() -> None:
    program = subprocess.Popen([*COMMAND, "losses"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    program.stdout.close()  # as `head` does
    assert program.stderr is not None
    assert program.stderr.read() == ""
    program.stderr.close()
    assert program.wait() == 141  # what a shell says of a program that ended so
