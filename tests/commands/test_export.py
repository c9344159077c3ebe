"""`lossmith export`: safetensors files that spandrel and other programs open."""

from pathlib import Path
from typing import Any

import pytest
import torch

from lossmith import LossmithError, export
from lossmith.models.foreign import load_any_model
from lossmith.networks import network

from ..exporting.samples import save_network


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
    descriptor = spandrel.ModelLoader("cpu").load_from_file(path)
    assert (descriptor.architecture.id, descriptor.scale) == ("ESRGAN", scale)
    lossmith_restorer = load_any_model(path).restorer
    for height, width in ((8, 12), (13, 7)):
        image = torch.rand(1, 3, height, width)
        with torch.inference_mode():
            # sums of the same numbers, whose order the two programs may choose differently
            torch.testing.assert_close(
                descriptor.model.float()(image), lossmith_restorer(image), rtol=1e-4, atol=1e-5
            )


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
        old_layer = layer.replace("body.0.rdb", "1.sub.0.RDB") + ".0" if "rdb" in layer else places[layer]
        old[f"model.{old_layer}.{part}"] = tensor
    assert {"model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.1.bias"} < set(old)
    torch.save(old, tmp_path / f"RRDB_PSNR_x{scale}.pth")
    export(tmp_path / f"RRDB_PSNR_x{scale}.pth", out=tmp_path / f"{scale}x-psnr.safetensors")
    model = load_any_model(tmp_path / f"{scale}x-psnr.safetensors")
    image = torch.rand(1, 3, 6, 7)
    assert torch.equal(model.restorer(image), net(image))
    assert model.receipt["origin"]["file"] == f"RRDB_PSNR_x{scale}.pth"


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
    with pytest.raises(LossmithError) as error:
        export(source, out=Path(out), **options)
    assert str(error.value) == message
