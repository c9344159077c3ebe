"""Images to train on, with everything done to them that need be done only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lossmith.data.disk_cache import StoredImage
from lossmith.data.pairing import common_scale
from lossmith.data.parallel import Progress, parallel_map, read_cropped, read_image_pair
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.data.test_pairs import image_names
from lossmith.degradations import Degradation, compact, from_8bit, is_gray


@dataclass(frozen=True)
class TrainingImages:
    """What patches are cut from: images decoded once, a few bytes per pixel, in memory or on a disk.

    Made by `degraded_images` or `paired_images`. `predegraded` is what the deterministic links before the first
    random one have made of `clean`, once and for all; `random_degradation` is what must still be done to it for
    every patch.
    """

    names: tuple[str, ...]
    clean: tuple[StoredImage, ...]
    """uint8 (3, H, W)."""
    predegraded: tuple[StoredImage, ...]
    """(3, H / s, W / s): uint8 where every value is k / 255, else float32; `clean` itself if nothing was done."""
    scale: int
    """By how much the degraded patches will be smaller."""
    random_degradation: Degradation | None = None
    gray: frozenset[int] = frozenset()
    """Which of the images are gray, so that `rest_of_gray` is done to them."""
    rest_of_gray: Degradation | None = None

    def rest_of(self, image: int) -> Degradation | None:
        """What must still be done to a patch of that image."""
        return self.rest_of_gray if image in self.gray else self.random_degradation


def degraded_images(
    paths: Sequence[Path],
    degradation: Degradation,
    progress: Progress | None = None,
    *,
    storage: Storage = IN_MEMORY,
) -> TrainingImages:
    """Clean images, and the damage to do to them; noise on gray ones is gray.

    Sides that are no multiples of the scale lose their last rows and columns. DIV2K's 800 images take 7 GB, and
    what is made of them once is kept beside them: as much again for JPEG, a sixteenth for bicubic(4).

    Raises LossmithError for images that cannot be read or are smaller than the scale.
    """
    first, rest = degradation.split_deterministic()

    def load(path: Path) -> tuple[StoredImage, StoredImage, bool]:
        clean = read_cropped(path, degradation.scale)
        kept = storage.store(clean)
        started = kept if first is None else storage.store(compact(first(from_8bit(clean))))
        return kept, started, is_gray(clean)

    clean, started, gray = zip(
        *parallel_map([partial(load, path) for path in paths], progress, storage.threads), strict=True
    )
    return TrainingImages(
        tuple(image_names(paths)),
        clean,
        started,
        degradation.scale,
        rest,
        frozenset(index for index, each in enumerate(gray) if each),
        degradation.for_gray().split_deterministic()[1],
    )


def paired_images(
    pairs: Sequence[tuple[Path, Path]], progress: Progress | None = None, *, storage: Storage = IN_MEMORY
) -> TrainingImages:
    """Images that somebody else degraded: what `pair_folders` has found, (clean, degraded)."""
    scale = common_scale(pairs)

    def load(clean: Path, degraded: Path) -> tuple[StoredImage, StoredImage]:
        large, small = read_image_pair(clean, degraded, scale)
        return storage.store(large), storage.store(small)

    clean, degraded = zip(
        *parallel_map([partial(load, *pair) for pair in pairs], progress, storage.threads), strict=True
    )
    return TrainingImages(tuple(image_names([path for path, _ in pairs])), clean, degraded, scale)
