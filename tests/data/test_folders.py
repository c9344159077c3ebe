"""Which images are meant, and which belong together."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import find_images, image_size, pair_folders, read_image, sample_images
from lossmith.data.folders import find_image_places, unique_names
from lossmith.degradations import from_8bit, is_gray
from lossmith.metrics.registry import METRICS, NO_REFERENCE_METRICS


def fill(folder: Path, *names: str, size: tuple[int, int] = (8, 6)) -> Path:
    """Images of (width, height) in a folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / name)
    return folder


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_images_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path, "10.png", "2.png", "b1.PNG", "a3.jpg", "A2.bmp", "1.tif")
    assert names(find_images(tmp_path)) == ["1.tif", "2.png", "10.png", "A2.bmp", "a3.jpg", "b1.PNG"]


def test_other_files_hidden_files_and_subfolders_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", ".hidden.png")
    (tmp_path / "notes.txt").touch()
    fill(tmp_path / "more", "b.png")
    (tmp_path / "folder.png").mkdir()
    assert names(find_images(str(tmp_path))) == ["a.png"]


def test_files_and_folders_can_be_mixed_without_duplicates(tmp_path: Path) -> None:
    first, second = fill(tmp_path / "z", "1.png", "2.png"), fill(tmp_path / "a", "3.png")
    paths = find_images([first / "2.png", first, str(second), second / "3.png"])
    assert names(paths) == ["2.png", "1.png", "3.png"]


