"""Parallel loops in PyTorch's OpenMP threads or, if those are not accessible, in a thread pool."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from lossmith.losses.structural.backends import threads
from lossmith.losses.structural.backends.threads import run_parallel


@pytest.fixture(params=["those of PyTorch", "others"], autouse=True)
def three(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "others":
        monkeypatch.setattr(threads, "_openmp_region", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("useful", "expected"), [(1, 1), (3, 3), (100, 3)])
def test_the_requested_number_of_threads_work_at_once(useful: int, expected: int) -> None:
    meeting = threading.Barrier(expected)  # nobody passes before all are there
    thread_ids = set()

    def work() -> None:
        meeting.wait(timeout=60)
        thread_ids.add(threading.get_ident())

    run_parallel(work, useful)
    assert len(thread_ids) == expected
    assert threading.get_ident() in thread_ids


def test_fewer_tasks_than_threads_all_run() -> None:
    for _ in range(50):
        tasks, process = iter(range(2)), list[int]()
        run_parallel(lambda tasks=tasks, process=process: process.extend(tasks), 2)  # type: ignore[misc]
        assert sorted(process) == [0, 1]


def test_an_exception_in_any_thread_reaches_the_caller() -> None:
    me = threading.get_ident()
    for fails_here in (True, False):
        meeting = threading.Barrier(3)

        def work(fails_here: bool = fails_here, meeting: threading.Barrier = meeting) -> None:
            meeting.wait(timeout=60)
            if (threading.get_ident() == me) == fails_here:
                raise MemoryError("no room")

        with pytest.raises(MemoryError, match="no room"):
            run_parallel(work, 3)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Also where this runs in the background, which is not to be interrupted."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_not_lost() -> None:
    def work() -> None:
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)

    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            run_parallel(work, 3)


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch brings another OpenMP, or none")

INTERRUPTED_PROGRAM = """
import itertools, signal, time
from lossmith.losses.structural.backends import threads
import torch
torch.set_num_threads(2)
caught = 0
def handler(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
for delay in itertools.islice(itertools.cycle([1e-4, 2e-4, 3e-4, 5e-4]), 200):
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        end = time.perf_counter() + 60
        while time.perf_counter() < end:
            threads.run_parallel(lambda: None, 2)
    except KeyboardInterrupt:
        caught += 1
print(caught)
"""

COLD = """
import os, torch
torch.set_num_threads(2)
x = torch.rand(1, 3, 256, 256)
for _ in range(20):
    x.square().sum()  # PyTorch's threads are there now
from lossmith.losses import loss  # but no loss has been called
criterion = loss("ssim")
child = os.fork()
if not child:
    torch.set_num_threads(2)
    print(float(criterion(x, x)), flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""

LATE_PROGRAM = """
import multiprocessing, torch
def child():
    from lossmith.losses import loss  # for the first time
    torch.set_num_threads(2)
    x = torch.rand(1, 3, 256, 256)
    print(float(loss("ssim")(x, x)), flush=True)
x = torch.rand(1, 3, 256, 256)
torch.set_num_threads(2)
for _ in range(20):
    x.square().sum()
torch.set_num_threads(1)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(60)
print(process.exitcode)
"""


@ON_LINUX
@pytest.mark.parametrize(
    ("program", "output"),
    [(INTERRUPTED_PROGRAM, "200\n"), (COLD, "0.0\n0\n"), (LATE_PROGRAM, "0.0\n0\n")],
    ids=["alarms", "fork", "fork before the first import"],
)
def test_threads_in_a_fresh_process(program: str, output: str) -> None:
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert process.stdout == output, process.stderr
    assert "ignored" not in process.stderr


@ON_LINUX
def test_pytorchs_openmp_threads_are_found_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert threads._openmp_region() is not None
