"""Naming conventions and sizes of data sets and of results."""

from pathlib import Path

import pytest
from PIL import Image

from .conftest import QUICK, TINY, Lossmith

CONVENTIONS = [
    *("{}:{}x2", "{}:{}_x2", "{}:{}_bicLRx2", "{}:{}x2m", "{}_HR:{}_LR2", "{}_HR:{}_LR", "A{}:a{}"),
    *("{}_GT_SRGB:{}_NOISY_SRGB", "GT_{}:NOISY_{}", "{}_hr:{}_lr_x2", "{}_clean:{}_noisy"),
]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_pairs_are_matched_by_known_naming_conventions(convention: str, lossmith: Lossmith, photos: Path) -> None:
    clean, degraded = convention.split(":")
    Path("hr").mkdir()
    Path("lr").mkdir()
    for index in range(4):
        image = Image.open(photos / f"p{index}.png")
        image.save(f"hr/{clean.format(index)}.png")
        image.resize((64, 64), 3).save(f"lr/{degraded.format(index)}.png")
    outcome = lossmith("train", "--clean", "hr", "--degraded", "lr", "--network", TINY, *QUICK, "--out", "run")
    assert outcome.status == 0, outcome.output


def test_any_other_naming_convention_can_be_given(lossmith: Lossmith, photos: Path) -> None:
    Path("hr").mkdir()
    Path("lr").mkdir()
    for index in range(4):
        image = Image.open(photos / f"p{index}.png")
        image.save(f"hr/sharp-{index}.png")
        image.resize((64, 64), 3).save(f"lr/phone{index}-small.png")
    words = ("train", "--clean", "hr", "--degraded", "lr", "--network", TINY, *QUICK, "--out", "run")
    assert "--pair" in lossmith(*words).refusal
    assert lossmith(*words, "--pair", "sharp-{}:phone{}-small").status == 0


def test_targets_larger_by_less_than_the_scale_are_cropped(lossmith: Lossmith, photos: Path) -> None:
    Path("hr").mkdir()
    Path("sr").mkdir()
    for index in range(2):
        image = Image.open(photos / f"p{index}.png").crop((0, 0, 100, 100))
        image.save(f"hr/{index}.png")
        image.crop((0, 0, 99, 99)).resize((33, 33), 3).resize((99, 99), 3).save(f"sr/{index}.png")
    outcome = lossmith("evaluate", "sr", "--test", "hr", "--color", "y", "--border", "3")
    assert outcome.status == 0, outcome.output
    assert "99" in outcome.output or "last row" in outcome.output


def test_one_misfit_does_not_hide_the_other_scores(lossmith: Lossmith, photos: Path) -> None:
    Path("sr").mkdir()
    for index in range(4):
        image = Image.open(photos / f"p{index}.png")
        (image.resize((40, 40)) if index == 1 else image).save(f"sr/p{index}.png")
    outcome = lossmith("evaluate", "sr", "--test", photos)
    assert outcome.status == 1
    assert "p1" in outcome.output
    assert "40x40" in outcome.output
    for name in ("p0", "p2", "p3"):
        assert any(line.startswith(name) for line in outcome.output.splitlines()), outcome.output


@pytest.mark.parametrize("name", ["{}_out.png", "{}_SwinIR.png", "{}_x4_SwinIR.png", "{}_4x-model.png"])
def test_results_named_as_by_other_programs_are_matched(name: str, lossmith: Lossmith, photos: Path) -> None:
    Path("sr").mkdir()
    for path in photos.iterdir():
        Image.open(path).save(f"sr/{name.format(path.stem)}")
    assert lossmith("evaluate", "sr", "--test", photos).status == 0


def test_out_can_be_an_image_file(lossmith: Lossmith, photos: Path, x1: Path) -> None:
    assert lossmith("restore", photos / "p0.png", "--model", x1, "--out", "result.png").status == 0
    assert Image.open("result.png").size == (128, 128)
    assert "result.jpg" in lossmith("restore", photos, "--model", x1, "--out", "result.jpg").refusal
    sentence = lossmith("train", photos, "--network", "fcn", *QUICK, "--out", "mymodel.pth").refusal
    assert "mymodel.pth" in sentence


def test_nested_folders_with_images_of_one_name_are_restored(lossmith: Lossmith, photos: Path, x1: Path) -> None:
    for chapter in "12":
        (Path("nest") / chapter).mkdir(parents=True)
        Image.open(photos / "p0.png").save(f"nest/{chapter}/p0.png")
    assert "--recursive" in lossmith("restore", "nest", "--model", x1, "--out", "a").refusal
    assert lossmith("restore", "nest", "--recursive", "--model", x1, "--out", "b").status == 0
    assert lossmith("restore", "nest/**/*.png", "--model", x1, "--out", "c").status == 0
    for out in "bc":
        assert sorted(str(path.relative_to(out)) for path in Path(out).rglob("*.png")) == ["1/p0.png", "2/p0.png"]
    Image.open(photos / "p1.png").save("nest/1/p0.jpg")
    assert lossmith("restore", "nest/1", "--model", x1, "--out", "d").status == 0
    assert len(list(Path("d").glob("*.png"))) == 2


def test_glob_patterns_are_expanded_in_every_command(lossmith: Lossmith, photos: Path) -> None:
    words = ("--degradation", "jpeg(10)", "--network", "fcn", *QUICK)
    assert lossmith("train", "photos/*.png", *words, "--out", "a").status == 0
    assert lossmith("train", "photos/p[01].png", "--test", "photos/p[23].png", *words, "--out", "b").status == 0
    Path("settings.yaml").write_text('images: ["photos/*.png"]\n')
    assert lossmith("train", "--config", "settings.yaml", *words, "--out", "c").status == 0
    assert "nothing" not in lossmith("train", "photos/*.gif", *words, "--out", "d").refusal


def test_a_pattern_can_match_one_image(lossmith: Lossmith, photos: Path) -> None:
    words = ("--degradation", "jpeg(10)", "--out", "mine.safetensors")
    assert "3 more" in lossmith("learn-loss", "photos/*.png", *words).refusal
    assert (
        "fits" not in lossmith("learn-loss", "photos/p0*.png", "--degraded", "photos/p9.png", *words[2:]).refusal
    )
