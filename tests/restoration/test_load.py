"""Loading model files of every kind, and refusing other files."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks import network
from lossmith.restoration import TorchEngine, load_engine

SIZE = (1, 3, 20, 24)


def test_a_lossmith_model_is_opened(random_model) -> None:
    path = random_model("srresnet_small(features=4, blocks=1)", 2)
    engine = load_engine(path)
    assert (engine.name, engine.scale, engine.channels) == ("2x-srresnet_small", 2, 3)
    assert engine.metadata["network"] == "srresnet_small(features=4, blocks=1)"
    assert len(engine.metadata["sha256"]) == 64
    assert engine(torch.rand(SIZE)).shape == (1, 3, 40, 48)


def test_a_model_of_a_run_is_named_after_its_folder(random_model, tmp_path: Path) -> None:
    (tmp_path / "my-run").mkdir()
    path = random_model("fcn", 1).rename(tmp_path / "my-run" / "model.safetensors")
    assert load_engine(path).name == "my-run"


def test_a_spandrel_model_is_opened_and_gives_equal_output(tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2).eval()
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}}, tmp_path / "a.pth"
    )
    engine = load_engine(tmp_path / "a.pth")
    assert (engine.scale, engine.channels) == (2, 3)
    assert engine.metadata["network"] == "RealESRGAN Compact, by spandrel"
    image = torch.rand(SIZE)
    spandrel_model = spandrel.ModelLoader().load_from_state_dict(net.state_dict())
    spandrel_model.model.to(memory_format=torch.channels_last)  # as ours computes
    expected = spandrel_model(image.contiguous(memory_format=torch.channels_last))
    assert torch.equal(engine(image), expected)


def test_an_onnx_model_gives_equal_output_and_its_receptive_field_is_found(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from lossmith.restoration.tiling.receptive_field import measure_receptive_field

    net = network("srresnet(features=4, blocks=1)", 2).eval()
    sizes = {0: "n", 2: "h", 3: "w"}
    torch.onnx.export(
        net,
        (torch.rand(SIZE),),
        tmp_path / "a.onnx",
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": sizes, "output": sizes},
        dynamo=False,
    )
    engine = load_engine(tmp_path / "a.onnx")
    assert (engine.name, engine.scale, engine.channels) == ("a", 2, 3)
    image = torch.rand(SIZE)
    assert torch.allclose(engine(image), TorchEngine(net, 2)(image), atol=1e-5)
    assert measure_receptive_field(engine).pixels == measure_receptive_field(TorchEngine(net, 2)).pixels


def refusal(path: Path, own_network: str | None = None) -> str:
    with pytest.raises(LossmithError) as error:
        load_engine(path, own_network)
    assert "\n" not in str(error.value)
    return str(error.value)


class Trap:
    def __reduce__(self):
        return (print, ("the trap has sprung",))


def test_a_pickle_of_more_than_weights_is_refused_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"params": {"w": torch.ones(1)}, "extra": Trap()}, tmp_path / "a.pth")
    assert "more than weights" in refusal(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Trap()))
    refusal(tmp_path / "b.pth")
    assert capsys.readouterr().out == ""


def test_files_that_are_not_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("not a model")
    (tmp_path / "text.safetensors").write_text("not a model")
    (tmp_path / "text.onnx").write_text("not a model")
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "is a folder" in refusal(tmp_path)
    for name in ("text.pth", "text.safetensors", "text.onnx"):
        assert name in refusal(tmp_path / name)


def test_an_unknown_architecture_is_refused_with_the_closest_known_one(tmp_path: Path) -> None:
    class UnknownNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = network("fcn").layers
            self.more = nn.Conv2d(3, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            return images

    torch.save(UnknownNetwork().state_dict(), tmp_path / "mine.pth")
    message = refusal(tmp_path / "mine.pth")
    assert "no network that is known" in message
    assert "closest is fcn, which" in message
    assert "`network='fcn(scale=4)'`" in message


def test_bare_weights_are_opened_with_a_named_network(tmp_path: Path) -> None:
    torch.save(network("fcn").state_dict(), tmp_path / "bare.pth")
    engine = load_engine(tmp_path / "bare.pth", "fcn(scale=2)")
    assert engine.scale == 2
    assert "does not hold the weights" in refusal(tmp_path / "bare.pth", "srresnet")
