"""Python functions in several threads at once: in PyTorch's own OpenMP threads, if they are accessible.

PyTorch's threads spin for some milliseconds after each of its operations and occupy the cores. Other threads would
share these cores with them, so the work is given to them. If other processes need the cores too, all threads
wait for the last one, as in PyTorch's own operations, so small work is better done in one thread.
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

_METHOD = multiprocessing.get_start_method(allow_none=True)  # allow_none does not fix the method from now on
_FORKED = multiprocessing.parent_process() is not None and _METHOD in (None, "fork")
HOME = None if _FORKED else os.getpid()
"""The process with OpenMP threads, which do not survive a fork; this module is to be imported before one."""

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class OpenMPRegion(NamedTuple):
    """The functions that begin and end a parallel region, from the OpenMP library that PyTorch uses."""

    start: Callable[..., object]
    end: Callable[[], object]


def run_parallel(work: Callable[[], object], useful: int) -> None:
    """Call `work` in as many threads as PyTorch uses, including this one.

    Parameters
    ----------
    work
        Takes shares of the work until none is left; it is called once in every thread.
    useful
        The number of threads that have enough to do. With one, no other thread is used; with more, all of
        PyTorch's may be.
    """
    threads = min(torch.get_num_threads(), useful)
    if threads <= 1:
        work()
    elif (region := _openmp_region()) and os.getpid() == HOME:
        _in_torchs_threads(region, work)
    else:
        others = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


def _in_torchs_threads(region: OpenMPRegion, work: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(_: int) -> None:
        try:
            work()
        except BaseException as failure:  # no exception may pass through C
            failures.append(failure)

    # all threads, since a team that changes its size is slow to start; those without work return at once
    callback, threads = _CALLBACK(guarded), torch.get_num_threads()
    try:  # an interrupt is raised after a call, and `start` is the first, so there is always a region to end
        region.start(callback, None, threads)
        work()  # here and not in the callback, where an interrupt would be lost
    finally:
        region.end()
    try:
        if failures:
            raise failures[0]
    finally:
        failures.clear()  # breaks the reference cycle through their frames


@cache
def _openmp_region() -> OpenMPRegion | None:
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        openmp = ctypes.CDLL(str(library))  # gives access to the symbols of the libraries it links to
        start, end = openmp.GOMP_parallel_start, openmp.GOMP_parallel_end
    except (OSError, AttributeError):  # another system, or another OpenMP
        return None
    start.argtypes, start.restype = [_CALLBACK, ctypes.c_void_p, ctypes.c_uint], None
    end.argtypes, end.restype = [], None
    return OpenMPRegion(start, end)


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The thread pool of a process, since threads do not survive a fork; threads start when first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lossmith")
