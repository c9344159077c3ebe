"""Whole pictures to test with: degraded, and clean as they should be."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import Tensor

from lossmith.degradations import Degradation, compact, from_8bit, is_gray
from lossmith.images.keeping import IN_MEMORY, Keeping
from lossmith.images.loading import load_all, read_cropped, read_together
from lossmith.images.pairing import common_scale
from lossmith.images.shelf import Shelved


@dataclass(frozen=True)
class Pair:
    """A whole picture to test with: float32, `degraded` (3, h, w) and `clean` (3, h * scale, w * scale).

    Clean values are in [0, 1]; degraded ones may lie outside, as noise is not clipped.
    """

    name: str
    degraded: Tensor
    clean: Tensor
    scale: int
    damage: str = ""
    """How it was degraded, where the damage has ranges and so pictures are tested at several levels of it."""

    @property
    def gray(self) -> bool:
        """Whether the clean picture is gray: its three channels are equal."""
        return is_gray(self.clean)


@dataclass(frozen=True)
class ShelvedPair:
    """A pair on a disk."""

    name: str
    degraded: Shelved
    clean: Shelved
    scale: int
    damage: str

    def read(self) -> Pair:
        degraded, clean = (_as_float(each.whole()) for each in (self.degraded, self.clean))
        return Pair(self.name, degraded, clean, self.scale, self.damage)


KeptPair = Pair | ShelvedPair


class ShelvedPairs(Sequence[Pair]):
    """Pairs that are read from a disk each time they are asked for."""

    def __init__(self, pairs: Sequence[ShelvedPair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> "ShelvedPairs": ...
    def __getitem__(self, index: int | slice) -> "Pair | ShelvedPairs":
        if isinstance(index, slice):
            return ShelvedPairs(self.pairs[index])
        return self.pairs[index].read()


def _kept(pair: Pair, keeping: Keeping) -> KeptPair:
    if keeping.shelf is None:
        return pair
    degraded, clean = (keeping.shelf.put(compact(each)) for each in (pair.degraded, pair.clean))
    return ShelvedPair(pair.name, degraded, clean, pair.scale, pair.damage)


def _pairs(kept: Sequence[KeptPair]) -> Sequence[Pair]:
    shelved = [pair for pair in kept if isinstance(pair, ShelvedPair)]
    return ShelvedPairs(shelved) if shelved else [pair for pair in kept if isinstance(pair, Pair)]


def _as_float(picture: Tensor) -> Tensor:
    return from_8bit(picture) if picture.dtype == torch.uint8 else picture


def test_pairs(
    paths: Sequence[Path],
    degradation: Degradation,
    seed: int = 0,  # noqa: PT028
    *,
    keeping: Keeping = IN_MEMORY,  # noqa: PT028
) -> Sequence[Pair]:
    """Degrade whole pictures.

    Sides that are no multiples of the scale lose their last rows and columns, as in the benchmarks. Randomness is
    a function of `seed` and the picture's name alone, so every loss meets the same noise; that of gray pictures is
    gray. Where the damage has ranges every picture is tested thrice: at their low ends, middles and high ends, as
    `name@low` and so on, but not where that is no damage at all.

    Raises LossmithError for pictures that cannot be read or are smaller than the scale.
    """

    levels, of_gray = degradation.levels, degradation.for_gray().levels

    def load(path: Path, name: str) -> list[KeptPair]:
        clean = from_8bit(read_cropped(path, degradation.scale))
        return [
            _kept(
                Pair(
                    f"{name}@{level}" if level else name,
                    damage(clean, picture_rng(seed, name)),
                    clean,
                    degradation.scale,
                    str(levels[level]) if level else "",
                ),
                keeping,
            )
            for level, damage in (of_gray if is_gray(clean) else levels).items()
        ]

    loads = [partial(load, path, name) for path, name in zip(paths, picture_names(paths), strict=True)]
    return _pairs([pair for pairs in load_all(loads, threads=keeping.threads) for pair in pairs])


test_pairs.__test__ = False  # type: ignore[attr-defined]  # the name makes pytest take it for a test


def folder_pairs(pairs: Sequence[tuple[Path, Path]], *, keeping: Keeping = IN_MEMORY) -> Sequence[Pair]:
    """Read pictures that somebody else degraded: what `pair_folders` has found, (clean, degraded)."""
    scale = common_scale(pairs)

    def load(clean: Path, degraded: Path, name: str) -> KeptPair:
        large, small = read_together(clean, degraded, scale)
        return _kept(Pair(name, from_8bit(small), from_8bit(large), scale), keeping)

    names = picture_names([clean for clean, _ in pairs])
    loads = [partial(load, *pair, name) for pair, name in zip(pairs, names, strict=True)]
    return _pairs(load_all(loads, threads=keeping.threads))


def picture_names(paths: Sequence[Path]) -> list[str]:
    """One name for each picture: its stem, preceded by its folders and with its ending only to tell it apart.

    >>> picture_names([Path("a/1.png"), Path("b/2.png"), Path("b/1.png"), Path("b/1.jpg")])
    ['a-1', '2', 'b-1.png', 'b-1.jpg']
    """
    forms = [_forms(path) for path in paths]
    level = [0] * len(paths)
    for _ in range(max((len(form) for form in forms), default=0)):
        taken = Counter(form[i] for form, i in zip(forms, level, strict=True))
        level = [min(i + (taken[form[i]] > 1), len(form) - 1) for form, i in zip(forms, level, strict=True)]
    return [form[i] for form, i in zip(forms, level, strict=True)]


def _forms(path: Path) -> list[str]:
    folders = [part.strip("/\\:") for part in path.parts[:-1]]
    longer = [
        "-".join([*folders[-depth:], name])
        for depth in range(1, len(folders) + 1)
        for name in (path.stem, path.name)
    ]
    return [path.stem, *longer]


def picture_rng(seed: int, name: str) -> np.random.Generator:
    """The generator for one picture's damage: the same for whoever asks.

    >>> [int(picture_rng(0, "baby").integers(1000)) for _ in range(2)]
    [18, 18]
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
