"""Memory that is kept from one tile to the next, where the C library would give it back and ask for it anew."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# numbers of glibc's malloc.h
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
KEPT = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 64 << 20}
USUAL = {MMAP_MAX: 65536, TRIM_THRESHOLD: 128 << 10, TOP_PAD: 128 << 10}


@contextmanager
def retained_buffers() -> Iterator[None]:
    """Let the block keep large buffers when they are freed.

    glibc maps every buffer above 32 MB afresh, and the system clears it page by page when it is first touched; in
    a network that makes many such buffers this takes as long as a third of the arithmetic. Elsewhere than on
    glibc nothing changes. When the block ends, what is free is given back.
    """
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, KEPT)
    try:
        yield
    finally:
        _set(library, USUAL)
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
