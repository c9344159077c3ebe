"""ONNX graphs: the same images as PyTorch gives, in onnxruntime, or no graph at all."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lossmith import LossmithError, export
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, save_model
from lossmith.networks import network

from .samples import RECEIPT, save_network


@pytest.mark.parametrize(
    ("expression", "scale"),
    [
        ("rrdbnet(features=6, blocks=1, growth=4)", 2),
        ("srresnet(features=6, blocks=1)", 3),
        ("fcn", 2),
        ("srresnet_small(features=6, blocks=1, unshuffle=2)", 1),
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
    expression, path = "my_fours:Fours", tmp_path / "1x-fours.onnx"
    save_model(tmp_path / "model.safetensors", network(expression), {"network": expression, "scale": 1})
    report = str(export(tmp_path / "model.safetensors", out=path, network=expression))
    assert "takes sides that are multiples of 4" in report
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": torch.rand(1, 3, 12, 20).numpy()})
    assert result.shape == (1, 3, 12, 20)
    with pytest.raises(LossmithError, match=r"^the network cannot be exported to ONNX of 12 x 10 pixels: "):
        export(tmp_path / "model.safetensors", out=tmp_path / "1x-ten.onnx", network=expression, size=(12, 10))


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
    expression = f"my_graphs:{name}"
    save_model(tmp_path / "model.safetensors", network(expression), {"network": expression, "scale": 1})
    with pytest.raises(LossmithError, match=message):
        export(tmp_path / "model.safetensors", out=tmp_path / "out", network=expression)
    assert not [path for path in (tmp_path / "out").glob("*") if path.is_file()]
    sys.modules.pop("my_graphs")


def test_without_onnx_an_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(LossmithError) as error:
        export(save_network(tmp_path, "fcn", 1), out=tmp_path / "1x-sharp.onnx")
    assert str(error.value) == "ONNX needs 'onnxscript', which comes with: pip install \"lossmith[onnx]\""
