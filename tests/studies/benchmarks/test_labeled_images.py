"""Labeled images in the three layouts, and what is said about files that are not in one of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from torchvision import datasets

from lossmith.cli import as_typed
from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.studies.benchmarks.labeled_images import read_labeled_images

Arrays = dict[str, Any]


def arrays(count: int, side: int = 6, classes: int = 3) -> Arrays:
    rng = np.random.default_rng(count)
    return {
        "images": rng.integers(0, 256, (count, side, side + 2, 3), np.uint8),
        "labels": np.arange(count) % classes,
    }


def write(folder: Path, train: Arrays, test: Arrays) -> Path:
    np.savez(folder / "train.npz", **train)
    np.savez(folder / "test.npz", **test)
    return folder


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    train, test = arrays(30), arrays(12)
    data = read_labeled_images(write(tmp_path, train, test))
    assert data.images.shape == (30, 3, 6, 8)
    assert np.array_equal(data.images[7, 1].numpy(), train["images"][7, :, :, 1])
    assert np.array_equal(data.test_images.permute(0, 2, 3, 1).numpy(), test["images"])
    assert np.array_equal(data.labels.numpy(), train["labels"])
    assert (data.classes, data.unlabeled) == (3, None)
    assert data.for_autoencoder is data.images
    assert data.fingerprint == {name: sha256_of(tmp_path / name) for name in ("train.npz", "test.npz")}


def test_labels_are_counted_from_0_without_gaps(tmp_path: Path) -> None:
    train, test = arrays(30), arrays(12)
    names = np.array([-3, 7, 200])
    train["labels"], test["labels"] = names[train["labels"]], names[test["labels"]]
    data = read_labeled_images(write(tmp_path, train, test))
    assert np.array_equal(names[data.labels.numpy()], train["labels"])
    assert np.array_equal(names[data.test_labels.numpy()], test["labels"])


def test_fewer_images_are_the_same_every_time_and_keep_their_labels(tmp_path: Path) -> None:
    train, test = arrays(60), arrays(12)
    train["images"][:, 0, 0, 0], test["images"][:, 0, 0, 0] = train["labels"], test["labels"]
    whole = read_labeled_images(write(tmp_path, train, test))
    few, again = whole.reduced(20, 5, 10), whole.reduced(20, 5, 10)
    assert [len(few.images), len(few.test_images)] == [20, 5]
    assert torch.equal(few.images[:, 0, 0, 0].long(), few.labels)
    assert torch.equal(few.test_images[:, 0, 0, 0].long(), few.test_labels)
    assert torch.equal(few.images, again.images)
    assert whole.reduced(100, 100, 100).images is whole.images


@pytest.fixture
def any_check_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision opens only the published files, by their check sums; here it takes small ones."""
    for dataset in (datasets.SVHN, datasets.STL10):
        monkeypatch.setattr(dataset, "_check_integrity", lambda self: True)


def write_svhn(folder: Path, splits: dict[str, int]) -> dict[str, Any]:
    images = {}
    for split, count in splits.items():
        images[split] = np.random.default_rng(count).integers(0, 256, (32, 32, 3, count), np.uint8)
        labels = np.arange(1, count + 1)[:, None] % 10
        labels[labels == 0] = 10  # as the files call the digit 0
        scipy.io.savemat(folder / f"{split}_32x32.mat", {"X": images[split], "y": labels})
    return images


@pytest.mark.usefixtures("any_check_sum")
def test_the_files_of_svhn(tmp_path: Path) -> None:
    images = write_svhn(tmp_path, {"train": 20, "test": 10})
    data = read_labeled_images(tmp_path)
    assert data.classes == 10
    assert data.labels.tolist() == [*range(1, 10), 0] * 2
    assert np.array_equal(data.images[3].permute(1, 2, 0).numpy(), images["train"][..., 3])
    assert np.array_equal(data.test_images[9].permute(1, 2, 0).numpy(), images["test"][..., 9])
    assert data.unlabeled is None
    assert sorted(data.fingerprint) == ["test_32x32.mat", "train_32x32.mat"]


