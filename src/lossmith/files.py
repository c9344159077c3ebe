"""Files are written whole, or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from lossmith.errors import LossmithError

LONGEST = 100
"""Bytes in a file's name before its ending; many file systems take 255 in all, some fewer."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there takes its place when the block ends well.

    Raises LossmithError when the disk is full or the folder cannot be written; `path` is then as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        _to_disk(draft)  # or a power cut could leave an empty file under the final name
        os.replace(draft, path)
    except OSError as error:
        raise LossmithError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def file_name(name: str) -> str:
    """A name that any file system takes, with room for an ending; different for different names.

    >>> file_name("mix"), file_name("l1 + 0.1*tv")
    ('mix', 'l1-0.1-tv-973082')
    """
    safe = re.sub(r"[^\w.]+", "-", name).strip("-.")
    if safe == name and len(name.encode()) <= LONGEST:
        return name
    beginning = safe.encode()[:60].decode(errors="ignore")
    return f"{beginning}-{sha256(name.encode()).hexdigest()[:6]}"
