"""Which pictures are meant, and which belong together."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from lossmith.errors import LossmithError
from lossmith.images import find_pictures, pair_folders, sample_pictures


def fill(folder: Path, *names: str, size: tuple[int, int] = (8, 6)) -> Path:
    """Pictures of (width, height) in a folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / name)
    return folder


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folders_pictures_come_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path, "10.png", "2.png", "b1.PNG", "a3.jpg", "A2.bmp", "1.tif")
    assert names(find_pictures(tmp_path)) == ["1.tif", "2.png", "10.png", "A2.bmp", "a3.jpg", "b1.PNG"]


def test_other_files_hidden_ones_and_folders_within_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", ".hidden.png")
    (tmp_path / "notes.txt").touch()
    fill(tmp_path / "more", "b.png")
    (tmp_path / "folder.png").mkdir()
    assert names(find_pictures(str(tmp_path))) == ["a.png"]


def test_files_and_folders_mix_and_nothing_comes_twice(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "z", "1.png", "2.png"), fill(tmp_path / "a", "3.png")
    found = find_pictures([first / "2.png", first, str(second), second / "3.png"])
    assert names(found) == ["2.png", "1.png", "3.png"]


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"nowhere' does not exist$"):
        find_pictures(tmp_path / "nowhere")
    with pytest.raises(LossmithError, match=r"holds no pictures \(.png .jpg"):
        find_pictures(tmp_path)
    with pytest.raises(LossmithError, match="no pictures were given"):
        find_pictures([])


def test_a_still_gif_is_a_picture(tmp_path: Path) -> None:
    assert names(find_pictures(fill(tmp_path, "a.gif", "b.PGM", "c.jfif"))) == ["a.gif", "b.PGM", "c.jfif"]


def test_no_picture_is_passed_over_in_silence(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    (tmp_path / "IMG_1.HEIC").touch()
    with pytest.raises(
        LossmithError, match=r"^'IMG_1.HEIC' in '.*' cannot be read; convert it to PNG, or take it"
    ):
        find_pictures(tmp_path)


def test_folders_within_are_mentioned_where_nothing_else_is(tmp_path: Path) -> None:
    fill(tmp_path / "more", "b.png")
    with pytest.raises(LossmithError, match=r"; folders within it are not searched without --recursive$"):
        find_pictures(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    for find in (find_pictures, lambda folder: pair_folders(folder, fill(tmp_path / "d", "b.png"))):
        with pytest.raises(LossmithError, match=r"caf\\udce9.png' is not text in UTF-8; rename it$"):
            find(tmp_path)


def test_one_folder_holds_no_pairs(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    with pytest.raises(LossmithError, match=r"is given for both the clean and the degraded pictures; name two"):
        pair_folders(tmp_path / "a", tmp_path / "a" / ".." / "a")


def test_pairs_are_found_by_name(tmp_path: Path) -> None:
    clean = fill(tmp_path / "clean", "10.png", "2.png", "b.png")
    degraded = fill(tmp_path / "degraded", "2.jpg", "10.png", "b.bmp")
    pairs = pair_folders(clean, str(degraded))
    assert [(c.name, d.name) for c, d in pairs] == [("2.png", "2.jpg"), ("10.png", "10.png"), ("b.png", "b.bmp")]


def test_pairs_are_found_by_names_that_end_in_the_scale(tmp_path: Path) -> None:
    clean = fill(tmp_path / "HR", "0001.png", "0002.png", size=(18, 12))
    degraded = fill(tmp_path / "X3", "0001x3.png", "0002x3.png", size=(6, 4))
    assert [d.name for _, d in pair_folders(clean, degraded)] == ["0001x3.png", "0002x3.png"]


def test_a_name_that_merely_looks_like_a_scale_is_a_name(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "linux2.png"), fill(tmp_path / "b", "linux2.png")
    assert len(pair_folders(clean, degraded)) == 1


def test_a_clean_picture_may_be_a_little_larger(tmp_path: Path) -> None:
    clean, degraded = (
        fill(tmp_path / "a", "1.png", size=(512, 511)),
        fill(tmp_path / "b", "1.png", size=(170, 170)),
    )
    assert len(pair_folders(clean, degraded)) == 1


def test_pictures_without_a_partner_are_named(tmp_path: Path) -> None:
    clean = fill(tmp_path / "a", "1.png", "2.png", "3.png", "4.png", "5.png")
    degraded = fill(tmp_path / "b", "1.png")
    with pytest.raises(
        LossmithError, match=r"^'2', '3', '4' and 1 more in '.*a' have no partner in '.*b', where '1' comes"
    ):
        pair_folders(clean, degraded)
    with pytest.raises(
        LossmithError, match=r"^'2', '3', '4' and 1 more in '.*a' have no partner in '.*b', where '1' comes"
    ):
        pair_folders(degraded, clean)
    fill(degraded, "2.png", "3.png", "4.png")
    with pytest.raises(
        LossmithError,
        match=r"^'5' in '.*a' has no partner in '.*b', where '4' comes nearest; add what",
    ):
        pair_folders(clean, degraded)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png", "1.jpg"), fill(tmp_path / "b", "1.png")
    with pytest.raises(LossmithError, match=r"'1.jpg' and '1.png' in '.*a' have one name; remove one"):
        pair_folders(clean, degraded)


def test_two_partners_of_one_picture_are_refused(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png"), fill(tmp_path / "b", "1.png", "1x1.png")
    with pytest.raises(LossmithError, match=r"'1.png' and '1x1.png' in '.*b' both belong to '1.png'; remove one"):
        pair_folders(clean, degraded)


def test_sizes_must_fit_one_scale(tmp_path: Path) -> None:
    clean, degraded = (
        fill(tmp_path / "a", "1.png", "2.png", size=(24, 12)),
        fill(tmp_path / "b", "1.png", size=(12, 6)),
    )
    fill(degraded, "2.png", size=(8, 4))
    sizes = "2.png' has 12x24 pixels and '.*2.png' has 4x8"
    with pytest.raises(
        LossmithError, match=f"{sizes}, which does not fit the scale 2 of the first pair, '1.png'$"
    ):
        pair_folders(clean, degraded)


@pytest.mark.parametrize("size", [(24, 12), (5, 6), (12, 7)])
def test_sizes_that_fit_no_scale_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png", size=(12, 6)), fill(tmp_path / "b", "1.png", size=size)
    with pytest.raises(LossmithError, match=r"which does not fit the scale \d$"):
        pair_folders(clean, degraded)


def test_a_name_must_not_lie_about_the_scale(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png", size=(24, 12)), fill(tmp_path / "b", "1x4.png", size=(12, 6))
    with pytest.raises(
        LossmithError, match=r"1x4.png' is named for scale 4, but its clean picture is 2 times larger"
    ):
        pair_folders(clean, degraded)


def test_pair_folders_must_be_folders(tmp_path: Path) -> None:
    clean = fill(tmp_path / "a", "1.png")
    with pytest.raises(LossmithError, match=r"1.png' is not a folder"):
        pair_folders(clean, clean / "1.png")


def test_no_sample_is_both_trained_on_and_tested_with() -> None:
    train, test = sample_pictures("train"), sample_pictures("test")
    assert all(path.is_file() for path in train + test)
    assert not {path.stem.partition("_")[0] for path in train} & {path.stem.partition("_")[0] for path in test}
    with pytest.raises(LossmithError, match="'train' or 'test', not 'val'"):
        sample_pictures("val")  # type: ignore[arg-type]
