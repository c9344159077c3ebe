"""Whole images to test with: degraded, and clean as they should be."""

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

from lossmith.data.disk_cache import Shelved
from lossmith.data.pairing import common_scale
from lossmith.data.parallel import parallel_map, read_cropped, read_together
from lossmith.data.storage import IN_MEMORY, Keeping
from lossmith.degradations import Degradation, compact, from_8bit, is_gray


@dataclass(frozen=True)
class ImagePair:
    """A whole image to test with: float32, `degraded` (3, h, w) and `clean` (3, h * scale, w * scale).

    Clean values are in [0, 1]; degraded ones may lie outside, as noise is not clipped.
    """

    name: str
    degraded: Tensor
    clean: Tensor
    scale: int
    degradation: str = ""
    """How it was degraded, where the damage has ranges and so images are tested at several levels of it."""

    @property
    def gray(self) -> bool:
        """Whether the clean image is gray: its three channels are equal."""
        return is_gray(self.clean)


@dataclass(frozen=True)
class ShelvedPair:
    """A pair on a disk."""

    name: str
    degraded: Shelved
    clean: Shelved
    scale: int
    degradation: str

    def read(self) -> ImagePair:
        degraded, clean = (_as_float(each.whole()) for each in (self.degraded, self.clean))
        return ImagePair(self.name, degraded, clean, self.scale, self.degradation)


KeptPair = ImagePair | ShelvedPair


class ShelvedPairs(Sequence[ImagePair]):
    """Pairs that are read from a disk each time they are asked for."""

    def __init__(self, pairs: Sequence[ShelvedPair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> ImagePair: ...
    @overload
    def __getitem__(self, index: slice) -> "ShelvedPairs": ...
    def __getitem__(self, index: int | slice) -> "ImagePair | ShelvedPairs":
        if isinstance(index, slice):
            return ShelvedPairs(self.pairs[index])
        return self.pairs[index].read()


def _kept(pair: ImagePair, keeping: Keeping) -> KeptPair:
    if keeping.shelf is None:
        return pair
    degraded, clean = (keeping.shelf.put(compact(each)) for each in (pair.degraded, pair.clean))
    return ShelvedPair(pair.name, degraded, clean, pair.scale, pair.degradation)


def _pairs(kept: Sequence[KeptPair]) -> Sequence[ImagePair]:
    shelved = [pair for pair in kept if isinstance(pair, ShelvedPair)]
    return ShelvedPairs(shelved) if shelved else [pair for pair in kept if isinstance(pair, ImagePair)]


def _as_float(image: Tensor) -> Tensor:
    return from_8bit(image) if image.dtype == torch.uint8 else image


def make_test_pairs(
    paths: Sequence[Path],
    degradation: Degradation,
    seed: int = 0,
    *,
    keeping: Keeping = IN_MEMORY,
) -> Sequence[ImagePair]:
    """Degrade whole images.

    Sides that are no multiples of the scale lose their last rows and columns, as in the benchmarks. Randomness is
    a function of `seed` and the image's name alone, so every loss meets the same noise; that of gray images is
    gray. Where the damage has ranges every image is tested thrice: at their low ends, middles and high ends, as
    `name@low` and so on, but not where that is no damage at all.

    Raises LossmithError for images that cannot be read or are smaller than the scale.
    """

    levels, of_gray = degradation.levels, degradation.for_gray().levels

    def load(path: Path, name: str) -> list[KeptPair]:
        clean = from_8bit(read_cropped(path, degradation.scale))
        return [
            _kept(
                ImagePair(
                    f"{name}@{level}" if level else name,
                    damage(clean, image_rng(seed, name)),
                    clean,
                    degradation.scale,
                    str(levels[level]) if level else "",
                ),
                keeping,
            )
            for level, damage in (of_gray if is_gray(clean) else levels).items()
        ]

    loads = [partial(load, path, name) for path, name in zip(paths, image_names(paths), strict=True)]
    return _pairs([pair for pairs in parallel_map(loads, threads=keeping.threads) for pair in pairs])


def load_test_pairs(pairs: Sequence[tuple[Path, Path]], *, keeping: Keeping = IN_MEMORY) -> Sequence[ImagePair]:
    """Read images that somebody else degraded: what `pair_folders` has found, (clean, degraded)."""
    scale = common_scale(pairs)

    def load(clean: Path, degraded: Path, name: str) -> KeptPair:
        large, small = read_together(clean, degraded, scale)
        return _kept(ImagePair(name, from_8bit(small), from_8bit(large), scale), keeping)

    names = image_names([clean for clean, _ in pairs])
    loads = [partial(load, *pair, name) for pair, name in zip(pairs, names, strict=True)]
    return _pairs(parallel_map(loads, threads=keeping.threads))


def image_names(paths: Sequence[Path]) -> list[str]:
    """One name for each image: its stem, preceded by its folders and with its ending only to tell it apart.

    >>> image_names([Path("a/1.png"), Path("b/2.png"), Path("b/1.png"), Path("b/1.jpg")])
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


def image_rng(seed: int, name: str) -> np.random.Generator:
    """The generator for one image's damage: the same for whoever asks.

    >>> [int(image_rng(0, "baby").integers(1000)) for _ in range(2)]
    [18, 18]
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
