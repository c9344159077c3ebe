"""Python functions in several threads at once: those of PyTorch, where they can be had.

PyTorch's threads look for work for some milliseconds after each of its operations, and hold the cores meanwhile.
Other threads would have to share these cores with them; so what is to be done is given to them. Where other
processes want the cores too, all wait until each of the threads has had its turn, as in PyTorch's own operations;
so what is soon done is better done alone.
"""

import ctypes
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

_METHOD = multiprocessing.get_start_method(allow_none=True)  # without this it would be chosen from now on
_FORKED = multiprocessing.parent_process() is not None and _METHOD in (None, "fork")
HOME = None if _FORKED else os.getpid()
"""The process whose OpenMP threads are there; they do not survive a fork. To be imported before there is one."""

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class OpenMPRegion(NamedTuple):
    """How OpenMP begins and ends a parallel region, from the very library that PyTorch uses."""

    start: Callable[..., object]
    end: Callable[[], object]


def run_parallel(work: Callable[[], object], useful: int) -> None:
    """Call `work` in as many threads as PyTorch would take, this one among them, or only in so many.

    More than are useful may call it where there are at least two.
    """
    threads = min(torch.get_num_threads(), useful)
    if threads <= 1:
        work()
    elif (team := _openmp_region()) and os.getpid() == HOME:
        _in_torchs_threads(team, work)
    else:
        others = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


def _in_torchs_threads(team: OpenMPRegion, work: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(_: int) -> None:
        try:
            work()
        except BaseException as failure:  # nothing may pass through C
            failures.append(failure)

    # all of them, as a team that changes its size is slow to gather; who finds nothing to do goes back
    callback, threads = _CALLBACK(guarded), torch.get_num_threads()
    try:  # interrupts come after calls, and this one is the first, so there always is a region to end
        team.start(callback, None, threads)
        work()  # here and not in the callback, through which no interrupt would come
    finally:
        team.end()
    try:
        if failures:
            raise failures[0]
    finally:
        failures.clear()  # whose frames refer to it


@cache
def _openmp_region() -> OpenMPRegion | None:
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        openmp = ctypes.CDLL(str(library))  # its symbols are those of what it is linked to as well
        start, end = openmp.GOMP_parallel_start, openmp.GOMP_parallel_end
    except (OSError, AttributeError):  # another system, or another OpenMP
        return None
    start.argtypes, start.restype = [_CALLBACK, ctypes.c_void_p, ctypes.c_uint], None
    end.argtypes, end.restype = [], None
    return OpenMPRegion(start, end)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One for each process, as threads do not survive a fork; they begin when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lossmith")
