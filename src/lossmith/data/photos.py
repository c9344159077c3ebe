"""Photographs to learn a style on: reduced, and trained on as they are."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.files import sha256_of
from lossmith.data.disk_cache import StoredImage
from lossmith.data.headers import read_headers
from lossmith.data.parallel import parallel_map
from lossmith.data.prepare import PreparedData
from lossmith.data.reading import read_image
from lossmith.data.storage import choose_storage
from lossmith.data.test_pairs import ImagePair, image_names
from lossmith.data.training_images import TrainingImages
from lossmith.degradations import from_8bit, resize


def read_reduced(path: Path, short_side: int, enlarge: bool = False) -> Tensor:
    """The image in a file, uint8 (3, H, W), its shorter side reduced to `short_side`, or also enlarged to it."""
    image = read_image(path)
    factor = short_side / min(image.shape[1:])
    if factor == 1 or (factor > 1 and not enlarge):
        return image
    height, width = (max(short_side, round(factor * side)) for side in image.shape[1:])
    return (255 * resize(from_8bit(image), (height, width))).round().clamp(0, 255).to(torch.uint8)


def prepare_photos(
    photos: Sequence[Path], samples: Sequence[Path], short_side: int, beside: Path = Path()
) -> PreparedData:
    """Photographs to train on, and samples to look at; both are their own targets.

    Parameters
    ----------
    photos, samples
        Their files.
    short_side
        What the shorter side of each is resized to.
    beside
        The folder of the results. Photographs that do not fit into memory are decoded onto its disk.

    Raises
    ------
    LossmithError
        For files that cannot be read, and where there is too little room.
    """
    headers = read_headers([*photos, *samples])
    sizes = [_resized(size, short_side) for size in headers.of(photos)]
    storage = choose_storage(sizes, [_resized(size, short_side) for size in headers.of(samples)], None, 1, beside)

    def load(path: Path) -> Tensor:
        return read_reduced(path, short_side, enlarge=True)

    def store(path: Path) -> StoredImage:
        return storage.store(load(path))

    stored = tuple(parallel_map([partial(store, path) for path in photos], threads=storage.threads))
    pairs = [
        ImagePair(name, image := from_8bit(load(path)), image, scale=1)
        for name, path in zip(image_names(samples), samples, strict=True)
    ]
    return PreparedData(
        TrainingImages(tuple(image_names(photos)), stored, stored, scale=1),
        pairs,
        "none",
        {"training_images": _digests(photos), "test_images": _digests(samples)},
        headers.remarks,
    )


def _resized(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    height, width = (round(short_side * side / min(size)) for side in size)
    return height, width


def _digests(paths: Sequence[Path]) -> dict[str, str]:
    return dict(zip(image_names(paths), map(sha256_of, paths), strict=True))


__all__ = ["prepare_photos", "read_reduced"]
