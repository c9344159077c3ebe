"""`lossmith export`: the files that other programs open, opened as those do."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith import LossmithError, export
from lossmith.exporting import check_scale, compatibility, model_name
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, Model, save_model
from lossmith.networks import network

RECEIPT = {
    "loss": "mix + 0.1*tv",
    "degradation": "bicubic(4) | jpeg(50)",
    "steps": 400,
    "batch": 16,
    "patch": 64,
    "training_images": {"a": "00", "b": "11"},
    "lossmith": "0.1.0",
}


def save_network(folder: Path, expression: str, scale: int) -> Path:
    """A run's model with weights that are all at work; they, and what is drawn after them, are always the same."""
    torch.manual_seed(0)
    net = network(expression, scale)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    path = folder / "sharp" / "model.safetensors"
    save_model(path, net, {**RECEIPT, "network": expression, "scale": scale})
    return path


# --- spandrel, as ComfyUI and chaiNNer use it ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "scale"),
    [
        ("rrdbnet(features=8, blocks=2)", 4),
        ("rrdbnet(features=8, blocks=2)", 2),
        ("rrdbnet(features=8, blocks=2)", 1),
        ("rrdbnet(features=8, blocks=2)", 8),
        ("rrdbnet(features=8, blocks=2, unshuffle=1)", 2),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_spandrel_opens_what_is_exported_and_gives_the_same_images(
    expression: str, scale: int, half: bool, tmp_path: Path
) -> None:
    spandrel = pytest.importorskip("spandrel")
    source = save_network(tmp_path, expression, scale)
    path = tmp_path / f"{scale}x-sharp.safetensors"
    report = str(export(source, out=path, half=half))
    assert report.endswith("opens in spandrel as ESRGAN, so in ComfyUI and chaiNNer")
    opened = spandrel.ModelLoader("cpu").load_from_file(path)
    assert (opened.architecture.id, opened.scale) == ("ESRGAN", scale)
    reloaded = load_any_model(path).restorer
    for height, width in ((8, 12), (13, 7)):
        image = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            # sums of the same numbers, whose order the two programs may choose differently
            torch.testing.assert_close(opened.model.float()(image), reloaded(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("expression", "scale"),
    [("srresnet(features=8, blocks=2)", 4), ("srresnet_small(features=8, blocks=1)", 2), ("fcn", 1)],
)
def test_networks_unknown_to_spandrel_are_reported(expression: str, scale: int, tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel")
    path = tmp_path / f"{scale}x-sharp.safetensors"
    assert "which spandrel does not know" in (
        report := str(export(save_network(tmp_path, expression, scale), out=path))
    ) or ("spandrel does not know this network" in report)
    with pytest.raises(spandrel.UnsupportedModelError):
        spandrel.ModelLoader("cpu").load_from_file(path)


@pytest.mark.parametrize("expression", ["rrdbnet(scale=4, blocks=1, growth=8)", "rrdbnet(scale=3, blocks=1)"])
def test_forms_of_rrdbnet_that_spandrel_misreads_are_not_promised(expression: str) -> None:
    assert compatibility(Model(network(expression), {})).startswith(
        "opens in lossmith; spandrel knows this network with a growth of"
    )


# --- safetensors -----------------------------------------------------------------------------------------------


def test_the_safetensors_file_keeps_weights_and_receipt(tmp_path: Path) -> None:
    source = save_network(tmp_path, "srresnet(features=8, blocks=1)", 4)
    export(source, out=tmp_path / "4x-sharp.safetensors")
    assert (tmp_path / "4x-sharp.safetensors").read_bytes() == source.read_bytes()


def test_a_half_precision_export_is_half_as_large(tmp_path: Path) -> None:
    source = save_network(tmp_path, "srresnet(features=32, blocks=1)", 4)
    export(source, out=tmp_path / "4x-sharp.safetensors", half=True)
    # beside the weights lies a header of keys, some kilobytes
    assert (tmp_path / "4x-sharp.safetensors").stat().st_size < 0.55 * source.stat().st_size
    before, after = (
        load_any_model(path).restorer.state_dict() for path in (source, tmp_path / "4x-sharp.safetensors")
    )
    assert all(torch.equal(after[name], tensor.half().float()) for name, tensor in before.items())


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_old_rrdbnet_layout_is_exported_with_current_keys(scale: int, tmp_path: Path) -> None:
    net = network("rrdbnet(features=4, blocks=1, growth=4, unshuffle=1)", scale).eval()
    ups = {1: 0, 2: 1, 4: 2}[scale]
    places = {"conv_first": "0", "conv_body": "1.sub.1", "conv_up1": "3", "conv_up2": "6"}
    places |= {"conv_hr": str(3 * ups + 2), "conv_last": str(3 * ups + 4)}
    old = {}
    for name, tensor in net.state_dict().items():
        layer, part = name.rsplit(".", 1)
        dense = layer.replace("body.0.rdb", "1.sub.0.RDB") + ".0" if "rdb" in layer else places[layer]
        old[f"model.{dense}.{part}"] = tensor
    assert {"model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.1.bias"} < set(old)
    torch.save(old, tmp_path / f"RRDB_PSNR_x{scale}.pth")
    export(tmp_path / f"RRDB_PSNR_x{scale}.pth", out=tmp_path / f"{scale}x-psnr.safetensors")
    again = load_any_model(tmp_path / f"{scale}x-psnr.safetensors")
    image = torch.rand(1, 3, 6, 7)
    assert torch.equal(again.restorer(image), net(image))
    assert again.receipt["origin"]["file"] == f"RRDB_PSNR_x{scale}.pth"


# --- ONNX ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "scale"),
    [
        ("rrdbnet(features=6, blocks=1, growth=4)", 2),
        ("srresnet(features=6, blocks=1)", 3),
        ("fcn", 2),
    ],
)
def test_the_onnx_graph_gives_the_same_images_at_any_size(expression: str, scale: int, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    source, path = save_network(tmp_path, expression, scale), tmp_path / f"{scale}x-sharp.onnx"
    export(source, out=path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (source_info,), (result_info,) = session.get_inputs(), session.get_outputs()
    assert (source_info.name, result_info.name) == ("input", "output")
    assert source_info.type == "tensor(float)"
    assert [isinstance(side, str) for side in source_info.shape] == [True, False, True, True]
    restorer = load_any_model(source).restorer
    for shape in ((1, 3, 5, 9), (3, 3, 17, 4), (2, 3, 32, 32), (1, 3, 1, 1)):
        images = torch.rand(shape)
        (result,) = session.run(None, {"input": images.numpy()})
        with torch.inference_mode():
            np.testing.assert_allclose(result, restorer(images).numpy(), rtol=1e-4, atol=1e-5)
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(metadata[FORMAT])["loss"] == RECEIPT["loss"]


def test_the_float16_graph_takes_and_gives_float16_and_stays_close(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    source, path = save_network(tmp_path, "srresnet(features=8, blocks=1)", 2), tmp_path / "2x-sharp.onnx"
    export(source, out=path, half=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {tensor.type for tensor in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float16)"}
    images = torch.rand(1, 3, 12, 10)
    (result,) = session.run(None, {"input": images.half().numpy()})
    with torch.inference_mode():  # float16 has 11 bits
        np.testing.assert_allclose(result, load_any_model(source).restorer(images).numpy(), atol=5e-3)


@pytest.mark.parametrize(
    ("network", "opset"),
    [
        *(("srresnet(features=4, blocks=1)", opset) for opset in (11, 17, 19)),
        *(("srresnet_small(features=4, blocks=1)", opset) for opset in (11, 17)),  # enlarges bicubically
    ],
)
def test_a_graph_for_an_older_runtime_gives_the_same_images(network: str, opset: int, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    source, path = save_network(tmp_path, network, 2), tmp_path / "2x-sharp.onnx"
    report = str(export(source, out=path, opset=opset))
    assert f": opset {opset}, at most " in report
    (version,) = (entry.version for entry in onnx.load(path).opset_import if entry.domain == "")
    assert version == opset
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = torch.rand(2, 3, 17, 9)
    (result,) = session.run(None, {"input": images.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(result, load_any_model(source).restorer(images).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [None, 17])
def test_a_fixed_size_graph_takes_that_size(opset: int | None, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    source, path = save_network(tmp_path, "srresnet(features=4, blocks=1)", 2), tmp_path / "2x-sharp.onnx"
    assert "takes 40 x 24 pixels only" in str(export(source, out=path, size="40x24", opset=opset))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == [1, 3, 24, 40]
    images = torch.rand(1, 3, 24, 40)
    (result,) = session.run(None, {"input": images.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(result, load_any_model(source).restorer(images).numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_with_a_size_multiple_gives_a_graph_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    (tmp_path / "my_fours.py").write_text(
        "from torch import nn\nclass Fours(nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(nn.PixelUnshuffle(4), nn.Conv2d(48, 48, 1), nn.PixelShuffle(4))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own, path = "my_fours:Fours", tmp_path / "1x-fours.onnx"
    save_model(tmp_path / "model.safetensors", network(own), {"network": own, "scale": 1})
    report = str(export(tmp_path / "model.safetensors", out=path, network=own))
    assert "takes sides that are multiples of 4" in report
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": torch.rand(1, 3, 12, 20).numpy()})
    assert result.shape == (1, 3, 12, 20)
    with pytest.raises(LossmithError, match=r"^the network cannot be exported to ONNX of 12 x 10 pixels: "):
        export(tmp_path / "model.safetensors", out=tmp_path / "1x-ten.onnx", network=own, size=(12, 10))


def test_a_spandrel_model_is_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(0)
    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=1, upscale=2)
    torch.save({"params": net.state_dict()}, tmp_path / "compact.pth")
    outcome = export(tmp_path / "compact.pth", out=tmp_path / "release", name="compact", size="24x24")
    assert "opens in spandrel as RealESRGAN Compact" in str(outcome)
    image = torch.rand(1, 3, 10, 12)
    with torch.inference_mode():
        outputs = [
            load_any_model(path).restorer(image) for path in (tmp_path / "compact.pth", next(iter(outcome.files)))
        ]
    assert torch.equal(*outputs)


MODULE = """
import torch
from torch import nn

class Unlike(nn.Module):
    '''Computes something else in a graph than it does by itself.'''
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.conv(x) + (1.0 if torch.compiler.is_exporting() else 0.0)

class Choosy(Unlike):
    '''Looks at the image before it decides what to do.'''
    def forward(self, x):
        return self.conv(x) if x.mean() > 0.5 else x

class Stubborn(Unlike):
    '''Takes one size only.'''
    def forward(self, x):
        return self.conv(x) + torch.zeros(32, 48)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Unlike", r"^the ONNX graph differs from PyTorch by \S+ on 1x3x\d+x\d+$"),
        ("Choosy", r"^the network cannot be exported to ONNX with free sizes: \w"),
        ("Stubborn", r"^the network itself fails on 1x3x\d+x\d+, so its sizes are not free: The size of tensor a"),
    ],
)
def test_a_graph_with_wrong_output_is_not_written(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "my_graphs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    own = f"my_graphs:{name}"
    save_model(tmp_path / "model.safetensors", network(own), {"network": own, "scale": 1})
    with pytest.raises(LossmithError, match=message):
        export(tmp_path / "model.safetensors", out=tmp_path / "out", network=own)
    assert not [path for path in (tmp_path / "out").glob("*") if path.is_file()]
    sys.modules.pop("my_graphs")


def test_without_onnx_an_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(LossmithError) as refused:
        export(save_network(tmp_path, "fcn", 1), out=tmp_path / "1x-sharp.onnx")
    assert str(refused.value) == "ONNX needs 'onnxscript', which comes with: pip install \"lossmith[onnx]\""


# --- the card --------------------------------------------------------------------------------------------------


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


# --- names -----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("4x-a.pth", {}, "4x-a.pth must end in .safetensors, .onnx or .json, or name a folder"),
        ("a.onnx", {}, "programs read the scale from a model's name; call it 4x-a.onnx"),
        ("4x-a.json", {"name": "b"}, "`name` is for a folder; the name of a file is in `out`"),
        ("4x-there.json", {}, "4x-there.json exists already; choose another `out`"),
        ("4x-a.json", {"opset": 17}, "`opset` and `size` are for an ONNX graph, and none is written"),
        ("4x-a.onnx", {"opset": 3}, "`opset` must be from 9 to 23, not 3"),
        ("4x-a.onnx", {"size": "64x"}, "`size` must be WIDTHxHEIGHT, such as 320x256, not '64x'"),
    ],
)
def test_invalid_export_options_are_refused(
    out: str, options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = save_network(tmp_path, "srresnet(features=4, blocks=1)", 4)
    Path("4x-there.json").touch()
    with pytest.raises(LossmithError) as refused:
        export(source, out=Path(out), **options)
    assert str(refused.value) == message
