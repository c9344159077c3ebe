"""`evaluate`: what goes together, and what is refused in one sentence."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import lossmith
from lossmith.data import find_images, make_test_pairs, write_image
from lossmith.degradations import Noise, degradation
from lossmith.evaluation import baseline, restore_images, score
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import network
from lossmith.restoration.histograms import match_histogram

PERFECT = 100.0
"""The PSNR of an image to itself."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, network("fcn"), {"network": "fcn", "scale": 1, "degradation": "noise(25)", "loss": "l1"})
    return path


@pytest.fixture
def model_x2(tmp_path: Path) -> Path:
    path = tmp_path / "x2.safetensors"
    save_model(path, network("fcn", 2), {"network": "fcn", "scale": 2, "degradation": "bicubic(2)"})
    return path


def refusal(subject: Path, **options: Any) -> str:
    with pytest.raises(lossmith.LossmithError) as error:
        lossmith.evaluate(subject, **options)
    return str(error.value)


def test_the_folder_of_a_run_is_not_taken_for_results(model: Path, photos: Path) -> None:
    run = model.parent
    assert refusal(run, test=[photos]) == f"'{run}' is a folder; name the model in it: {model}"


def test_paths_may_be_text_and_a_degradation_an_object(model: Path, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    evaluation = lossmith.evaluate(str(model), test=str(photos), degradation=Noise(25), out=str(table))
    outcome_of_objects = lossmith.evaluate(model, test=[photos], degradation="noise(25)")
    assert evaluation.means["psnr"] == outcome_of_objects.means["psnr"]
    assert table.is_file()


def test_given_degraded_images_are_not_degraded_again(model: Path, photos: Path, tmp_path: Path) -> None:
    degraded = shutil.copytree(photos, tmp_path / "degraded")
    sentence = refusal(model, test=[photos], degraded=degraded, degradation="jpeg(10)")
    assert sentence == "give either `degraded` or `degradation`, not both"


def test_targets_given_as_degraded_images_are_refused(model: Path, photos: Path) -> None:
    assert "for both the clean and the degraded images" in refusal(model, test=[photos], degraded=photos)


def test_an_empty_degradation_is_refused(model: Path, photos: Path) -> None:
    assert "degradation expression ''" in refusal(model, test=[photos], degradation="")


def test_a_scale_that_does_not_fit_is_refused(model: Path, model_x2: Path, photos: Path) -> None:
    assert refusal(model, test=[photos], degradation="bicubic(2)") == (
        "the model keeps the size, but the clean images are 2 times larger than the degraded ones"
    )
    assert refusal(model_x2, test=[photos], degradation="jpeg(10)") == (
        "the model enlarges by 2, but the clean images are as large as the degraded ones"
    )


def test_results_are_scored_with_the_histograms_of_their_inputs(model: Path, photos: Path) -> None:
    pairs = make_test_pairs(find_images([photos]), degradation("noise(25)"))
    restorer = load_model(model).restorer
    matched = [
        match_histogram(image, baseline(pair))
        for image, pair in zip(restore_images(restorer, pairs), pairs, strict=True)
    ]
    evaluation = lossmith.evaluate(model, test=[photos], match_histogram=True)
    for image, pair in zip(matched, pairs, strict=True):
        assert evaluation.scores[pair.name] == score(image, pair.clean, evaluation.protocol)
    plain = lossmith.evaluate(model, test=[photos])
    assert evaluation.scores != plain.scores
    assert evaluation.rows[-1].method == f"{plain.rows[-1].method}, matched"
    assert "`match_histogram` needs the input" in refusal(photos, test=[photos], match_histogram=True)


def test_images_that_cannot_be_scored_are_named(model_x2: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "small" / "speck.png", torch.zeros(3, 4, 4))
    sentence = refusal(model_x2, test=[tmp_path / "small"])
    assert sentence == "cropping 2 px from each side leaves nothing of 'speck'; test with larger images"


def test_one_unscored_image_does_not_hide_the_other_scores(photos: Path, tmp_path: Path) -> None:
    results = shutil.copytree(photos, tmp_path / "results")
    write_image(results / "3.png", torch.zeros(3, 8, 8))
    (results / "1.png").unlink()
    (results / "0.png").write_bytes(b"no image")
    evaluation = lossmith.evaluate(results, test=[photos])
    assert [row.image for row in evaluation.rows] == ["2", "4", "5"]
    assert evaluation.status == 1
    assert [
        failure.replace(str(tmp_path), "").replace(str(photos), "") for failure in evaluation.failures[1:]
    ] == [
        "'/1.png' has no result",
        "'/results/3.png' has 8x8 pixels, and its target '/3.png' 54x64",
    ]
    assert "0.png" in evaluation.failures[0]
    assert "3 not scored, and in no mean:" in str(evaluation)


@pytest.mark.parametrize("naming", ["{}_out.png", "{}_x4_SwinIR.jpg", "SR_{}.png", "{}x4_out.png"])
def test_results_are_matched_by_common_parts_of_their_names(naming: str, photos: Path, tmp_path: Path) -> None:
    results = copy_with_names(photos, tmp_path / "results", naming)
    evaluation = lossmith.evaluate(results, test=[photos])
    assert [row.scores["psnr"] for row in evaluation.rows] == [PERFECT] * 6
    assert evaluation.notes == [
        f"results are matched to targets by name, as '{Path(naming).stem.format(0)}' to '0'"
    ]
    assert evaluation.status == 0


def test_any_other_naming_is_an_option(photos: Path, tmp_path: Path) -> None:
    results = copy_with_names(photos, tmp_path / "results", "the {} of mine.png")
    with_tail = copy_with_names(photos, tmp_path / "targets", "{} and more.png")
    sentence = refusal(results, test=[with_tail])
    assert sentence.endswith('say how results are called, such as `pair="{} and more:the {} of mine"`')
    evaluation = lossmith.evaluate(results, test=[with_tail], pair="{} and more:the {} of mine")
    assert [row.scores["psnr"] for row in evaluation.rows] == [PERFECT] * 6


@pytest.mark.parametrize(
    ("full", "size", "scale"),
    [
        ((100, 100), (99, 99), 3),
        ((101, 100), (100, 100), 2),
        ((101, 100), (102, 100), 2),
        ((99, 98), (100, 100), 4),
    ],
)
def test_sides_can_differ_by_less_than_the_scale(
    full: tuple[int, int], size: tuple[int, int], scale: int, tmp_path: Path
) -> None:
    """A network that enlarges by 3 makes 99 pixels of 33, and 102 of 34: it knows nothing of the hundredth."""
    content = torch.rand(3, 102, 102, generator=torch.Generator().manual_seed(0))
    write_image(tmp_path / "targets" / "a.png", content[:, : full[0], : full[1]])
    write_image(tmp_path / "results" / "a.png", content[:, : size[0], : size[1]])
    evaluation = lossmith.evaluate(tmp_path / "results", test=[tmp_path / "targets"], out=tmp_path / "scores.csv")
    assert evaluation.rows[0].scores["psnr"] == PERFECT
    suffix = f"; last rows and columns beyond a multiple of {scale} cropped"
    assert suffix in str(evaluation)
    assert suffix in (tmp_path / "scores.csv").read_text()


@pytest.mark.parametrize("size", [(90, 100), (110, 100), (101, 99)])
def test_results_of_other_sizes_are_refused(size: tuple[int, int], tmp_path: Path) -> None:
    write_image(tmp_path / "targets" / "a.png", torch.zeros(3, 100, 100))
    write_image(tmp_path / "results" / "a.png", torch.zeros(3, *size))
    sentence = refusal(tmp_path / "results", test=[tmp_path / "targets"])
    assert sentence.startswith(
        f"'{tmp_path / 'results' / 'a.png'}' has {size[0]}x{size[1]} pixels, and its target"
    )


def test_nested_folders_are_scored(photos: Path, tmp_path: Path) -> None:
    for part in ("day", "night"):
        shutil.copytree(photos, tmp_path / "targets" / part)
        copy_with_names(photos, tmp_path / "targets" / "results" / part, "{}_out.png")
    evaluation = lossmith.evaluate(tmp_path / "targets" / "results", test=[tmp_path / "targets"], recursive=True)
    assert [row.scores["psnr"] for row in evaluation.rows] == [PERFECT] * 12
    patterns = [tmp_path / "targets" / "day" / "*.png", tmp_path / "targets" / "night"]
    by_pattern = lossmith.evaluate(tmp_path / "targets" / "results" / "*" / "*.png", test=patterns)
    assert [row.scores["psnr"] for row in by_pattern.rows] == [PERFECT] * 12


def copy_with_names(photos: Path, folder: Path, naming: str) -> Path:
    folder.mkdir(parents=True)
    for path in photos.iterdir():
        shutil.copy(path, folder / naming.format(path.stem))
    return folder
