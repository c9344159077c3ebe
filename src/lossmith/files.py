"""Files are written whole, or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from lossmith.errors import LossmithError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there takes its place when the block ends well.

    Raises LossmithError when the disk is full or the folder cannot be written; `path` is then as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        os.replace(draft, path)
    except OSError as error:
        raise LossmithError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")


def file_name(name: str) -> str:
    """A name that any file system takes, different for different names.

    >>> file_name("mix"), file_name("l1 + 0.1*tv")
    ('mix', 'l1-0.1-tv-973082')
    """
    safe = re.sub(r"[^\w.]+", "-", name).strip("-.")
    return safe if safe == name else f"{safe[:60]}-{sha256(name.encode()).hexdigest()[:6]}"
