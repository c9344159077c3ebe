"""Pairs of whole images to test with: degraded and clean."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
from torch import Tensor

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data.disk_cache import CachedImage
from lossmith.data.pairing import common_scale
from lossmith.data.parallel import parallel_map
from lossmith.data.picture_reader import RGB_READER, CleanImage, PictureReader
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.degradations import Degradation, is_gray


@dataclass(frozen=True)
class ImagePair:
    """A degraded image and its clean one, whole: float32 (C, h, w) and (C, h * scale, w * scale).

    Both are on the scale of the range of a format. Clean values of 8-bit files are in [0, 1]; degraded ones may
    lie outside, as noise is not clipped. Pixels that do not count are NaN in the clean image, in all channels;
    the degraded one has no NaN.
    """

    name: str
    degraded: Tensor
    clean: Tensor
    scale: int
    degradation: str = ""
    """Its expression, where it has ranges, so that images are tested at several levels of it."""

    @property
    def gray(self) -> bool:
        """Whether the three channels of the clean image are equal."""
        return self.clean.shape[0] == 3 and is_gray(self.clean)


@dataclass(frozen=True)
class CachedPair:
    """An `ImagePair` in a disk cache."""

    name: str
    degraded: CachedImage
    clean: CachedImage
    scale: int
    degradation: str
    pixels: PixelFormat

    def read(self) -> ImagePair:
        """The pair, in memory."""
        degraded, clean = (self.pixels.to_unit(image.read()) for image in (self.degraded, self.clean))
        return ImagePair(self.name, degraded, clean, self.scale, self.degradation)


StoredPair = ImagePair | CachedPair


class CachedPairs(Sequence[ImagePair]):
    """A sequence of pairs, each read from the disk every time it is asked for."""

    def __init__(self, pairs: Sequence[CachedPair]) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    @overload
    def __getitem__(self, index: int) -> ImagePair: ...
    @overload
    def __getitem__(self, index: slice) -> "CachedPairs": ...
    def __getitem__(self, index: int | slice) -> "ImagePair | CachedPairs":
        if isinstance(index, slice):
            return CachedPairs(self.pairs[index])
        return self.pairs[index].read()


@dataclass(frozen=True)
class JoinedPairs(Sequence[ImagePair]):
    """Some test images and then others, each read when it is asked for."""

    first: Sequence[ImagePair]
    second: Sequence[ImagePair]

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    @overload
    def __getitem__(self, index: int) -> ImagePair: ...
    @overload
    def __getitem__(self, index: slice) -> list[ImagePair]: ...
    def __getitem__(self, index: int | slice) -> ImagePair | list[ImagePair]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        count = len(self.first)
        return self.first[place] if place < count else self.second[place - count]


def _store(pair: ImagePair, pixels: PixelFormat, storage: Storage) -> StoredPair:
    if storage.cache is None:
        return pair
    degraded, clean = (storage.cache.put(pixels.compact(image)) for image in (pair.degraded, pair.clean))
    return CachedPair(pair.name, degraded, clean, pair.scale, pair.degradation, pixels)


def _as_sequence(pairs: Sequence[StoredPair]) -> Sequence[ImagePair]:
    cached = [pair for pair in pairs if isinstance(pair, CachedPair)]
    return CachedPairs(cached) if cached else [pair for pair in pairs if isinstance(pair, ImagePair)]


def make_test_pairs(
    paths: Sequence[Path],
    degradation: Degradation,
    seed: int = 0,
    *,
    storage: Storage = IN_MEMORY,
    reader: PictureReader = RGB_READER,
) -> Sequence[ImagePair]:
    """Degrade whole images.

    Randomness is a function of `seed` and the image's name alone, so every loss is tested on the same noise; that
    of gray images is gray. Where parameters of the degradation are ranges, every image is tested three times, at
    their low ends, middles and high ends, as `name@low` and so on; a level that changes nothing is left out.

    Parameters
    ----------
    paths
        Files of clean images. Sides that are not multiples of the scale lose their last rows and columns, as in
        the benchmarks.
    degradation
        How to degrade them.
    seed
        Of random degradations.
    storage
        Where to store the pairs.
    reader
        The format of the images, and which pixels do not count.

    Raises
    ------
    LossmithError
        For images that cannot be read or are smaller than the scale.
    """

    degradation = degradation.for_pixels(reader.pixels)

    def load(path: Path, name: str) -> list[StoredPair]:
        picture = reader.read(path, degradation.scale)
        pairs = degraded_pairs(name, picture, degradation, seed, pixels=reader.pixels)
        return [_store(pair, reader.pixels, storage) for pair in pairs]

    loads = [partial(load, path, name) for path, name in zip(paths, image_names(paths), strict=True)]
    return _as_sequence([pair for pairs in parallel_map(loads, threads=storage.threads) for pair in pairs])


def degraded_pairs(
    name: str, picture: CleanImage, degradation: Degradation, seed: int = 0, *, pixels: PixelFormat = RGB_8BIT
) -> list[ImagePair]:
    """The pairs of one clean image as those of `make_test_pairs`: one for each level."""
    target, levels = pixels.to_unit(picture.target), degradation.levels
    source = target if picture.source is picture.target else pixels.to_unit(picture.source)
    gray = pixels.channels == 3 and is_gray(source)
    return [
        ImagePair(
            f"{name}@{level}" if level else name,
            degrade(source, image_rng(seed, name)),
            target,
            degradation.scale,
            str(levels[level]) if level else "",
        )
        for level, degrade in (degradation.for_gray().levels if gray else levels).items()
    ]


def load_test_pairs(
    pairs: Sequence[tuple[Path, Path]],
    *,
    storage: Storage = IN_MEMORY,
    reader: PictureReader = RGB_READER,
) -> Sequence[ImagePair]:
    """Read given pairs of files, (clean, degraded), such as `pair_folders` finds."""
    scale, pixels = common_scale(pairs), reader.pixels

    def load(clean_path: Path, degraded_path: Path, name: str) -> StoredPair:
        (clean, _), degraded = reader.read_pair(clean_path, degraded_path, scale)
        return _store(ImagePair(name, pixels.to_unit(degraded), pixels.to_unit(clean), scale), pixels, storage)

    names = image_names([clean for clean, _ in pairs])
    loads = [partial(load, *pair, name) for pair, name in zip(pairs, names, strict=True)]
    return _as_sequence(parallel_map(loads, threads=storage.threads))


def renamed(pairs: Sequence[ImagePair], names: Sequence[str]) -> Sequence[ImagePair]:
    """The same pairs under other names, one for each."""
    if isinstance(pairs, CachedPairs):
        return CachedPairs([replace(pair, name=name) for pair, name in zip(pairs.pairs, names, strict=True)])
    return [replace(pair, name=name) for pair, name in zip(pairs, names, strict=True)]


def image_names(paths: Sequence[Path]) -> list[str]:
    """A unique name for each image: its stem, with its suffix and the folders around it only where needed.

    >>> image_names([Path("a/1.png"), Path("b/2.png"), Path("b/1.png"), Path("b/1.jpg")])
    ['a-1', '2', 'b-1.png', 'b-1.jpg']
    """
    candidates = [_name_candidates(path) for path in paths]
    chosen = [0] * len(paths)
    for _ in range(max((len(names) for names in candidates), default=0)):
        counts = Counter(names[i] for names, i in zip(candidates, chosen, strict=True))
        chosen = [
            min(i + (counts[names[i]] > 1), len(names) - 1) for names, i in zip(candidates, chosen, strict=True)
        ]
    return [names[i] for names, i in zip(candidates, chosen, strict=True)]


def _name_candidates(path: Path) -> list[str]:
    """Names for an image, from the shortest to the longest."""
    folders = [part.strip("/\\:") for part in path.parts[:-1]]
    longer = [
        "-".join([*folders[-depth:], name])
        for depth in range(1, len(folders) + 1)
        for name in (path.stem, path.name)
    ]
    return [path.stem, *longer]


def image_rng(seed: int, name: str) -> np.random.Generator:
    """The random generator for the degradation of one image, a function of seed and name.

    >>> [int(image_rng(0, "baby").integers(1000)) for _ in range(2)]
    [18, 18]
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
