"""Training images, decoded and degraded as far as that is deterministic."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data.disk_cache import StoredImage
from lossmith.data.pairing import common_scale
from lossmith.data.parallel import Progress, parallel_map, read_cropped, read_image_pair
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.data.test_pairs import image_names
from lossmith.degradations import Degradation, compact, from_8bit, is_gray


@dataclass(frozen=True)
class TrainingImages:
    """Decoded training images, a few bytes per pixel, in memory or on the disk.

    Made by `degraded_images` or `paired_images`. The degradation is split: its deterministic part has been applied
    to the whole images, `predegraded`; its random part, `random_degradation`, is applied to every patch.
    """

    names: tuple[str, ...]
    clean: tuple[StoredImage, ...]
    """uint8 (3, H, W)."""
    predegraded: tuple[StoredImage, ...]
    """(3, H / s, W / s): uint8 if all values are multiples of 1 / 255, else float32; or `clean` itself."""
    scale: int
    """How many times smaller than the clean patches the degraded ones are."""
    random_degradation: Degradation | None = None
    gray: frozenset[int] = frozenset()
    """The numbers of the gray images."""
    random_gray_degradation: Degradation | None = None
    """The random part for gray images."""
    pixels: PixelFormat = RGB_8BIT
    """The format of the files, and of the images where they are whole numbers."""

    def random_degradation_of(self, number: int) -> Degradation | None:
        """The random part of the degradation of an image."""
        return self.random_gray_degradation if number in self.gray else self.random_degradation


def degraded_images(
    paths: Sequence[Path],
    degradation: Degradation,
    progress: Progress | None = None,
    *,
    storage: Storage = IN_MEMORY,
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

    Raises
    ------
    LossmithError
        For images that cannot be read or are smaller than the scale.
    """
    deterministic, random = degradation.split_deterministic()

    def load(path: Path) -> tuple[StoredImage, StoredImage, bool]:
        clean = read_cropped(path, degradation.scale)
        stored = storage.store(clean)
        if deterministic is None:
            return stored, stored, is_gray(clean)
        return stored, storage.store(compact(deterministic(from_8bit(clean)))), is_gray(clean)

    clean, predegraded, gray = zip(
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
    )


def paired_images(
    pairs: Sequence[tuple[Path, Path]], progress: Progress | None = None, *, storage: Storage = IN_MEMORY
) -> TrainingImages:
    """Given pairs of files, (clean, degraded), such as `pair_folders` finds."""
    scale = common_scale(pairs)

    def load(clean_path: Path, degraded_path: Path) -> tuple[StoredImage, StoredImage]:
        clean, degraded = read_image_pair(clean_path, degraded_path, scale)
        return storage.store(clean), storage.store(degraded)

    clean, degraded = zip(
        *parallel_map([partial(load, *pair) for pair in pairs], progress, storage.threads), strict=True
    )
    return TrainingImages(tuple(image_names([path for path, _ in pairs])), clean, degraded, scale)
