"""Pictures in memory to train on, with everything done to them that need be done only once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lossmith.degradations import Degradation, from_8bit, to_8bit
from lossmith.images.loading import Progress, load_all, read_cropped
from lossmith.images.pairing import common_scale
from lossmith.images.pairs import picture_names
from lossmith.images.reading import read_picture


@dataclass(frozen=True)
class Source:
    """What patches are cut from: pictures in memory, decoded once, a few bytes per pixel.

    Made by `degraded_source` or `paired_source`. `started` is what the deterministic links before the first
    random one have made of `clean`, once and for all; `rest` is what must still be done to it for every patch.
    """

    names: tuple[str, ...]
    clean: tuple[Tensor, ...]
    """uint8 (3, H, W)."""
    started: tuple[Tensor, ...]
    """(3, H / s, W / s): uint8 where every value is k / 255, else float32; `clean` itself if nothing was done."""
    scale: int
    """By how much the degraded patches will be smaller."""
    rest: Degradation | None = None


def degraded_source(paths: Sequence[Path], degradation: Degradation, progress: Progress | None = None) -> Source:
    """Clean pictures, and the damage to do to them.

    Sides that are no multiples of the scale lose their last rows and columns. DIV2K's 800 pictures take 7 GB, and
    what is made of them once is kept beside them: as much again for JPEG, a sixteenth for bicubic(4).

    Raises LossmithError for pictures that cannot be read or are smaller than the scale.
    """
    first, rest = degradation.split()

    def load(path: Path) -> tuple[Tensor, Tensor]:
        clean = read_cropped(path, degradation.scale)
        return clean, clean if first is None else compact(first(from_8bit(clean)))

    loaded = load_all([partial(load, path) for path in paths], progress)
    return Source(tuple(picture_names(paths)), *_columns(loaded), degradation.scale, rest)


def paired_source(pairs: Sequence[tuple[Path, Path]], progress: Progress | None = None) -> Source:
    """Pictures that somebody else degraded: what `pair_folders` has found, (clean, degraded)."""
    scale = common_scale(pairs)

    def load(clean: Path, degraded: Path) -> tuple[Tensor, Tensor]:
        return read_cropped(clean, scale), read_picture(degraded)

    loaded = load_all([partial(load, *pair) for pair in pairs], progress)
    return Source(tuple(picture_names([clean for clean, _ in pairs])), *_columns(loaded), scale)


def compact(picture: Tensor) -> Tensor:
    """A float picture as uint8 if that loses nothing, as float32 otherwise.

    >>> compact(torch.tensor([0.0, 0.2])).dtype, compact(torch.tensor([0.0, 0.21])).dtype
    (torch.uint8, torch.float32)
    """
    rounded = to_8bit(picture)
    return rounded if torch.equal(from_8bit(rounded, picture.dtype), picture) else picture.float()


def _columns(rows: Iterable[tuple[Tensor, Tensor]]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    clean, started = zip(*rows, strict=True)
    return clean, started
