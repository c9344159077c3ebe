"""Keeps freed buffers in the process, where glibc would return them to the system after every tile."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# constants of glibc's malloc.h
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
RETAINING_SETTINGS = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 64 << 20}
DEFAULT_SETTINGS = {MMAP_MAX: 65536, TRIM_THRESHOLD: 128 << 10, TOP_PAD: 128 << 10}


@contextmanager
def retained_buffers() -> Iterator[None]:
    """Keep large buffers in the process when they are freed inside the block.

    glibc maps every buffer above 32 MB anew, and the system clears it page by page on first access, which takes as
    long as a third of the arithmetic of a network with many such buffers. Without glibc this does nothing. When
    the block ends, free memory is returned to the system.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, RETAINING_SETTINGS)
    try:
        yield
    finally:
        _set(library, DEFAULT_SETTINGS)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except (OSError, TypeError):
        return None


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for name, value in values.items():
        library.mallopt(name, value)
