"""One process at a time works in a folder."""

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
except ModuleNotFoundError:  # on Windows nothing keeps a second process out
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep every other process out of a folder during the block; it is made if need be.

    The lock is the operating system's, on the file `.lock`, so it ends with this process however that ends. Where
    the file system knows no locks there is none. Drafts that a killed process left in the folder are cleared away,
    and so are the lock's file and, if nothing was put into it, the folder.

    Raises LossmithError when another process is there, or the folder cannot be written.
    """
    new_folders = [ancestor for ancestor in (folder, *folder.parents) if not ancestor.exists()]
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        remove_partial_files(folder)
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        file.close()
        with suppress(OSError):  # raised by the first that is not empty
            for ancestor in new_folders:
                ancestor.rmdir()


def _locked(path: Path) -> FileIO:
    """The file, open and locked."""
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
        except OSError:  # this file system knows no locks
            return file
        if _is_still(path, file):
            with suppress(OSError):  # a full disk: then it is not said who it is
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            return file
        file.close()  # it was taken away by who had it, in this very moment


def _is_still(path: Path, file: FileIO) -> bool:
    """Whether the name is still that of the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
