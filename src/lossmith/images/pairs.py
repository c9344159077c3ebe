"""Whole pictures to test with: degraded, and clean as they should be."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from lossmith.degradations import Degradation, from_8bit
from lossmith.images.loading import load_all, read_cropped
from lossmith.images.pairing import common_scale
from lossmith.images.reading import read_picture


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


def test_pairs(paths: Sequence[Path], degradation: Degradation, seed: int = 0) -> list[Pair]:  # noqa: PT028
    """Degrade whole pictures.

    Sides that are no multiples of the scale lose their last rows and columns, as in the benchmarks. Randomness is
    a function of `seed` and the picture's name alone, so every loss meets the same noise. Where the damage
    has ranges every picture is tested thrice: at their low ends, middles and high ends, as `name@low` and so on.

    Raises LossmithError for pictures that cannot be read or are smaller than the scale.
    """

    levels = degradation.levels

    def load(path: Path, name: str) -> list[Pair]:
        clean = from_8bit(read_cropped(path, degradation.scale))
        return [
            Pair(
                f"{name}@{level}" if level else name,
                damage(clean, picture_rng(seed, name)),
                clean,
                degradation.scale,
                str(damage) if level else "",
            )
            for level, damage in levels.items()
        ]

    loads = [partial(load, path, name) for path, name in zip(paths, picture_names(paths), strict=True)]
    return [pair for pairs in load_all(loads) for pair in pairs]


test_pairs.__test__ = False  # type: ignore[attr-defined]  # the name makes pytest take it for a test


def folder_pairs(pairs: Sequence[tuple[Path, Path]]) -> list[Pair]:
    """Read pictures that somebody else degraded: what `pair_folders` has found, (clean, degraded)."""
    scale = common_scale(pairs)

    def load(clean: Path, degraded: Path, name: str) -> Pair:
        return Pair(name, from_8bit(read_picture(degraded)), from_8bit(read_cropped(clean, scale)), scale)

    names = picture_names([clean for clean, _ in pairs])
    return load_all([partial(load, *pair, name) for pair, name in zip(pairs, names, strict=True)])


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