@pytest.mark.usefixtures("any_check_sum")
def test_the_extra_images_of_svhn_train_the_autoencoder(tmp_path: Path) -> None:
    images = write_svhn(tmp_path, {"train": 20, "test": 10, "extra": 7})
    data = read_labeled_images(tmp_path)
    assert np.array_equal(data.for_autoencoder[6].permute(1, 2, 0).numpy(), images["extra"][..., 6])
    assert [len(data.images), len(data.reduced(20, 20, 3).for_autoencoder)] == [20, 3]
    assert "extra_32x32.mat" in data.fingerprint


@pytest.mark.usefixtures("any_check_sum")
def test_the_unlabeled_images_of_stl10_train_the_autoencoder(tmp_path: Path) -> None:
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = {}
    for split, count in {"train": 10, "test": 10, "unlabeled": 4}.items():
        images[split] = np.random.default_rng(count).integers(0, 256, (count, 3, 96, 96), np.uint8)
        images[split].transpose(0, 1, 3, 2).tofile(folder / f"{split}_X.bin")  # columns after one another
        if split != "unlabeled":
            np.arange(1, 11, dtype=np.uint8).tofile(folder / f"{split}_y.bin")
    data = read_labeled_images(tmp_path)
    assert np.array_equal(data.images.numpy(), images["train"])
    assert np.array_equal(data.test_images.numpy(), images["test"])
    assert np.array_equal(data.for_autoencoder.numpy(), images["unlabeled"])
    assert data.labels.tolist() == data.test_labels.tolist() == [*range(10)]
    assert len(data.fingerprint) == 5


def test_files_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    write_svhn(tmp_path, {"train": 20, "test": 10})
    with pytest.raises(LossmithError, match="torchvision finds a file of SVHN missing or damaged"):
        read_labeled_images(tmp_path)
    (tmp_path / "stl" / "stl10_binary").mkdir(parents=True)
    with pytest.raises(LossmithError, match=r"of STL10 missing or damaged .*put all files of the published"):
        read_labeled_images(tmp_path / "stl")


GOOD = arrays(20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": GOOD["images"] / 255}, "'images' must be uint8, 0 to 255, not float64"),
        ({"images": GOOD["images"][..., 0]}, r"'images' must be \(N, H, W, 3\), not \(20, 6, 8\)"),
        ({"images": GOOD["images"].transpose(0, 3, 1, 2)}, r"must be \(N, H, W, 3\), not \(20, 3, 6, 8\)"),
        ({"images": GOOD["images"][:0]}, r"must be \(N, H, W, 3\), not \(0, 6, 8, 3\)"),
        ({"images": np.array([None, 1], object)}, "cannot be read as arrays of NumPy"),
        ({"labels": GOOD["labels"][:5]}, r"'labels' must be \(20,\), one for each image, not \(5,\)"),
        ({"labels": GOOD["labels"] / 2}, "'labels' must be whole numbers, not float64"),
        ({"labels": np.full(20, 4)}, "all training images have the label 4; two classes are needed"),
        ({"labels": np.arange(20) % 2}, "test images have the label 2, which no training image has"),
        (arrays(9), "has 9 training images; at least 10 are needed"),
        (arrays(20, side=7), "training images are 9 x 7, and test images 8 x 6; make them equal"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, change: Arrays, message: str) -> None:
    write(tmp_path, GOOD | change, GOOD)
    with pytest.raises(LossmithError, match=message) as error:
        read_labeled_images(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_file_or_array_is_named_with_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"holds no images with labels; expected are train\.npz and"):
        read_labeled_images(tmp_path)
    np.savez(tmp_path / "train.npz", images=GOOD["images"])
    with pytest.raises(LossmithError, match=r"has no test\.npz; expected are train\.npz and test\.npz with"):
        read_labeled_images(tmp_path)
    write(tmp_path, {"images": GOOD["images"]}, GOOD)
    with pytest.raises(LossmithError, match=r"train\.npz has no array 'labels'"):
        read_labeled_images(tmp_path)
    (tmp_path / "train.npz").write_bytes((tmp_path / "test.npz").read_bytes()[:100])
    with pytest.raises(LossmithError, match=r"train\.npz cannot be read as arrays of NumPy"):
        read_labeled_images(tmp_path)


def test_names_of_arrays_are_not_taken_for_options(tmp_path: Path) -> None:
    with pytest.raises(LossmithError) as error:
        read_labeled_images(tmp_path)
    assert "with 'images', uint8 (N, H, W, 3), and 'labels', (N,)" in as_typed(str(error.value))
