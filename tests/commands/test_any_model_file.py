"""The same weights, however they are wrapped, in every command that opens a model."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lossmith import blend, evaluate, export
from lossmith.commands import restore
from lossmith.data import read_image
from lossmith.models.foreign import load_any_model
from lossmith.networks import network

Weights = dict[str, Tensor]
OWN_MODULE = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
    def forward(self, x):
        return x + 0.1 * self.conv(x)
"""


def with_prefix(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


WRAPPINGS: dict[str, Callable[[Weights, Path], object]] = {
    "UPPER.SAFETENSORS": lambda weights, path: save_file(weights, path),
    "compiled.pth": lambda weights, path: torch.save(with_prefix("module._orig_mod.", weights), path),
    "lightning.ckpt": lambda weights, path: torch.save(
        {"state_dict": {**with_prefix("net_g.", weights), "net_d.a": torch.ones(2)}, "best": np.float64(31.2)},
        path,
    ),
    "nested.PT": lambda weights, path: torch.save(
        {"model": {"ema": weights, "raw": {name: 0 * t for name, t in weights.items()}}, "optimizer": {}}, path
    ),
}


def lossmith_model() -> Weights:
    return dict(network("srresnet(features=4, blocks=1)", 1).state_dict())


def spandrel_checkpoint() -> Weights:
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact import Compact

    return dict(Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=1, upscale=1).state_dict())


def custom_checkpoint() -> Weights:
    return dict(network("my_door:Net").state_dict())


@pytest.mark.parametrize("kind", [lossmith_model, spandrel_checkpoint, custom_checkpoint])
def test_every_command_opens_weights_in_every_wrapping(
    kind: Callable[[], Weights], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_door.py").write_text(OWN_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    network_option: dict[str, Any] = {"network": "my_door:Net"} if kind is custom_checkpoint else {}
    weights = kind()
    torch.save(weights, tmp_path / "bare.pth")
    bare, image = tmp_path / "bare.pth", photos / "0.png"

    def came_of(path: Path, out: Path) -> list[Any]:
        """What the four commands make of a file."""
        restore([image], model=[path], out=out / "restored", **network_option)
        scores = evaluate(path, test=[image], degradation="jpeg(50)", **network_option).rows[-1].scores
        export(path, out=out / "1x-a.safetensors", **network_option)
        blend(bare, path, alpha="0.5", out=out / "1x-b.safetensors", **network_option)
        models = [
            load_any_model(out / f"1x-{name}.safetensors", *network_option.values()).restorer for name in "ab"
        ]
        with torch.inference_mode():
            outputs = [model(torch.ones(1, 3, 8, 8) / 2) for model in models]
        return [read_image(out / "restored" / "0.png"), *outputs, scores]

    expected = came_of(bare, tmp_path / "of the bare")
    for name, wrap in WRAPPINGS.items():
        wrap(weights, tmp_path / name)
        outcome = came_of(tmp_path / name, tmp_path / f"of {name}")
        assert all(torch.equal(one, other) for one, other in zip(outcome[:-1], expected[:-1], strict=True)), name
        assert outcome[-1] == pytest.approx(expected[-1], nan_ok=True), name
    sys.modules.pop("my_door", None)
