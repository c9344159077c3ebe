"""Runs `lossmith` commands in processes of their own, quickly, and kills them where it is told to.

As a program it imports all that the commands need once and then forks: each command is a process like any other,
with its own signals, limits and end, but begins in no time. The faults are made from outside: by signals, by
limits of the operating system, and by Python's audit hooks, which see every file that is opened for writing,
renamed or removed. lossmith itself knows nothing of it. Its stopwatch counts steps, so that equal runs are equal
in everything.
"""

import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR
TOUCHING = ("open", "os.rename", "os.remove", "os.mkdir")


@dataclass(frozen=True)
class Fault:
    """What happens to a process."""

    at_touch: int | None = None
    """SIGKILL right before its n-th touch of a file in its folder: opening for writing, renaming, removing."""
    at_byte: int | None = None
    """Killed by the system in the middle of writing a file that grows beyond this size."""
    after: float | None = None
    """Seconds after which `signal` is sent to it."""
    signal: int = signal.SIGKILL
    largest: int | None = None
    """No file can grow beyond this size, which is an error where `at_byte` is death."""
    preparation: str = ""
    """Python that is run in the process before the command."""


@dataclass(frozen=True)
class Outcome:
    """How a process ended."""

    status: int
    """Its exit status, or minus the signal that killed it."""
    errors: str
    touches: int
    seconds: float

    @property
    def kind(self) -> str:
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        if self.status > 128:
            return f"stopped by {signal.Signals(self.status - 128).name}"
        return f"ended with status {self.status}"


fault_counts: Counter[str] = Counter()
"""How commands ended before they were done; printed behind the tests."""


class ForkServer:
    """The other end of the program below."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._reports = self._process.stdin, self._process.stdout

    def run(self, folder: Path, *words: str, fault: Fault = Fault()) -> Outcome:
        """Run `lossmith WORDS` in a folder, which is made if need be, to its end."""
        return self.begin(folder, *words, fault=fault)()

    def begin(self, folder: Path, *words: str, fault: Fault = Fault()) -> Callable[[], Outcome]:
        """The same, but not waiting for the end, which is what the function that is returned does."""
        folder.mkdir(parents=True, exist_ok=True)
        self._orders.write(json.dumps([str(folder), words, asdict(fault)]) + "\n")
        self._orders.flush()
        return self._read_outcome

    def _read_outcome(self) -> Outcome:
        outcome = Outcome(**json.loads(self._reports.readline()))
        if outcome.status:
            fault_counts[outcome.kind] += 1
        return outcome

    def close(self) -> None:
        self._orders.close()
        self._process.wait()


# --- the program -----------------------------------------------------------------------------------------------


def main() -> None:
    import torch
    from PIL import Image

    import lossmith.cli
    import lossmith.training.run  # noqa: F401 (both for those who are born)
    from lossmith.metrics import ssim

    torch.set_num_threads(1)
    Image.init()
    ssim(*torch.rand(2, 1, 3, 16, 16))  # which loads what is compiled
    _count_steps()
    reports = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        folder, words, fault = json.loads(line)
        reports.write(json.dumps(asdict(_run_and_wait(folder, words, Fault(**fault)))) + "\n")
        reports.flush()


class Steps:
    """A clock that shows the number of steps and rounds that this process has ended."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def count(self, kind: type, name: str) -> None:
        original = getattr(kind, name)

        def counting(*arguments: Any) -> Any:
            result = original(*arguments)
            self.now += 1
            return result

        setattr(kind, name, counting)


def _count_steps() -> None:
    from lossmith.core import timer
    from lossmith.loss_learning.wgan import ScaleWGAN
    from lossmith.training.supervised import SupervisedModule

    timer.time = clock = Steps()  # type: ignore[assignment]
    clock.count(SupervisedModule, "training_step")
    clock.count(ScaleWGAN, "train_iteration")


def _run_and_wait(folder: str, words: list[str], fault: Fault) -> Outcome:
    errors, count = os.memfd_create("errors"), mmap.mmap(-1, 8)
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _live(folder, words, fault, errors, count)
    if fault.after is not None:
        time.sleep(fault.after)  # where it has ended before, it is a zombie, and hears nothing
        os.kill(pid, fault.signal)
    _, status = os.waitpid(pid, 0)
    errors_text = os.pread(errors, 1 << 20, 0).decode(errors="replace")
    os.close(errors)
    touches = int.from_bytes(count[:], "little")
    return Outcome(os.waitstatus_to_exitcode(status), errors_text, touches, time.monotonic() - start)


def _live(folder: str, words: list[str], fault: Fault, errors: int, count: mmap.mmap) -> None:
    status = 99
    try:
        os.dup2(errors, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1)
        os.chdir(folder)
        _limit(fault)
        _watch(folder, fault.at_touch, count)
        exec(fault.preparation, {})
        sys.argv = ["lossmith", *words]
        from lossmith.__main__ import main as command

        command()
    except SystemExit as end:
        status = int(end.code or 0)
    except KeyboardInterrupt:  # before the command began to listen
        status = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _limit(fault: Fault) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if fault.at_byte is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python is deaf to it, and so gets an error instead
    size = fault.largest if fault.at_byte is None else fault.at_byte
    if size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _watch(folder: str, last: int | None, count: mmap.mmap) -> None:
    touches = 0

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal touches
        if event not in TOUCHING or (event == "open" and not arguments[2] & WRITING):
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or not os.path.abspath(path).startswith(folder):
            return
        touches += 1
        count[:] = touches.to_bytes(8, "little")
        if touches == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(note)


if __name__ == "__main__":
    main()
