"""The models that come with lossmith: their names, their files, and what their receipts say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import lossmith
from lossmith import restoration
from lossmith.core.errors import LossmithError
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import load_model, save_model
from lossmith.models.shipped import MAX_BYTES, SHIPPED, find_model, ship, shipped_models, shipped_receipt
from lossmith.networks import network

PHOTOGRAPHS = [{"name": "Bridge", "author": "Sander Klootwijk", "license": "CC-BY-SA-4.0"}]
SCORES = {"classic5, quality 10, PSNR": 29.25}


def trained(folder: Path, expression: str = "srresnet_small(features=4, blocks=1)", scale: int = 4) -> Path:
    """The model of a run."""
    path = folder / "model.safetensors"
    torch.manual_seed(0)
    receipt = {"network": expression, "scale": scale, "degradation": "bicubic(4)", "loss": "l1", "steps": 20}
    save_model(path, network(expression, scale), receipt)
    return path


def test_shipping_keeps_weights_and_receipt_and_adds_what_people_should_know(tmp_path: Path) -> None:
    source = trained(tmp_path)
    path = ship(source, "x4", "faithful", trained_on=PHOTOGRAPHS, scores=SCORES, folder=tmp_path / "out")
    assert path == tmp_path / "out" / "x4-faithful.safetensors"
    before, after = load_model(source), load_model(path)
    assert after.receipt == {
        **before.receipt,
        "task": "x4",
        "character": "faithful",
        "license": "Apache-2.0",
        "trained_on": PHOTOGRAPHS,
        "scores": SCORES,
    }
    weights = after.restorer.state_dict()
    assert all(
        torch.equal(tensor.half().float(), weights[name]) for name, tensor in before.restorer.state_dict().items()
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "x3"}, "task 'x3' is not known"),
        ({"character": "sharper"}, "character 'sharper' is not known; did you mean 'sharp'?"),
        ({"trained_on": [{"name": "Bridge", "license": ""}]}, "has no author and no license, and is trained on"),
    ],
)
def test_what_is_shipped_has_a_task_a_character_and_licenses(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"task": "x4", "character": "sharp", "trained_on": PHOTOGRAPHS, **changes}
    with pytest.raises(LossmithError, match=sentence.replace("?", r"\?")):
        ship(trained(tmp_path), **arguments, scores={}, folder=tmp_path)


def test_a_large_model_is_not_shipped(tmp_path: Path) -> None:
    large = trained(tmp_path, "srresnet_small(features=64, blocks=14)")
    with pytest.raises(LossmithError, match="ships has at most 2,000,000"):
        ship(large, "x4", "sharp", trained_on=[], scores={}, folder=tmp_path)


def test_models_are_listed_task_by_task_faithful_first(box: Path) -> None:
    tasks = [name.partition("-")[0] for name in shipped_models()]
    assert tasks == ["jpeg", "jpeg", "denoise", "denoise", "x2", "x2", "x4", "x4"]
    assert shipped_models()[-2:] == ["x4-faithful", "x4-sharp"]
    assert shipped_receipt("x4-sharp")["character"] == "sharp"


def test_a_name_is_a_shipped_model_where_no_file_is_called_so(box: Path) -> None:
    assert find_model("x4-faithful") == box / "x4-faithful.safetensors"
    Path("x4-faithful").write_bytes(b"mine")
    assert find_model("x4-faithful") == Path("x4-faithful")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "x4-fathful",
            r"^shipped model 'x4-fathful' is not known; did you mean 'x4-faithful'\?; other",
        ),
        ("zebra", "^shipped model 'zebra' is not known; known are denoise-faithful, .*; other models are files$"),
        ("x4-faithful.safetensors", "does not exist; a model is the model.safetensors in the folder of a run$"),
        ("runs/x4-faithful", "does not exist; a model is the model.safetensors in the folder of a run$"),
    ],
)
def test_what_is_neither_a_name_nor_a_file_is_refused_in_a_sentence(box: Path, name: str, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        find_model(name)


def test_every_command_that_takes_a_model_takes_the_name(box: Path) -> None:
    image, name = "in.png", "x4-faithful"
    Image.effect_noise((16, 16), 50).convert("RGB").save(image)
    weights = load_any_model(name).restorer.state_dict()
    assert lossmith.restore(image, model=name, out="restored").results == [Path("restored/in.png")]
    assert lossmith.evaluate(name, test=[image], border=1).scores
    exported = next(iter(lossmith.export(name, out=Path("4x.safetensors")).files))
    assert torch.equal(load_model(exported).restorer.state_dict()["conv_last.bias"], weights["conv_last.bias"])
    assert lossmith.blend(name, "x4-sharp", alpha=0.5, out=Path("4x-between.safetensors")).path.is_file()
    assert restoration.open_restorer(name).receipt["task"] == "x4"


def test_training_begins_with_a_shipped_model(box: Path, photos: Path) -> None:
    from lossmith.training import open_init

    recipe, init = open_init(lossmith.Recipe(init=Path("x4-faithful"), steps=1), scale=4)
    assert str(recipe.network) == "srresnet_small(features=4, blocks=1)"
    assert init is not None
    weights = load_any_model("x4-faithful").restorer.state_dict()
    assert all(torch.equal(tensor, init.weights[key]) for key, tensor in weights.items())


# --- the files in the package ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_models())
def test_a_file_of_the_package_is_small_and_says_what_it_is(name: str) -> None:
    receipt = shipped_receipt(name)
    assert f"{receipt['task']}-{receipt['character']}" == name
    assert receipt["license"] == "Apache-2.0"
    assert receipt["scores"]
    assert receipt["trained_on"]
    assert (SHIPPED / f"{name}.safetensors").stat().st_size <= MAX_BYTES
    assert load_any_model(name).scale == {"x2": 2, "x4": 4}.get(receipt["task"], 1)


def test_an_installation_holds_the_files() -> None:
    """Hatchling packs the folder of the package as it is; nothing may tell it, or git, to leave models out."""
    import tomllib

    root = Path(__file__).parents[2]
    build = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build == {"packages": ["src/lossmith"]}
    assert root / "src" in SHIPPED.parents
    ignored = (root / ".gitignore").read_text().split()
    assert not any(SHIPPED.joinpath("x4-faithful.safetensors").match(pattern.strip("/")) for pattern in ignored)
