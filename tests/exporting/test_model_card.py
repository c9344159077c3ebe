"""Names, cards and compatibility of exported models."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith import LossmithError, export
from lossmith.exporting import check_scale, compatibility, model_name
from lossmith.models.model_file import Model
from lossmith.networks import network

from .samples import save_network


@pytest.mark.parametrize("expression", ["rrdbnet(scale=4, blocks=1, growth=8)", "rrdbnet(scale=3, blocks=1)"])
def test_forms_of_rrdbnet_that_spandrel_misreads_are_not_promised(expression: str) -> None:
    assert compatibility(Model(network(expression), {})).startswith(
        "opens in lossmith; spandrel knows this network with a growth of"
    )


def test_a_folder_gets_all_three_and_the_card_describes_them(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    source = save_network(tmp_path, "rrdbnet(features=4, blocks=1)", 4)
    outcome = export(source, out=tmp_path / "release", author="someone", license="CC0-1.0")
    assert [path.name for path in outcome.files] == ["4x-sharp.safetensors", "4x-sharp.onnx", "4x-sharp.json"]
    card = json.loads((tmp_path / "release" / "4x-sharp.json").read_text())
    assert card["loss"] == "mix + 0.1*tv"
    assert "`mix + 0.1*tv`" in card["description"]
    expected = {
        "name": "4x-sharp",
        "author": "someone",
        "license": "CC0-1.0",
        "architecture": "esrgan",
        "size": ["4nf", "1nb"],
        "scale": 4,
        "inputChannels": 3,
        "outputChannels": 3,
        "tags": ["general-upscaler", "jpeg"],
        "trainingIterations": 400,
        "trainingBatchSize": 16,
        "trainingHRSize": 64,
        "datasetSize": 2,
        "images": [],
    }
    assert {key: card[key] for key in expected} == expected
    from hashlib import sha256

    for resource, path in zip(card["resources"], outcome.files, strict=False):
        assert resource["size"] == path.stat().st_size
        assert resource["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert [resource["type"] for resource in card["resources"]] == ["safetensors", "onnx"]


def test_a_card_says_nothing_that_the_receipt_does_not(tmp_path: Path) -> None:
    torch.save(network("srresnet(features=4, blocks=1)", 4).state_dict(), tmp_path / "MSRGANx4.pth")
    export(tmp_path / "MSRGANx4.pth", out=tmp_path / "4x-msrgan.json")
    card = json.loads((tmp_path / "4x-msrgan.json").read_text())
    assert (card["architecture"], card["license"], card["resources"]) == ("sr-res-net", None, [])
    assert not {"loss", "degradation", "trainingIterations", "datasetSize"} & set(card)


@settings(deadline=None)
@given(st.text(max_size=20).filter(lambda text: "\0" not in text), st.integers(1, 16))
def test_default_export_names_are_valid(text: str, scale: int) -> None:
    name = model_name(Path("model.pth"), scale, text)
    assert name.isascii()
    assert name.replace("-", "").isalnum()
    assert name.startswith(f"{scale}x-")
    check_scale(Path(f"{name}.safetensors"), scale)


@pytest.mark.parametrize(
    "name", ["4x-a.onnx", "4x_a.onnx", "a_x4.onnx", "RealESRGAN_x4plus.pth", "4x.safetensors"]
)
def test_export_names_with_the_scale_are_taken(name: str) -> None:
    check_scale(Path(name), 4)


@pytest.mark.parametrize("name", ["a.onnx", "2x-a.onnx", "2x-a-4x.onnx", "ax4.onnx", "14x-a.onnx"])
def test_export_names_without_the_scale_or_with_another_are_refused(name: str) -> None:
    with pytest.raises(LossmithError, match=r"^programs read the scale from a model's name; call it 4x-\S+$"):
        check_scale(Path(name), 4)