def test_missing_paths_are_named(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"nowhere' does not exist$"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(LossmithError, match=r"holds no images \(.png .jpg"):
        find_images(tmp_path)
    with pytest.raises(LossmithError, match="no images were given"):
        find_images([])


def test_a_still_gif_is_an_image(tmp_path: Path) -> None:
    assert names(find_images(fill(tmp_path, "a.gif", "b.PGM", "c.jfif"))) == ["a.gif", "b.PGM", "c.jfif"]


def test_no_image_is_skipped_silently(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    (tmp_path / "IMG_1.HEIC").touch()
    with pytest.raises(
        LossmithError, match=r"^'IMG_1.HEIC' in '.*' cannot be read; convert it to PNG, or take it"
    ):
        find_images(tmp_path)


def test_subfolders_are_mentioned_where_a_folder_holds_no_images(tmp_path: Path) -> None:
    fill(tmp_path / "more", "b.png")
    with pytest.raises(LossmithError, match=r"; folders within it are not searched without `recursive`$"):
        find_images(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    (tmp_path / "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    for find in (find_images, lambda folder: pair_folders(folder, fill(tmp_path / "d", "b.png"))):
        with pytest.raises(LossmithError, match=r"caf\\udce9.png' is not text in UTF-8; rename it$"):
            find(tmp_path)


def test_one_folder_holds_no_pairs(tmp_path: Path) -> None:
    fill(tmp_path / "a", "1.png")
    with pytest.raises(LossmithError, match=r"is given for both the clean and the degraded images; name two"):
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


def test_a_clean_image_may_be_a_little_larger(tmp_path: Path) -> None:
    clean, degraded = (
        fill(tmp_path / "a", "1.png", size=(512, 511)),
        fill(tmp_path / "b", "1.png", size=(170, 170)),
    )
    assert len(pair_folders(clean, degraded)) == 1


def test_images_without_a_pair_are_named(tmp_path: Path) -> None:
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
        match=r"^'5' in '.*a' has no partner in '.*b', where '4' comes nearest; add the missing",
    ):
        pair_folders(clean, degraded)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png", "1.jpg"), fill(tmp_path / "b", "1.png")
    with pytest.raises(LossmithError, match=r"'1.jpg' and '1.png' in '.*a' have the same name; remove one"):
        pair_folders(clean, degraded)


def test_two_matches_for_one_image_are_refused(tmp_path: Path) -> None:
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


def test_a_name_that_contradicts_the_scale_is_refused(tmp_path: Path) -> None:
    clean, degraded = fill(tmp_path / "a", "1.png", size=(24, 12)), fill(tmp_path / "b", "1x4.png", size=(12, 6))
    with pytest.raises(
        LossmithError, match=r"1x4.png' has scale 4 in its name, but its clean image is 2 times larger"
    ):
        pair_folders(clean, degraded)


def test_pair_folders_must_be_folders(tmp_path: Path) -> None:
    clean = fill(tmp_path / "a", "1.png")
    with pytest.raises(LossmithError, match=r"1.png' is not a folder"):
        pair_folders(clean, clean / "1.png")


def test_no_sample_image_is_in_training_and_test() -> None:
    train, test = sample_images("train"), sample_images("test")
    assert all(path.is_file() for path in train + test)
    assert not {path.stem.partition("_")[0] for path in train} & {path.stem.partition("_")[0] for path in test}
    assert set(sample_images("color")) < set(test)
    with pytest.raises(LossmithError, match="'train' or 'test', not 'val'"):
        sample_images("val")  # type: ignore[arg-type]


def test_every_metric_can_score_the_sample_test_images_also_after_enlargement_by_4() -> None:
    sides = [min(image_size(path)) for path in sample_images("test")]
    least = max(metric.min_side for metric in (*METRICS.values(), *NO_REFERENCE_METRICS.values()))
    assert min(side // 4 * 4 - 2 * 4 for side in sides) >= least


def test_what_is_called_color_is_colored_and_the_other_test_images_are_gray() -> None:
    gray = {path: is_gray(from_8bit(read_image(path))) for path in sample_images("test")}
    assert {path for path, is_gray_image in gray.items() if not is_gray_image} == set(sample_images("color"))


def test_glob_patterns_find_images(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png", "c.jpg", ".hidden.png", "[x].png")
    (tmp_path / "notes.txt").touch()
    fill(tmp_path / "more", "d.png", "b.png")
    assert names(find_images(tmp_path / "[ab].png")) == ["a.png", "b.png"]
    assert names(find_images(tmp_path / "[x].png")) == ["[x].png"], "what is called so is no pattern"
    assert names(find_images(tmp_path / "*")) == ["[x].png", "a.png", "b.png", "c.jpg"]
    assert names(find_images(tmp_path / "mo*")) == ["b.png", "d.png"], "as a shell would name the folder"
    assert names(find_images([tmp_path / "**" / "b.png"])) == ["b.png", "b.png"]
    fill(tmp_path / "[y]", "e.png")
    assert names(find_images(tmp_path / "[y]" / "*.png")) == ["e.png"]
    for pattern, message in (
        ("*.webp", "no file matches"),
        ("*.txt", "is an image"),
        ("**x", "is not a valid pattern"),
    ):
        with pytest.raises(LossmithError, match=message):
            find_images(tmp_path / pattern)


def test_result_places_are_relative_to_the_searched_folder(tmp_path: Path) -> None:
    fill(tmp_path / "in", "a.png")
    fill(tmp_path / "in" / "more", "b.png")
    places = {Path("a.png"), Path("more/b.png")}
    assert {*find_image_places(tmp_path / "in", recursive=True).values()} == places
    assert {*find_image_places(tmp_path / "in" / "**" / "*.png").values()} == places
    assert [*find_image_places(tmp_path / "in" / "more" / "b.png").values()] == [Path("b.png")]
    assert [*find_image_places(tmp_path / "in" / "*" / ".." / "a.png").values()] == [Path("a.png")], (
        "nothing leads out"
    )


def test_recursive_search_does_not_follow_cycles(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "in", "b.png", "10.png", "2.png")
    fill(tmp_path / "in" / "a", "z.png")
    fill(tmp_path / "in" / "a" / ".thumbs", "small.png")
    fill(tmp_path / "out", "o.png")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in", target_is_directory=True)
    (tmp_path / "in" / "out").symlink_to(tmp_path / "out", target_is_directory=True)
    assert names(find_images(tmp_path / "in", recursive=True)) == ["2.png", "10.png", "b.png", "z.png"]
    assert "not searched: 'out' and 1 more" in caplog.text


def test_names_keep_extensions_where_needed_and_are_unique(tmp_path: Path) -> None:
    def names_of(*places: str) -> list[str]:
        return [*unique_names({Path(place): Path(place) for place in places}).values()]

    assert names_of("a.png", "a.jpg", "b.png") == ["a.png", "a.jpg", "b"]
    assert names_of("a.png", "a.jpg", "a.png.jpg") == ["a.png", "a.jpg", "a.png.jpg"]
    assert names_of("a.png", "A.jpg", "x/a.png") == ["a.png", "A.jpg", "x/a"]
    twins = {tmp_path / part / "p.png": Path("p.png") for part in "ab"}
    assert [*unique_names(twins).values()] == ["a/p", "b/p"]


def test_a_users_pair_pattern_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clean = fill(tmp_path / "a", "1_one.png", "2_one.png", "mask.png")
    degraded = fill(tmp_path / "b", "1_two.png", "2_two.png")
    pairs = pair_folders(clean, degraded, pair="{}_one:{}_two")
    assert [(c.name, d.name) for c, d in pairs] == [("1_one.png", "1_two.png"), ("2_one.png", "2_two.png")]
    assert "left out, being called neither '{}_one' nor '{}_two': 'mask.png'" in caplog.text
    with pytest.raises(LossmithError, match=r"no image in '.*b' is called '{}_three'; one is called '1_two'"):
        pair_folders(clean, degraded, pair="{}_one:{}_three")
    fill(degraded, "3_two.png")
    with pytest.raises(LossmithError, match=r"'3_two' in '.*b' has no partner in '.*a' by `pair="):
        pair_folders(clean, degraded, pair="{}_one:{}_two")


def test_a_refusal_suggests_the_pattern_that_matches_all(tmp_path: Path) -> None:
    clean, degraded = (
        fill(tmp_path / "a", "1_one.png", "2_one.png"),
        fill(tmp_path / "b", "1_two.png", "2_two.png"),
    )
    with pytest.raises(LossmithError) as error:
        pair_folders(clean, degraded)
    assert str(error.value).endswith("""where '1_two' comes nearest; `pair="{}_one:{}_two"` would pair them all""")
    with pytest.raises(LossmithError, match=r"by their names, '.*LR' holds the degraded images .*; swap them"):
        pair_folders(fill(tmp_path / "LR", "1_LR.png"), fill(tmp_path / "HR", "1_HR.png"))


def test_one_folder_can_hold_both_sides_of_pairs(tmp_path: Path) -> None:
    for scene in ("1", "2"):
        (tmp_path / "in").mkdir(exist_ok=True)
        fill(tmp_path / "in" / scene, "GT_1.png", "NOISY_1.png")
    pairs = pair_folders(tmp_path / "in", tmp_path / "in", recursive=True)
    assert [f"{c.parent.name}{c.stem}{d.parent.name}{d.stem}" for c, d in pairs] == [
        "1GT_11NOISY_1",
        "2GT_12NOISY_1",
    ]
    same_pairs = pair_folders(tmp_path / "in", tmp_path / "in", pair="{}/GT_{}:{}/NOISY_{}", recursive=True)
    assert same_pairs == pairs


def test_a_nested_folder_of_degraded_images_is_not_searched_for_clean_ones(tmp_path: Path) -> None:
    clean = fill(tmp_path / "data", "1.png", "2.png", size=(16, 12))
    degraded = fill(clean / "LR", "1.png", "2.png")
    assert [d.parent.name for _, d in pair_folders(clean, degraded, recursive=True)] == ["LR", "LR"]


@pytest.mark.parametrize("name", ["1x4", "1_LR4", "1_4x"])
def test_every_scale_in_a_name_is_checked_against_the_sizes(name: str, tmp_path: Path) -> None:
    clean = fill(tmp_path / "a", "1_HR.png" if "LR" in name else "1.png", size=(24, 12))
    with pytest.raises(LossmithError, match="has scale 4 in its name, but its clean image is 2 times larger"):
        pair_folders(clean, fill(tmp_path / "b", f"{name}.png", size=(12, 6)))


def test_real_sr_names_a_scale_that_is_not_of_the_sizes(tmp_path: Path) -> None:
    assert pair_folders(fill(tmp_path / "a", "1_HR.png"), fill(tmp_path / "b", "1_LR4.png"))
