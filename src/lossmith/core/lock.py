"""A lock that lets only one process at a time work in a folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from lossmith.core.errors import LossmithError
from lossmith.core.files import remove_partial_files, write_error

try:
    import fcntl
except ModuleNotFoundError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes during the block; it is created if need be.

    The operating system holds the lock on the file `.lock`, and releases it when this process ends, however it
    ends. On a file system without locks nothing is locked. Partial files of killed processes are removed; so are,
    at the end, the lock file and, if it is empty, the folder.

    Raises LossmithError when another process holds the lock, or the folder cannot be written.
    """
    new_folders = [ancestor for ancestor in (folder, *folder.parents) if not ancestor.exists()]
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _open_locked(path)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        remove_partial_files(folder)
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        file.close()
        with suppress(OSError):  # the first that is not empty raises it
            for ancestor in new_folders:
                ancestor.rmdir()


def _open_locked(path: Path) -> FileIO:
    """The lock file, open and locked."""
    while True:
        file = path.open("ab+", buffering=0)
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().decode(errors="replace")
            file.close()
            raise LossmithError(
                f"{path.parent} is in use by another lossmith{f' ({owner})' if owner else ''}; "
                "wait until it has ended, or choose another `out`"
            ) from error
        except OSError:  # the file system has no locks
            return file
        if _is_same_file(path, file):
            with suppress(OSError):  # on a full disk the owner stays unnamed
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            return file
        file.close()  # its last owner deleted it after it was opened here: try again


def _is_same_file(path: Path, file: FileIO) -> bool:
    """Whether the path still leads to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
