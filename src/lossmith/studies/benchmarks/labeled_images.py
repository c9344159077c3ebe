"""Images with the classes that they show: arrays of one's own, and the files of STL-10 and SVHN."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.errors import LossmithError, counted, missing_extra
from lossmith.core.files import sha256_of

MIN_IMAGES = 10
"""For training; a fifth of them validates."""
LAYOUTS = (
    "train.npz and test.npz with 'images', uint8 (N, H, W, 3), and 'labels', (N,); the folder stl10_binary of "
    "STL-10; or train_32x32.mat and test_32x32.mat of SVHN"
)


@dataclass(frozen=True)
class LabeledImages:
    """Training and test images, which are all uint8 (N, 3, H, W), and their classes, int64 (N,)."""

    images: Tensor
    labels: Tensor
    """From 0, without gaps."""
    test_images: Tensor
    test_labels: Tensor
    unlabeled: Tensor | None
    """More images, without classes, to train an autoencoder on."""
    classes: int
    fingerprint: Mapping[str, str]
    """The SHA-256 of each file, by its name."""

    @property
    def for_autoencoder(self) -> Tensor:
        """What an autoencoder is trained on."""
        return self.images if self.unlabeled is None else self.unlabeled

    def reduced(self, labeled: int, test: int, unlabeled: int) -> "LabeledImages":
        """At most so many images of each kind, see `at_most`."""
        images, labels = at_most(labeled, self.images, self.labels)
        test_images, test_labels = at_most(test, self.test_images, self.test_labels)
        few = replace(self, images=images, labels=labels, test_images=test_images, test_labels=test_labels)
        return few if self.unlabeled is None else replace(few, unlabeled=at_most(unlabeled, self.unlabeled)[0])


def at_most(limit: int, *tensors: Tensor) -> tuple[Tensor, ...]:
    """The same items of all tensors, at most so many, in their order; drawn at random, but always the same.

    >>> at_most(3, torch.arange(10), torch.arange(10, 20)), at_most(3, torch.arange(2))
    ((tensor([2, 4, 6]), tensor([12, 14, 16])), (tensor([0, 1]),))
    """
    count = len(tensors[0])
    if count <= limit:
        return tensors
    items = torch.from_numpy(np.sort(np.random.default_rng(0).permutation(count)[:limit]))
    return tuple(tensor[items] for tensor in tensors)


def read_labeled_images(folder: Path) -> LabeledImages:
    """The images in a folder, in one of the `LAYOUTS`.

    SVHN's labels are 0 to 9. Unlabeled images are STL-10's, and SVHN's `extra_32x32.mat` if it is there.

    Raises
    ------
    LossmithError
        One sentence, for a missing or damaged file, and for arrays in another form.
    """
    if (folder / "stl10_binary").is_dir():
        return _from_torchvision(folder, "STL10", "unlabeled", sorted((folder / "stl10_binary").glob("*_*.bin")))
    if (folder / "train_32x32.mat").is_file() or (folder / "test_32x32.mat").is_file():
        extra = "extra" if (folder / "extra_32x32.mat").is_file() else None
        return _from_torchvision(folder, "SVHN", extra, sorted(folder.glob("*_32x32.mat")))
    files = [folder / "train.npz", folder / "test.npz"]
    if not any(file.is_file() for file in files):
        raise LossmithError(f"{folder} holds no images with labels; expected are {LAYOUTS}")
    if absent := next((file for file in files if not file.is_file()), None):
        raise LossmithError(f"{folder} has no {absent.name}; expected are {LAYOUTS}")
    train, test = map(_read_arrays, files)
    return _checked(folder, train, test, None, files)


Part = tuple[NDArray[np.uint8], NDArray[Any]]
"""Images, (N, 3, H, W), and labels, (N,)."""


def _read_arrays(file: Path) -> Part:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            absent = [name for name in ("images", "labels") if name not in arrays]
            images, labels = (None, None) if absent else (arrays["images"], arrays["labels"])
    except Exception as error:  # NumPy raises many kinds for a damaged file
        raise LossmithError(f"{file} cannot be read as arrays of NumPy; write it by numpy.savez") from error
    if images is None or labels is None:
        raise LossmithError(f"{file} has no array '{absent[0]}'; expected are 'images' and 'labels'")
    if images.dtype != np.uint8:
        raise LossmithError(f"{file}: 'images' must be uint8, 0 to 255, not {images.dtype}")
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise LossmithError(f"{file}: 'images' must be (N, H, W, 3), not {images.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise LossmithError(f"{file}: 'labels' must be whole numbers, not {labels.dtype}")
    if labels.shape != images.shape[:1]:
        raise LossmithError(f"{file}: 'labels' must be ({len(images)},), one for each image, not {labels.shape}")
    return images.transpose(0, 3, 1, 2), labels


def _from_torchvision(folder: Path, name: str, unlabeled: str | None, files: list[Path]) -> LabeledImages:
    try:
        from torchvision import datasets
    except ModuleNotFoundError as error:
        raise missing_extra(f"the data of {name}", error) from None
    dataset: Callable[..., Any] = getattr(datasets, name)

    def part(split: str) -> Part:
        try:
            opened = dataset(str(folder), split=split, download=False)
        except RuntimeError as error:  # it compares check sums
            raise LossmithError(
                f"{folder}: torchvision finds a file of {name} missing or damaged ({split}); "
                f"put all files of the published archive there, unpacked"
            ) from error
        return opened.data, np.asarray(opened.labels)

    return _checked(folder, part("train"), part("test"), part(unlabeled)[0] if unlabeled else None, files)


def _checked(
    folder: Path, train: Part, test: Part, unlabeled: NDArray[np.uint8] | None, files: list[Path]
) -> LabeledImages:
    sizes = [f"{images.shape[3]} x {images.shape[2]}" for images, _ in (train, test)]
    if sizes[0] != sizes[1]:
        problem = f"training images are {sizes[0]}, and test images {sizes[1]}"
        raise LossmithError(f"{folder}: {problem}; make them equal")
    if len(train[0]) < MIN_IMAGES:
        count = counted(len(train[0]), "training image")
        raise LossmithError(f"{folder} has {count}; at least {MIN_IMAGES} are needed")
    classes = np.unique(train[1])
    if len(classes) < 2:
        raise LossmithError(f"{folder}: all training images have the label {classes[0]}; two classes are needed")
    if foreign := sorted(set(test[1].tolist()) - set(classes.tolist())):
        raise LossmithError(f"{folder}: test images have the label {foreign[0]}, which no training image has")
    return LabeledImages(
        *(_tensor(train[0]), torch.from_numpy(np.searchsorted(classes, train[1]))),
        *(_tensor(test[0]), torch.from_numpy(np.searchsorted(classes, test[1]))),
        None if unlabeled is None else _tensor(unlabeled),
        len(classes),
        {file.name: sha256_of(file) for file in files},
    )


def _tensor(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images))


__all__ = ["LabeledImages", "at_most", "read_labeled_images"]
