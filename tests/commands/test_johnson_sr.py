"""Super-resolution by features: the recipes of Johnson et al., and the network whose features are at hand."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

import lossmith
from lossmith.cli import run
from lossmith.core.safetensors_io import save_tensors
from lossmith.losses import loss
from lossmith.losses.perceptual.weights import init_random
from lossmith.models.model_file import load_model
from lossmith.networks import network
from lossmith.training.recipe import Recipe


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights, with those of SqueezeNet."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(folder))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "hub"))
    write_weights(models.squeezenet1_1(), folder / "squeezenet1_1_imagenet.safetensors")
    return folder


def write_weights(module: nn.Module, path: Path) -> None:
    init_random(module)
    save_tensors(path, module.state_dict(), "test", {})


@pytest.mark.parametrize(
    ("name", "scale", "parameters"), [("johnson_sr", 4, 401_859), ("johnson_sr_x8", 8, 438_915)]
)
def test_the_published_recipes(name: str, scale: int, parameters: int) -> None:
    recipe: Recipe = lossmith.preset(name)["recipe"]
    assert recipe.degradation == f"blur(1) | bicubic({scale})"
    assert (recipe.patch, recipe.batch, recipe.steps, recipe.learning_rate) == (288, 4, 200_000, 1e-3)
    assert recipe.decay == "none"
    made = network(str(recipe.network), scale)
    assert sum(parameter.numel() for parameter in made.parameters()) == parameters


@pytest.mark.parametrize(
    ("option", "name", "scale"),
    [
        ("--preset", "johnson_sr", 4),
        ("--preset", "johnson_sr_x8", 8),
        ("--preset", "johnson_sr_small", 4),
        ("--recipe", "johnson_sr_small", 4),
    ],
)
def test_recipes_train_under_the_features_that_are_at_hand(
    option: str,
    name: str,
    scale: int,
    weights: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = ["--steps", "2", "--patch", "40", "--batch", "2"]
    out = tmp_path / "run"
    assert run(["train", str(photos), option, name, *quick, "--out", str(out)]) == 0
    notes = capsys.readouterr().err
    assert "vgg16 are not at hand, so the features are those of squeezenet1_1 (fire3)" in notes
    assert f"to undo blur(1) | bicubic({scale})" in notes
    model = load_model(out / "model.safetensors")
    assert model.scale == scale
    assert model.receipt["loss"] == "features(squeezenet1_1, fire3, distance=l2)"


def test_the_twin_that_compares_pixels_needs_no_weights(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "johnson_sr_small", "--loss", "l2", "--steps", "1", "--patch", "32", "--batch", "2"]
    assert run(["train", str(photos), *words, "--out", str(tmp_path / "run")]) == 0
    assert "at hand" not in capsys.readouterr().err
    assert load_model(tmp_path / "run" / "model.safetensors").receipt["loss"] == "l2"


def test_the_nearest_network_at_hand_is_taken_and_named(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert str(loss("johnson_at_hand")) == "features(squeezenet1_1, fire3, distance=l2)"
    start_of_vgg19 = models.vgg19().features[:17]
    write_weights(nn.ModuleDict({"features": start_of_vgg19}), weights / "vgg19_imagenet_to_conv3_4.safetensors")
    nearest = loss("johnson_at_hand")
    expression = "features(vgg19, relu2_2, distance=l2, weights=vgg19_imagenet_to_conv3_4.safetensors)"
    assert str(nearest) == expression
    images = torch.rand(2, 1, 3, 32, 32)
    assert torch.equal(nearest(*images), loss(expression)(*images)), "a receipt names it without a folder"
    assert "those of vgg19 (relu2_2)" in caplog.text
    caplog.clear()
    write_weights(models.vgg16().features[:10], weights / "vgg16-397923af.pth")
    with pytest.raises(lossmith.LossmithError, match="vgg16"):  # found, though it is none of VGG-16's
        loss("johnson_at_hand")
    assert caplog.text == ""


def test_nothing_is_downloaded_where_no_weights_are_at_hand(weights: Path) -> None:
    (weights / "squeezenet1_1_imagenet.safetensors").unlink()
    with pytest.raises(lossmith.LossmithError, match=r"at hand, .*: put vgg16-397923af\.pth from https:.* into"):
        loss("johnson_at_hand")
