"""`evaluate`: what goes together, and what is refused in one sentence."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import lossmith
from lossmith.images import write_picture
from lossmith.models import save_model
from lossmith.networks import network


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


def refused(subject: Path, **options: Any) -> str:
    with pytest.raises(lossmith.LossmithError) as error:
        lossmith.evaluate(subject, **options)
    return str(error.value)


def test_the_folder_of_a_run_is_no_folder_of_results(model: Path, photos: Path) -> None:
    run = model.parent
    assert refused(run, test=[photos]) == f"'{run}' is the folder of a run; name its model, {model}"


def test_degraded_pictures_are_not_degraded_again(model: Path, photos: Path, tmp_path: Path) -> None:
    degraded = shutil.copytree(photos, tmp_path / "degraded")
    sentence = refused(model, test=[photos], degraded=degraded, degradation="jpeg(10)")
    assert sentence == "give either --degraded or --degradation, not both"


def test_targets_are_not_their_own_degraded_pictures(model: Path, photos: Path) -> None:
    assert "for both the clean and the degraded pictures" in refused(model, test=[photos], degraded=photos)


def test_an_empty_degradation_is_not_the_models_own(model: Path, photos: Path) -> None:
    assert "degradation expression ''" in refused(model, test=[photos], degradation="")


def test_a_scale_that_does_not_fit_is_said_plainly(model: Path, model_x2: Path, photos: Path) -> None:
    assert refused(model, test=[photos], degradation="bicubic(2)") == (
        "the model keeps the size, but the clean pictures are 2 times larger than the degraded ones"
    )
    assert refused(model_x2, test=[photos], degradation="jpeg(10)") == (
        "the model enlarges by 2, but the clean pictures are as large as the degraded ones"
    )


def test_a_picture_that_cannot_be_scored_is_named(model_x2: Path, photos: Path, tmp_path: Path) -> None:
    results = shutil.copytree(photos, tmp_path / "results")
    write_picture(results / "3.png", torch.zeros(3, 8, 8))
    sentence = refused(results, test=[photos])
    assert sentence == "picture '3': prediction and target differ in size, 8x8 and 54x64 pixels"
    write_picture(tmp_path / "small" / "speck.png", torch.zeros(3, 4, 4))
    sentence = refused(model_x2, test=[tmp_path / "small"])
    assert sentence == "picture 'speck': cropping 2 px from each side leaves nothing of 4x4"
