"""Files of `torch.save` by anybody, read as far as they hold nothing but tensors and plain values."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

ARCHIVE = b"PK\x03\x04"
"""What an archive begins with; torch knows them by it, too."""


def load_pickle(path: Path) -> Any:
    """What the file holds; no code in it is ever run.

    Raises whatever a damaged or a dangerous file makes the readers raise. torch does not compress, so an archive
    that unpacks to more than itself is none of its making, and could fill the memory from a few kilobytes.
    """
    with path.open("rb") as file:
        archived = file.read(len(ARCHIVE)) == ARCHIVE
    if archived:
        with ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > path.stat().st_size:
                raise ValueError("it unpacks to more than itself, as no file of PyTorch does")
    return torch.load(path, map_location="cpu", weights_only=True)
