"""Which images a study trains on and which it tests on."""

import shutil
from pathlib import Path

import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.data import Data, prepare_data


def test_without_images_the_samples_are_used() -> None:
    prepared = prepare_data(Data(), "noise(5)")
    assert len(prepared.source.names) >= 5
    assert not set(prepared.source.names) & {pair.name for pair in prepared.test_pairs}


def test_every_fifth_image_is_held_out(photos: Path) -> None:
    prepared = prepare_data(Data([photos]), "jpeg")
    assert prepared.source.names == ("0", "1", "2", "3", "5")
    assert [pair.name for pair in prepared.test_pairs] == ["4"]
    assert prepared.degradation == "jpeg(10)"


def test_named_test_images_are_used_and_nothing_is_held_out(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "5.png", tmp_path / "other.png")
    prepared = prepare_data(Data([photos / f"{i}.png" for i in range(3)], test=[tmp_path]), "bicubic(2)")
    assert prepared.source.names == ("0", "1", "2")
    assert [pair.name for pair in prepared.test_pairs] == ["other"]
    assert prepared.test_pairs[0].scale == 2


def test_the_receipt_tells_files_apart_by_their_content(photos: Path) -> None:
    fingerprint = prepare_data(Data([photos]), "jpeg").fingerprint
    digests = [*fingerprint["training_images"].values(), *fingerprint["test_images"].values()]
    assert len(set(digests)) == 6
    assert all(len(digest) == 64 for digest in digests)


def test_given_pairs_are_trained_on_unchanged(photos: Path, tmp_path: Path) -> None:
    for path in photos.iterdir():
        shutil.copy(path, tmp_path / path.name)
    prepared = prepare_data(Data(clean=photos, degraded=tmp_path), None)
    assert prepared.source.random_degradation is None
    assert all(torch.equal(pair.degraded, pair.clean) for pair in prepared.test_pairs)
    assert prepared.degradation == f"pairs of {tmp_path.name}"


def test_a_limit_spreads_the_test_images_evenly_and_leaves_the_training_images_alone(
    photos: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(photos.iterdir())):
        shutil.copy(path, tmp_path / f"other{number}.png")
        with (tmp_path / f"other{number}.png").open("ab") as file:
            file.write(b"no pixel, but another file")
    whole, limited = (
        prepare_data(Data([photos], test=[tmp_path], test_limit=limit), "noise(5..25)") for limit in (None, 2)
    )
    assert [pair.name for pair in limited.test_pairs] == [
        f"other{number}@{level}" for number in (1, 4) for level in ("low", "middle", "high")
    ], "a picture with all of its levels counts once"
    assert limited.source.names == whole.source.names
    assert [*limited.fingerprint["test_images"]] == ["other1", "other4"]
    assert (whole.untested, limited.untested) == (0, 4)
    degraded = {pair.name: pair.degraded for pair in whole.test_pairs}
    assert all(torch.equal(pair.degraded, degraded[pair.name]) for pair in limited.test_pairs)


def test_a_limit_counts_pairs_and_never_moves_a_held_out_one_into_training(photos: Path, tmp_path: Path) -> None:
    for number in range(12):
        for folder in ("clean", "degraded"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(photos / f"{number % 6}.png", tmp_path / folder / f"{number}.png")
            with (tmp_path / folder / f"{number}.png").open("ab") as file:
                file.write(folder.encode() * number)
    pairs = Data(clean=tmp_path / "clean", degraded=tmp_path / "degraded", test_limit=1)
    prepared = prepare_data(pairs, None)
    assert [pair.name for pair in prepared.test_pairs] == ["9"], "of the held out 4 and 9"
    assert (len(prepared.source.names), prepared.untested) == (10, 1)


@pytest.mark.parametrize("limit", [0, -3, 2.5, True, "two"])
def test_a_limit_that_is_no_number_of_images_is_refused(limit: object) -> None:
    with pytest.raises(LossmithError, match="`test_limit` must be a whole number, at least 1, not"):
        Data(test_limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"clean": Path("a")}, "both `clean` and `degraded`"),
        ({"clean": Path("a"), "degraded": Path("b"), "images": [Path("c")]}, "not both"),
        ({"test_degraded": Path("a")}, "`test_degraded` goes with"),
        ({"clean": Path("a"), "degraded": Path("b"), "test": [Path("c")]}, "needs `test_degraded`"),
    ],
)
def test_conflicting_data_options_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        Data(**options)  # type: ignore[arg-type]


def test_given_pairs_are_not_degraded_again(photos: Path) -> None:
    with pytest.raises(LossmithError, match="degraded already"):
        prepare_data(Data(clean=photos, degraded=photos), "jpeg")


def test_one_image_is_too_few(photos: Path) -> None:
    with pytest.raises(LossmithError, match="one image is too few"):
        prepare_data(Data([photos / "0.png"]), "jpeg")


def test_an_image_in_training_and_test_is_refused(photos: Path, tmp_path: Path) -> None:
    shutil.copy(photos / "1.png", tmp_path / "renamed.png")
    with pytest.raises(LossmithError, match="is also trained on"):
        prepare_data(Data([photos], test=[tmp_path]), "jpeg")


def test_patterns_and_nested_folders_are_taken_everywhere(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "data" / "HR")
    (tmp_path / "data" / "LR").mkdir()
    for path in photos.iterdir():
        shutil.copy(path, tmp_path / "data" / "LR" / f"{path.stem}_of_mine.png")
    by_pattern = prepare_data(
        Data([tmp_path / "data" / "HR" / "[0-3].png"], test=[tmp_path / "data" / "H*" / "5.png"]), "jpeg"
    )
    assert (by_pattern.source.names, [pair.name for pair in by_pattern.test_pairs]) == (
        ("0", "1", "2", "3"),
        ["5"],
    )
    pairs = {"clean": tmp_path / "data" / "HR" / "*.png", "degraded": tmp_path / "data" / "LR"}
    assert len(prepare_data(Data(**pairs, pair="{}:{}_of_mine"), None).source.names) == 5
    with pytest.raises(LossmithError, match="is also trained on"):  # both folders are searched
        prepare_data(Data([tmp_path / "data"], test=[photos], recursive=True), "jpeg")
