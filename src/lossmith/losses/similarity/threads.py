"""Python functions in several threads at once: those of PyTorch, where they can be had.

PyTorch's threads look for work for some milliseconds after each of its operations, and hold the cores meanwhile.
Other threads would have to share these cores with them; so what is to be done is given to them.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

HOME = os.getpid()
"""The threads of GNU OpenMP do not survive a fork."""


def at_once(work: Callable[[], object], useful: int) -> None:
    """Call `work` in as many threads as PyTorch would take, this one among them, or only in so many.

    More than are useful may call it where there are at least two.
    """
    threads = min(torch.get_num_threads(), useful)
    if threads == 1:
        work()
    elif (parallel := _parallel()) and os.getpid() == HOME:
        _in_torchs_threads(parallel, work)
    else:
        others = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
        work()
        for other in others:
            other.result()


def _in_torchs_threads(parallel: Callable[..., object], work: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(_: int) -> None:
        try:
            work()
        except BaseException as failure:  # nothing may pass through C
            failures.append(failure)

    # all of them, as a team that changes its size is slow to gather; who finds nothing to do goes back
    parallel(_CALLBACK(guarded), None, torch.get_num_threads(), 0)
    if failures:
        raise failures[0]


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _parallel() -> Callable[..., object] | None:
    """What OpenMP begins a parallel region with, from the very library that PyTorch uses."""
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):  # another system, or another OpenMP
        return None
    parallel.argtypes, parallel.restype = [_CALLBACK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return parallel


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One for each process, as threads do not survive a fork; they begin when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lossmith")
