"""A file is reproduced from its receipt, and differences are reported."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lossmith import AdversarialRecipe, Data, LossmithError, LossRecipe, Recipe, learn_loss, reproduce, train
from lossmith.commands import export
from lossmith.data import find_images, write_image
from lossmith.evaluation import Protocol

RECIPE = Recipe(degradation="noise(20)", network="fcn", steps=3, patch=16, batch=2)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in (2, 10, 1):  # whose natural order is not that of their names
        write_image(
            folder / f"{number}.png", torch.rand(3, 40, 44, generator=torch.Generator().manual_seed(number))
        )
    return folder


@pytest.fixture(scope="module")
def model(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = train(Data([images]), loss="l1 + 0.1*tv", seed=3, recipe=RECIPE, out=tmp_path_factory.mktemp("run"))
    return run.folder / "model.safetensors"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "image.png"
    write_image(path, torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(0)))
    return path


def card(path: Path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(next(iter(file.metadata().values())))


def rewritten(path: Path, out: Path, **entries: object) -> Path:
    """The same weights with another receipt; an entry of None is left out."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    receipt = {name: value for name, value in {**card(path), **entries}.items() if value is not None}
    with safe_open(path, "pt") as file:
        save_file(tensors, out, {next(iter(file.metadata())): json.dumps(receipt)})
    return out


def test_a_receipt_names_everything_that_made_the_model(model: Path) -> None:
    receipt = card(model)
    assert receipt["loss"] == "l1 + 0.1*tv"
    assert receipt["seed"] == 3
    assert list(receipt["training_images"]) == ["1", "2"]
    assert Protocol(**receipt["protocol"]) == Protocol("rgb", border=0)
    assert receipt["threads"] == torch.get_num_threads()
    assert receipt["versions"].keys() == {"lossmith", "code", "torch", "python"}


def test_an_old_receipt_without_gray_scores_and_levels_is_reproduced(
    model: Path, images: Path, tmp_path: Path
) -> None:
    older = rewritten(model, tmp_path / "older.safetensors", protocol={"color": "rgb", "border": 0})
    assert reproduce(older, images=[images], out=tmp_path / "anew").status == 0


@pytest.mark.parametrize("exported", [False, True])
def test_a_model_is_reproduced_bit_for_bit(model: Path, images: Path, exported: bool, tmp_path: Path) -> None:
    if exported:
        export(model, out=tmp_path / "1x-other.safetensors", half=True)
    file = tmp_path / "1x-other.safetensors" if exported else model
    result = reproduce(file, images=[images], out=tmp_path / "anew")
    assert result.status == 0
    assert result.changed == {}
    assert "to the last bit" in str(result)


def test_reproduce_computes_with_the_receipts_number_of_threads(model: Path, images: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    file = rewritten(model, tmp_path / "model.safetensors", threads=before + 1)
    result = reproduce(file, images=[images])
    assert card(result.reproduction)["threads"] == before + 1
    assert torch.get_num_threads() == before


def test_a_different_result_is_reported(model: Path, images: Path, tmp_path: Path) -> None:
    versions = {**card(model)["versions"], "torch": "1.0"}
    file = rewritten(model, tmp_path / "model.safetensors", seed=4, versions=versions)
    result = reproduce(file, images=[images])
    assert result.status == 1
    assert result.difference > 1e-3
    assert f"torch was 1.0, and is {torch.__version__.split('+')[0]}" in str(result)


QUICK = LossRecipe(iterations=2, min_side=48, width=4, max_width=4)


@pytest.mark.parametrize("pair", [False, True], ids=["expression", "pair"])
def test_a_learned_loss_is_reproduced_bit_for_bit(image: Path, pair: bool, tmp_path: Path) -> None:
    worse = tmp_path / "worse.png"
    write_image(worse, torch.rand(3, 48, 48, generator=torch.Generator().manual_seed(1)))
    source = {"degraded": worse} if pair else {"degradation": "noise(20)"}
    original = learn_loss(image, **source, recipe=QUICK, seed=5, out=tmp_path / "my.safetensors")
    result = reproduce(original.path, images=[worse, image])
    assert result.reproduction != original.path
    assert result.status == 0


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"degradation": "os:system"}, "your own 'os:system', whose code a file cannot run"),
        ({"image": {"width": 48}}, "its receipt has no image_sha256"),
        ({"image": {"image_sha256": [1]}}, "was made from 'image_sha256'; say with `images`"),
        ({"recipe": {"iterations": "x"}}, "iterations must be a whole number, 1 or more, not x"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"seed": "x"}, "seed must be 0 to"),
    ],
)
def test_a_loss_that_cannot_be_reproduced_is_refused(
    image: Path, tmp_path: Path, entries: dict, sentence: str
) -> None:
    original = learn_loss(image, degradation="jpeg", recipe=QUICK, out=tmp_path / "my.safetensors")
    file = rewritten(original.path, tmp_path / "changed.safetensors", **entries)
    with pytest.raises(LossmithError, match=sentence):
        reproduce(file, images=[image])
    assert not (tmp_path / "changed-anew").exists()


