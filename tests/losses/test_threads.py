"""The compiled loops run in PyTorch's threads or, where these cannot be had, in others, which behave alike."""

import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from lossmith.losses.similarity import threads
from lossmith.losses.similarity.threads import at_once


@pytest.fixture(params=["those of PyTorch", "others"], autouse=True)
def three(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "others":
        monkeypatch.setattr(threads, "_parallel", lambda: None)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("useful", "expected"), [(1, 1), (3, 3), (100, 3)])
def test_so_many_threads_work_at_once(useful: int, expected: int) -> None:
    meeting = threading.Barrier(expected)  # nobody passes before all are there
    seen = set()

    def work() -> None:
        meeting.wait(timeout=60)
        seen.add(threading.get_ident())

    at_once(work, useful)
    assert len(seen) == expected
    assert threading.get_ident() in seen


def test_fewer_tasks_than_threads_are_no_harm() -> None:
    tasks, done = iter(range(2)), []
    for _ in range(50):
        at_once(lambda: done.extend(tasks), 2)
    assert sorted(done) == [0, 1]


def test_a_failure_in_any_thread_is_the_callers() -> None:
    me = threading.get_ident()
    for fails_here in (True, False):
        meeting = threading.Barrier(3)

        def work(fails_here: bool = fails_here, meeting: threading.Barrier = meeting) -> None:
            meeting.wait(timeout=60)
            if (threading.get_ident() == me) == fails_here:
                raise MemoryError("no room")

        with pytest.raises(MemoryError, match="no room"):
            at_once(work, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch brings another OpenMP, or none")
def test_pytorchs_threads_can_be_had_on_linux(request: pytest.FixtureRequest) -> None:
    if "others" not in request.node.name:
        assert threads._parallel() is not None
