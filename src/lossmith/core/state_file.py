"""The file from which a stopped run goes on, and the one before it."""

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
"""What stands between the content of a file and its digest."""
CHECKSUM_BYTES = len(CHECKSUM_MARKER) + 64


@dataclass(frozen=True)
class CheckpointFile:
    """A state on disk, and the one before it, which is used when the latest is found to be damaged.

    A file is what `torch.save` writes, with its own SHA-256 after it: a bit that fell over in a weight would
    otherwise go unnoticed.
    """

    path: Path
    format: str
    """The mark of what this version writes: to be changed with what the states hold."""
    recovery_hint: str
    """What is lost without it, such as "start this run anew"."""

    @property
    def previous(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.previous{self.path.suffix}")

    @property
    def exists(self) -> bool:
        return self.path.is_file() or self.previous.is_file()

    def save(self, state: State) -> None:
        """Write a state whole, and keep the one before. Raises LossmithError when it cannot be written."""
        content = BytesIO()
        torch.save({"format": self.format, **state}, content)
        content.write(CHECKSUM_MARKER + sha256(content.getbuffer()).hexdigest().encode())
        with atomic_write(self.path, self.previous) as draft:
            draft.write_bytes(content.getbuffer())

    def load(self) -> State | None:
        """The latest whole state, in the processor's memory; None when there is no file.

        Raises LossmithError when no file is whole, or it was written by a version that kept other things.
        """
        files = [path for path in (self.path, self.previous) if path.is_file()]
        for path in files:
            if (state := self._read(path)) is not None:
                if path != files[0]:
                    self._use_previous()
                return state
        if files:
            one = len(files) == 1
            raise LossmithError(
                f"{' and '.join(map(str, files))} {'is' if one else 'are'} damaged; "
                f"delete {'it' if one else 'both'} to {self.recovery_hint}"
            )
        return None

    def _use_previous(self) -> None:
        """In the place of the damaged one, which would otherwise become the former one at the next saving."""
        logger.warning(
            f"{self.path} is damaged (its checksum is wrong), so this goes on from the state saved before it"
        )
        try:
            os.replace(self.previous, self.path)
        except OSError as error:
            raise write_error(self.path, error) from error

    def _read(self, path: Path) -> State | None:
        """What a file holds; None if it is damaged."""
        try:
            content = path.read_bytes()
        except PermissionError as error:
            raise LossmithError(f"cannot read {path}: {error.strerror}") from error
        except OSError:  # a disk that gives an error for a broken sector
            return None
        try:
            state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
            form = state.get("format")
        except Exception:  # whatever a damaged file makes the reader raise
            return None
        if form == self.format:
            return dict(state) if _is_whole(content) else None
        if content[-CHECKSUM_BYTES : -CHECKSUM_BYTES + len(CHECKSUM_MARKER)] == CHECKSUM_MARKER and not _is_whole(
            content
        ):
            return None
        raise LossmithError(
            f"{path} was written by another version of lossmith, and this one cannot go on from it; "
            f"delete it to {self.recovery_hint}"
        )


def _is_whole(content: bytes) -> bool:
    body = memoryview(content)[:-CHECKSUM_BYTES]
    return content[-CHECKSUM_BYTES:] == CHECKSUM_MARKER + sha256(body).hexdigest().encode()
