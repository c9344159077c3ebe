"""The Berkeley-Adobe Perceptual Patch Similarity data set (BAPPS), in its published folders.

2afc/train/{traditional,cnn,mix} and 2afc/val/{traditional,cnn,superres,deblur,color,frameinterp} hold a file a
triplet in each of their folders ref, p0 and p1 (patches) and judge (an array of one number: the fraction of people
for whom p1 is nearer to ref). jnd/val/{traditional,cnn} hold a file a pair in p0, p1 and same (the fraction of
people to whom both look the same).

Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data import read_image
from lossmith.data.parallel import parallel_map

PATCH = 64
"""Side of a patch in pixels, as people and networks saw it."""
KINDS = {
    "2afc/train": ("traditional", "cnn", "mix"),
    "2afc/val": ("traditional", "cnn", "superres", "deblur", "color", "frameinterp"),
    "jnd/val": ("traditional", "cnn"),
}
PARTS = {"2afc": ("ref", "p0", "p1", "judge"), "jnd": ("p0", "p1", "same")}
"""Folders of a split; the last holds what people said."""


@dataclass(frozen=True)
class Split:
    """The triplets or pairs of one folder, such as 2afc/val/cnn."""

    name: str
    kind: str
    folder: Path
    parts: tuple[str, ...]
    """Folders of patches, the reference first."""
    files: tuple[tuple[str, ...], ...]
    """The names of the files in these, item by item."""
    judgements: NDArray[np.float64]
    """What people said, (N,) in [0, 1]."""
    sha256: str
    """Of all these files."""

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, size: int) -> Iterator[list[Tensor]]:
        """The patches of `size` items at a time, in order: for each part uint8 (n, 3, 64, 64)."""
        for start in range(0, len(self), size):
            items = self.files[start : start + size]
            paths = [
                self.folder / part / name for item in items for part, name in zip(self.parts, item, strict=True)
            ]
            patches = torch.stack(parallel_map([partial(read_patch, path) for path in paths]))
            yield list(patches.view(len(items), len(self.parts), 3, PATCH, PATCH).unbind(1))


@dataclass(frozen=True)
class Bapps:
    """As much of the data set as there is."""

    train: tuple[Split, ...]
    two_afc: tuple[Split, ...]
    jnd: tuple[Split, ...]

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """SHA-256 of the files of each split."""
        return {split.name: split.sha256 for split in (*self.train, *self.two_afc, *self.jnd)}


def is_bapps(folder: Path) -> bool:
    """Whether a folder holds the data set, or a part of it."""
    return any((folder / part).is_dir() for part in PARTS)


def read_bapps(folder: Path, patches: int | None) -> Bapps:
    """List the data set and read what people said.

    Parameters
    ----------
    folder
        It has 2afc or jnd in it, or both.
    patches
        How many items of each split are used, at equal distances in the order of their names; None for all.

    Raises LossmithError if there is nothing to test with, for a file without its counterparts, and for a judgement
    that is not a number between 0 and 1.
    """
    train, two_afc, jnd = (
        tuple(
            _read_split(folder, f"{group}/{kind}", patches) for kind in kinds if (folder / group / kind).is_dir()
        )
        for group, kinds in KINDS.items()
    )
    if not two_afc and not jnd:
        raise LossmithError(
            f"'{folder}' has no patches to test with; BAPPS has them in folders such as 2afc/val/cnn and "
            "jnd/val/cnn"
        )
    return Bapps(train, two_afc, jnd)


def read_patch(path: Path) -> Tensor:
    """A patch, uint8 (3, 64, 64).

    The published files have 256 x 256 pixels, and the authors' scripts bring them to 64 x 64 in this way before
    networks see them.
    """
    patch = read_image(path)
    if patch.shape[1:] == (PATCH, PATCH):
        return patch
    pixels = Image.fromarray(patch.permute(1, 2, 0).numpy()).resize((PATCH, PATCH), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


def _read_split(root: Path, name: str, patches: int | None) -> Split:
    folder, parts = root / name, PARTS[name.split("/")[0]]
    listings = [_files_by_stem(folder / part) for part in parts]
    for part, listing in zip(parts, listings, strict=True):
        if missing := sorted(set().union(*listings) - listing.keys()):
            raise LossmithError(
                f"'{folder / part}' has no file '{missing[0]}', which other folders beside it have; each of "
                f"{', '.join(parts)} must hold a file an item"
            )
    stems = sorted(listings[0])
    if not stems:
        raise LossmithError(f"'{folder}' is empty; its folders {', '.join(parts)} must hold a file an item")
    count = min(patches or len(stems), len(stems))
    used = [stems[index * len(stems) // count] for index in range(count)]
    files = [tuple(listing[stem] for listing in listings) for stem in used]
    judgements = np.array([_judgement(folder / parts[-1] / names[-1]) for names in files])
    digest = sha256()
    for names in files:
        for part, file in zip(parts, names, strict=True):
            digest.update(f"{part}/{file}\n".encode() + sha256((folder / part / file).read_bytes()).digest())
    kind = name.rpartition("/")[2]
    return Split(
        name, kind, folder, parts[:-1], tuple(names[:-1] for names in files), judgements, digest.hexdigest()
    )


def _files_by_stem(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise LossmithError(
            f"there is no folder '{folder}'; take it from the published BAPPS, or take its parent away"
        )
    return {path.stem: path.name for path in folder.iterdir() if not path.name.startswith(".")}


def _judgement(path: Path) -> float:
    """The number in a file."""
    try:
        values = np.load(path, allow_pickle=False)
        value = float(values.reshape(-1)[0]) if values.size == 1 else float("nan")
    except Exception as error:  # NumPy raises many kinds for a damaged file
        raise LossmithError(f"'{path}' is not an array of NumPy with one number") from error
    if not 0 <= value <= 1:
        raise LossmithError(f"'{path}' must hold one number between 0 and 1, the fraction of people")
    return value


__all__ = ["Bapps", "Split", "is_bapps", "read_bapps", "read_patch"]
