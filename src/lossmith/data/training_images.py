"""Training images, decoded and degraded as far as that is deterministic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data.disk_cache import StoredImage
from lossmith.data.pairing import common_scale
from lossmith.data.parallel import Progress, parallel_map
from lossmith.data.picture_reader import RGB_READER, PictureReader
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.data.test_pairs import image_names
from lossmith.degradations import Degradation, is_gray


@dataclass(frozen=True)
class TrainingImages:
    """Decoded training images, a few bytes per pixel, in memory or on the disk.

    Made by `degraded_images` or `paired_images`. The degradation is split: its deterministic part has been applied
    to the whole images, `predegraded`; its random part, `random_degradation`, is applied to every patch.
    """

    names: tuple[str, ...]
    clean: tuple[StoredImage, ...]
    """(C, H, W) as `pixels` stores them; float32 where some pixels do not count, which are NaN."""
    predegraded: tuple[StoredImage, ...]
    """(C, H / s, W / s), without NaN: as `pixels` stores them if that is lossless, else float32; or `clean`
    itself."""
    scale: int
    """How many times smaller than the clean patches the degraded ones are."""
    random_degradation: Degradation | None = None
    gray: frozenset[int] = frozenset()
    """The numbers of the gray images."""
    random_gray_degradation: Degradation | None = None
    """The random part for gray images."""
    pixels: PixelFormat = RGB_8BIT
    """The format of the files, and of the images where they are whole numbers."""
    masked: bool = False
    """Whether some pixels do not count."""

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, which does not know torch's unsigned types beyond 8 bits: their images as NumPy arrays."""
        return {
            **vars(self),
            **{name: tuple(map(_to_pickle, getattr(self, name))) for name in ("clean", "predegraded")},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        for name in ("clean", "predegraded"):
            vars(self)[name] = tuple(map(_from_pickle, state[name]))

    def random_degradation_of(self, number: int) -> Degradation | None:
        """The random part of the degradation of an image."""
        return self.random_gray_degradation if number in self.gray else self.random_degradation


def degraded_images(
    paths: Sequence[Path],
    degradation: Degradation,
    progress: Progress | None = None,
    *,
    storage: Storage = IN_MEMORY,
    reader: PictureReader = RGB_READER,
) -> TrainingImages:
    """Clean images, and their degradation; the noise of gray images is gray.

    The 800 images of DIV2K take 7 GB, and their predegraded images as much again for JPEG, a sixteenth for
    bicubic(4).

    Parameters
    ----------
    paths
        Files of clean images. Sides that are not multiples of the scale lose their last rows and columns.
    degradation
        How to degrade them.
    progress
        Called after every image.
    storage
        Where to store them.
    reader
        Their format, and which pixels do not count.

    Raises
    ------
    LossmithError
        For images that cannot be read or are smaller than the scale.
    """
    pixels, degradation = reader.pixels, degradation.for_pixels(reader.pixels)
    deterministic, random = degradation.split_deterministic()

    def load(path: Path) -> tuple[StoredImage, StoredImage, bool, bool]:
        target, source = reader.read(path, degradation.scale)
        gray, masked = pixels.channels == 3 and is_gray(source), target is not source
        clean = storage.store(target)
        if deterministic is not None:
            degraded = storage.store(pixels.compact(deterministic(pixels.to_unit(source))))
        else:
            degraded = storage.store(source) if masked else clean
        return clean, degraded, gray, masked

    clean, predegraded, gray, masked = zip(
        *parallel_map([partial(load, path) for path in paths], progress, storage.threads), strict=True
    )
    return TrainingImages(
        tuple(image_names(paths)),
        clean,
        predegraded,
        degradation.scale,
        random,
        frozenset(number for number, is_gray_image in enumerate(gray) if is_gray_image),
        degradation.for_gray().split_deterministic()[1],
        pixels,
        any(masked),
    )


def paired_images(
    pairs: Sequence[tuple[Path, Path]],
    progress: Progress | None = None,
    *,
    storage: Storage = IN_MEMORY,
    reader: PictureReader = RGB_READER,
) -> TrainingImages:
    """Given pairs of files, (clean, degraded), such as `pair_folders` finds."""
    scale = common_scale(pairs)

    def load(clean_path: Path, degraded_path: Path) -> tuple[StoredImage, StoredImage, bool]:
        (target, source), degraded = reader.read_pair(clean_path, degraded_path, scale)
        return storage.store(target), storage.store(degraded), target is not source

    clean, degraded, masked = zip(
        *parallel_map([partial(load, *pair) for pair in pairs], progress, storage.threads), strict=True
    )
    names = tuple(image_names([path for path, _ in pairs]))
    return TrainingImages(names, clean, degraded, scale, pixels=reader.pixels, masked=any(masked))


def _to_pickle(image: StoredImage) -> StoredImage | np.ndarray[Any, Any]:
    return image.numpy() if isinstance(image, torch.Tensor) and image.dtype == torch.uint16 else image


def _from_pickle(image: StoredImage | np.ndarray[Any, Any]) -> StoredImage:
    return torch.from_numpy(image) if isinstance(image, np.ndarray) else image
