"""Atomic file writes, and checks and names of output paths."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path

from lossmith.core.errors import LossmithError

MAX_NAME_BYTES = 100
"""Bytes in a file's name before its ending; many file systems take 255 in all, some fewer."""

DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk, an exceeded quota, and a limit on the size of files."""

FILE_EXTENSIONS = (
    *(".safetensors", ".pth", ".pt", ".ckpt", ".onnx"),
    *(".html", ".htm", ".csv", ".json", ".yaml", ".yml", ".txt", ".log", ".zip"),
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pbm"),
)
"""Extensions that show that `out` was meant as a file, where it must be a folder."""


def check_folder(out: Path, what: str) -> None:
    """Raise LossmithError if an output folder is a file, or does not exist and has the extension of a file."""
    if out.is_dir():
        return
    if out.exists():
        raise LossmithError(f"'{out}' is a file, and `out` is the folder of {what}; choose another")
    if out.suffix.lower() in FILE_EXTENSIONS:
        problem = f"'{out}' is called like a file, and `out` is the folder of {what}"
        raise LossmithError(f"{problem}; name a folder, such as '{out.with_suffix('')}'")


def refuse_existing(*paths: Path) -> None:
    """Raise LossmithError if one of the output files exists already."""
    if existing := next((path for path in paths if path.exists()), None):
        raise LossmithError(f"{existing} exists already; choose another `out`")


def refuse_links(folder: Path) -> None:
    """Raise LossmithError for symlinks in a work folder, through which files elsewhere could be overwritten."""
    if link := next((path for path in (folder, *folder.glob("*")) if path.is_symlink()), None):
        raise LossmithError(f"'{link}' is a link, which may lead anywhere; remove it")


def path_list(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """One path or several, as a list.

    >>> [path.name for path in path_list("a.png")], [path.name for path in path_list(["a.png", Path("b.png")])]
    (['a.png'], ['a.png', 'b.png'])
    """
    return [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_write(path: Path, previous: Path | None = None) -> Iterator[Path]:
    """A temporary path beside `path`; the file written there replaces `path` if the block succeeds.

    The old file is renamed to `previous`, if that is given.

    Raises LossmithError when the disk is full or the folder cannot be written; `path` is then unchanged.
    """
    tmp = hidden_path(path, f"{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp.unlink(missing_ok=True)  # if it were a symbolic link, its target would be overwritten
        yield tmp
        _to_disk(tmp)  # or a power cut could leave an empty file under the final name
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(tmp, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            tmp.unlink(missing_ok=True)


def hidden_path(path: Path, suffix: str) -> Path:
    """A hidden path beside `path` for work in progress; a very long name is shortened."""
    name = path.name if len(os.fsencode(path.name)) <= 2 * MAX_NAME_BYTES else safe_file_name(path.name)
    return path.with_name(f".{name}.{suffix}")


def _to_disk(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or a LossmithError that was made of it, is one of a full disk."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in DISK_FULL_ERRNOS


def write_error(path: Path, error: OSError) -> LossmithError:
    """The error for a file that could not be written."""
    advice = "; make room, and the same command goes on" if error.errno in DISK_FULL_ERRNOS else ""
    return LossmithError(f"cannot write {path}: {error.strerror or error}{advice}")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file atomically."""
    with atomic_write(path) as draft:
        draft.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_bytes(path, text.encode())


def remove_partial_files(folder: Path, name: str = "*") -> None:
    """Remove the partial files of `name`, a glob, that killed processes left in a folder that is not in use."""
    for draft in folder.glob(f".{name}.*.part"):
        with suppress(OSError):
            draft.unlink()


def safe_file_name(name: str) -> str:
    """A unique name that is valid on every file system, with room for an extension.

    >>> safe_file_name("mix"), safe_file_name("l1 + 0.1*tv")
    ('mix', 'l1-0.1-tv-973082')
    """
    safe = re.sub(r"[^\w.]+", "-", name).strip("-.")
    if name and safe == name and len(name.encode()) <= MAX_NAME_BYTES:
        return name
    beginning = safe.encode()[:60].decode(errors="ignore")
    return f"{beginning}-{sha256(name.encode()).hexdigest()[:6]}"
