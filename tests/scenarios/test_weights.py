"""Every command opens weights in every layout that training programs write."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lossmith.networks import network

from .conftest import Lossmith

WEIGHTS = network("rrdbnet(scale=4, features=16, blocks=1, growth=8)").state_dict()


def with_prefix(prefix: str) -> dict[str, Any]:
    return {prefix + name: tensor for name, tensor in WEIGHTS.items()}


LAYOUTS: dict[str, dict[str, Any]] = {
    "bare": dict(WEIGHTS),
    "state_dict": {"state_dict": WEIGHTS, "epoch": 3},
    "with its optimizer": {"model": WEIGHTS, "optimizer": {"state": {}, "param_groups": []}, "iter": 5},
    "compiled": with_prefix("_orig_mod."),
    "compiled and distributed": with_prefix("module._orig_mod."),
    "Lightning's": {"state_dict": with_prefix("net_g."), "epoch": 1},
    "with a numpy number": {"state_dict": WEIGHTS, "best": np.float64(31.2)},
    "a GAN's, twice nested": {"models": {"netG": {"state_dict": OrderedDict(with_prefix("module."))}}, "lr": 1e-4},
    "averaged beside raw": {"params": with_prefix(""), "params_ema": with_prefix("module.")},
}


@pytest.mark.parametrize("command", ["restore", "evaluate", "export"])
@pytest.mark.parametrize("wrapping", LAYOUTS)
def test_weights_are_found_in_any_wrapping(command: str, wrapping: str, lossmith: Lossmith, photos: Path) -> None:
    torch.save(LAYOUTS[wrapping], "model.pth")
    words = {
        "restore": ["restore", photos / "p0.png", "--model", "model.pth", "--out", "out"],
        "evaluate": ["evaluate", "model.pth", "--test", photos / "p0.png", "--degradation", "bicubic(4)"],
        "export": ["export", "model.pth", "--name", "a", "--out", "release/"],
    }
    outcome = lossmith(*words[command])
    assert outcome.status == 0, outcome.output


def test_the_case_of_a_file_extension_does_not_matter(lossmith: Lossmith, photos: Path) -> None:
    save_file(dict(WEIGHTS), "UPPER.SAFETENSORS")
    assert lossmith("restore", photos / "p0.png", "--model", "UPPER.SAFETENSORS", "--out", "out").status == 0


def test_a_users_network_saved_as_in_tutorials_is_restored_with(
    lossmith: Lossmith, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("nets_of_a_tutorial.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a = nn.Conv2d(3, 3, 3, 1, 1)\n"
        "    def forward(self, x):\n"
        "        return x + self.a(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    weights = {"a.weight": torch.zeros(3, 3, 3, 3), "a.bias": torch.zeros(3)}
    torch.save({"state_dict": weights, "epoch": 3}, "mine.pth")
    words = ("restore", photos / "p0.png", "--model", "mine.pth", "--network", "nets_of_a_tutorial:Net")
    assert lossmith(*words, "--out", "out").status == 0


def test_a_training_checkpoint_is_answered_with_its_model(lossmith: Lossmith, photos: Path) -> None:
    lossmith("train", photos, "--degradation", "jpeg(10)", "--network", "fcn", "--steps", "1", "--patch", "32",
             "--batch", "2", "--out", "x")  # fmt: skip
    output = lossmith("restore", photos / "p0.png", "--model", "x/checkpoints/last.ckpt", "--out", "o")
    assert "x/model.safetensors" in output.refusal


class AddSixty(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1.0 + 60.0


class Twice(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(x * 1.0, scale_factor=2.0)


class ChannelsLast(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2).mul(1.0).permute(0, 2, 3, 1)


def graph(module: torch.nn.Module, shape: tuple[int, ...], axes: dict[int, str]) -> None:
    torch.onnx.export(
        module, (torch.rand(shape),), "graph.onnx", input_names=["i"], output_names=["o"],
        dynamic_axes={"i": axes, "o": axes}, dynamo=False,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("module", "shape", "axes"),
    [
        (Twice(), (1, 3, 32, 32), {0: "b", 1: "c"}),
        (Twice(), (1, 3, 32, 32), {0: "b"}),
        (ChannelsLast(), (1, 32, 32, 3), {1: "h", 2: "w"}),
    ],
    ids=["free channels, fixed size", "fixed size", "channels last"],
)
def test_onnx_graphs_of_every_shape_are_restored_with(
    module: torch.nn.Module, shape: tuple[int, ...], axes: dict[int, str], lossmith: Lossmith, photos: Path
) -> None:
    graph(module, shape, axes)
    outcome = lossmith("restore", photos / "p0.png", "--model", "graph.onnx", "--out", "out")
    assert outcome.status == 0, outcome.output


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_graph_that_gives_bytes_is_not_written_white(lossmith: Lossmith, photos: Path) -> None:
    graph(AddSixty(), (1, 3, 32, 32), {2: "h", 3: "w"})
    outcome = lossmith("restore", photos / "p0.png", "--model", "graph.onnx", "--out", "out")
    assert outcome.status != 0
    assert not Path("out/p0.png").exists()
    assert "255" in outcome.output


@pytest.mark.parametrize(
    "words",
    [
        ["export", "x.onnx", "--out", "out/"],
        ["blend", "x.onnx", "y.onnx", "--alpha", "0.5", "--out", "z.safetensors"],
    ],
)
def test_commands_without_onnx_name_those_with_it(words: list[str], lossmith: Lossmith) -> None:
    for name in "xy":
        Path(f"{name}.onnx").write_bytes(b"a graph")
    assert "restore and evaluate" in lossmith(*words).refusal
