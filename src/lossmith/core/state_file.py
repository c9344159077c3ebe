"""Checkpoint files with a checksum, and the previous one as a fallback."""

import logging
import os
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from lossmith.core.errors import LossmithError
from lossmith.core.files import atomic_write, write_error

logger = logging.getLogger(__name__)

State = dict[str, Any]
CHECKSUM_MARKER = b"\nsha256 "
"""Separates the content of a file from its checksum."""
CHECKSUM_BYTES = len(CHECKSUM_MARKER) + 64


@dataclass(frozen=True)
class CheckpointFile:
    """A training state on disk, and the previous one, which is used when the latest is damaged.

    A file is what `torch.save` writes, followed by its SHA-256: a flipped bit in a weight would otherwise go
    unnoticed.
    """

    path: Path
    format: str
    """The format name that this version writes; it changes with the entries of the states."""
    recovery_hint: str
    """What happens when the files are deleted, such as "start this run anew"."""

    @property
    def previous(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.previous{self.path.suffix}")

    @property
    def exists(self) -> bool:
        return bool(self._files)

    @property
    def _files(self) -> list[Path]:
        return [path for path in (self.path, self.previous) if path.is_file()]

    def save(self, state: State) -> None:
        """Write a state atomically, and keep the previous one. Raises LossmithError if it cannot be written."""
        content = BytesIO()
        torch.save({"format": self.format, **state}, content)
        content.write(CHECKSUM_MARKER + sha256(content.getbuffer()).hexdigest().encode())
        with atomic_write(self.path, self.previous) as draft:
            draft.write_bytes(content.getbuffer())

    def load(self) -> State | None:
        """The latest undamaged state, on the CPU; None if there is no file.

        Raises LossmithError if all files are damaged, or if one was written in another format.
        """
        files = self._files
        for path in files:
            if (state := self._read(path)) is not None:
                if path != files[0]:
                    self._use_previous()
                return state
        if files:
            single = len(files) == 1
            raise LossmithError(
                f"{' and '.join(map(str, files))} {'is' if single else 'are'} damaged; "
                f"delete {'it' if single else 'both'} to {self.recovery_hint}"
            )
        return None

    def _use_previous(self) -> None:
        """Replace the damaged file by the previous one; otherwise the next `save` would keep the damaged one."""
        logger.warning(
            f"{self.path} is damaged (its checksum is wrong), so this goes on from the state saved before it"
        )
        try:
            os.replace(self.previous, self.path)
        except OSError as error:
            raise write_error(self.path, error) from error

    def _read(self, path: Path) -> State | None:
        """The state in a file; None if it is damaged."""
        try:
            content = path.read_bytes()
        except PermissionError as error:
            raise LossmithError(f"cannot read {path}: {error.strerror}") from error
        except OSError:  # a read error of the disk
            return None
        try:
            state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
            stored_format = state.get("format")
        except Exception:  # a damaged file can make the reader raise anything
            return None
        if stored_format == self.format:
            return dict(state) if _is_intact(content) else None
        if content[-CHECKSUM_BYTES : -CHECKSUM_BYTES + len(CHECKSUM_MARKER)] == CHECKSUM_MARKER and not _is_intact(
            content
        ):
            return None
        # the other file is probably of that version, too
        others = "".join(f" and {file.name}" for file in self._files if file != path)
        raise LossmithError(
            f"{path} was written by another version of lossmith, and this one cannot go on from it; "
            f"delete it{others} to {self.recovery_hint}"
        )


def _is_intact(content: bytes) -> bool:
    """Whether a file's content has the checksum that it ends with."""
    body = memoryview(content)[:-CHECKSUM_BYTES]
    return content[-CHECKSUM_BYTES:] == CHECKSUM_MARKER + sha256(body).hexdigest().encode()