def test_reproduce_starts_the_second_stage_from_the_same_weights(images: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, degradation="bicubic(4)", network="srresnet_small(features=4, blocks=1)", patch=32)
    adversarial = AdversarialRecipe(discriminator="vgg_any(features=2)", psnr_steps=2)
    original = train(Data([images]), loss="l1", recipe=recipe, adversarial=adversarial, out=tmp_path / "run")
    model, before = (run.folder / "model.safetensors" for run in (original, original.pretraining))
    assert reproduce(model, images=[images], out=tmp_path / "beside").status == 0
    away = tmp_path / "away.safetensors"
    away.write_bytes(model.read_bytes())
    with pytest.raises(LossmithError, match="name it with `init_from`"):
        reproduce(away, images=[images])
    assert reproduce(away, images=[images], init_from=before).status == 0


def test_a_model_that_began_with_a_part_of_other_weights_is_made_again(images: Path, tmp_path: Path) -> None:
    large, small = (replace(RECIPE, network=f"srresnet_small(features=4, blocks={blocks})") for blocks in (2, 1))
    first = train(Data([images]), recipe=large, out=tmp_path / "first").folder / "model.safetensors"
    partial = replace(small, init=first, init_partial=True)
    partial_model = (
        train(Data([images]), recipe=partial, out=tmp_path / "partial_model").folder / "model.safetensors"
    )
    assert card(partial_model)["begins_with_part"]
    result = reproduce(partial_model, images=[images], init_from=first)
    assert result.status == 0


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"loss": None}, "does not say how it was made: its receipt has no loss"),
        ({"protocol": 3}, "does not say how it was made: its receipt has no protocol"),
        ({"minutes": 2.0}, "was trained for 2.0 minutes"),
        ({"validation_crops": {"a": "b"}}, "its receipt has no validation_min_side"),
        ({"validation_crops": {"a": "b"}, "test_images": None}, "is of a trial, which is not reproduced"),
        ({"loss": "os:system"}, "your own 'os:system', whose code a file cannot run"),
        ({"begins_with": "0" * 64}, "name it with `init_from`"),
        ({"training_images": {"cat": "0" * 64, "dog": "1" * 64}}, "'cat' and 1 more; say with `images`"),
    ],
)
def test_models_that_cannot_be_reproduced_are_refused(
    model: Path, images: Path, tmp_path: Path, entries: dict, sentence: str
) -> None:
    file = rewritten(model, tmp_path / "model.safetensors", **entries)
    with pytest.raises(LossmithError, match=sentence.replace("(", r"\(")):
        reproduce(file, images=find_images(images))
    assert not (tmp_path / "model-anew").exists()


def test_a_model_of_percentages_is_reproduced_bit_for_bit(images: Path, tmp_path: Path) -> None:
    run = train(Data([images]), loss="60%*l1 + 40%*tv", seed=3, recipe=RECIPE, out=tmp_path / "run")
    result = reproduce(file := run.folder / "model.safetensors", images=[images], out=tmp_path / "anew")
    assert result.status == 0
    assert card(result.reproduction)["loss_as_trained"] == card(file)["loss_as_trained"]
