"""BAPPS in its published folders: as much as there is, and what is refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import write_image
from lossmith.studies.benchmarks.similarity import Similarity
from lossmith.studies.benchmarks.similarity.bapps import Bapps, read_bapps, read_patch


def write_split(folder: Path, parts: str, items: int, side: int = 64) -> Path:
    """Random patches and judgements, the latter in the last of `parts`."""
    rng = np.random.default_rng(len(str(folder.relative_to(folder.parents[2]))))
    *patches, judgements = parts.split()
    for item in range(items):
        for part in patches:
            pixels = torch.from_numpy(rng.random((3, side, side), np.float32))
            write_image(folder / part / f"{item:06}.png", pixels)
        write_judgement(folder / judgements / f"{item:06}.npy", [rng.integers(0, 6) / 5])
    return folder


def write_judgement(path: Path, value: ArrayLike) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.array(value))


def triplets(root: Path, name: str, items: int = 4) -> Path:
    return write_split(root / "2afc" / name, "ref p0 p1 judge", items)


def test_what_there_is_of_the_data_set_is_found(tmp_path: Path) -> None:
    for name in ("train/cnn", "train/mix", "val/color", "val/cnn"):
        triplets(tmp_path, name, 2)
    write_split(tmp_path / "jnd/val/traditional", "p0 p1 same", 2)
    data = Similarity().open(tmp_path, "tiny")
    assert isinstance(data, Bapps)
    assert [split.kind for split in data.train] == ["cnn", "mix"]
    assert [split.kind for split in data.two_afc] == ["cnn", "color"]
    assert [split.kind for split in data.jnd] == ["traditional"]
    assert list(data.fingerprint) == [
        *("2afc/train/cnn", "2afc/train/mix", "2afc/val/cnn", "2afc/val/color", "jnd/val/traditional"),
    ]


def test_patches_come_with_what_people_said_of_them(tmp_path: Path) -> None:
    folder = triplets(tmp_path, "val/cnn", 5)
    (split,) = read_bapps(tmp_path, None).two_afc
    batches = list(split.batches(2))
    assert [len(batch[0]) for batch in batches] == [2, 2, 1]
    reference, first, second = (torch.cat(parts) for parts in zip(*batches, strict=True))
    for item in range(5):
        for part, patches in (("ref", reference), ("p0", first), ("p1", second)):
            pixels = np.asarray(Image.open(folder / part / f"{item:06}.png"))
            assert np.array_equal(patches[item].permute(1, 2, 0), pixels)
        assert split.judgements[item] == np.load(folder / f"judge/{item:06}.npy")[0]


def test_a_part_of_a_split_is_spread_over_it(tmp_path: Path) -> None:
    triplets(tmp_path, "val/cnn", 10)
    (split,) = read_bapps(tmp_path, 4).two_afc
    assert [names[0] for names in split.files] == [f"{item:06}.png" for item in (0, 2, 5, 7)]
    assert len(read_bapps(tmp_path, 100).two_afc[0]) == 10


def test_the_fingerprint_changes_with_any_file(tmp_path: Path) -> None:
    folder = triplets(tmp_path, "val/cnn")
    before = read_bapps(tmp_path, None).fingerprint
    assert read_bapps(tmp_path, None).fingerprint == before
    write_judgement(folder / "judge/000001.npy", [0.123])
    assert read_bapps(tmp_path, None).fingerprint != before


def test_large_files_are_brought_to_the_size_that_was_published(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    large = Image.fromarray(small).resize((256, 256), Image.Resampling.NEAREST)
    large.save(tmp_path / "large.png")
    expected = np.asarray(large.resize((64, 64), Image.Resampling.BILINEAR))
    assert np.array_equal(read_patch(tmp_path / "large.png").permute(1, 2, 0), expected)


@pytest.mark.parametrize("value", [[], [0.5, 0.5], [1.5], [np.nan], ["yes"]])
def test_judgements_are_one_number_between_0_and_1(value: ArrayLike, tmp_path: Path) -> None:
    write_judgement(triplets(tmp_path, "val/cnn") / "judge/000001.npy", value)
    with pytest.raises(LossmithError, match=r"000001.npy' (must hold one number|is not an array of NumPy)"):
        read_bapps(tmp_path, None)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY"])
def test_a_damaged_judgement_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    (triplets(tmp_path, "val/cnn") / "judge/000001.npy").write_bytes(content)
    with pytest.raises(LossmithError, match=r"000001.npy' is not an array of NumPy with one number"):
        read_bapps(tmp_path, None)


def test_files_and_folders_that_are_missing_are_named(tmp_path: Path) -> None:
    folder = triplets(tmp_path, "val/cnn")
    (folder / "p1/000002.png").unlink()
    with pytest.raises(LossmithError, match=r"cnn/p1' has no file '000002', which other folders beside it have"):
        read_bapps(tmp_path, None)
    for file in (folder / "p1").iterdir():
        file.unlink()
    (folder / "p1").rmdir()
    with pytest.raises(LossmithError, match=r"there is no folder '.*p1'"):
        read_bapps(tmp_path, None)


def test_training_patches_alone_are_refused(tmp_path: Path) -> None:
    triplets(tmp_path, "train/cnn")
    with pytest.raises(LossmithError, match=r"has no patches to test with; BAPPS has them in folders such as"):
        Similarity().open(tmp_path, "tiny")


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    for part in ("ref", "p0", "p1", "judge"):
        (tmp_path / "2afc/val/cnn" / part).mkdir(parents=True)
    with pytest.raises(
        LossmithError, match="cnn' is empty; its folders ref, p0, p1, judge must hold a file an item"
    ):
        Similarity().open(tmp_path, "tiny")
