"""Models from anywhere: checkpoints of the field, safely."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lossmith import LossmithError
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import save_model
from lossmith.networks import network

NETWORK = "rrdbnet(scale=4, features=4, blocks=1, growth=2)"


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return dict(network(NETWORK).state_dict())


def test_a_published_checkpoint_becomes_a_model(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "net_g_latest.pth"
    checkpoint = {"params": {name: 0 * tensor for name, tensor in weights.items()}}
    checkpoint["params_ema"] = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save(checkpoint, path)
    model = load_any_model(path)
    assert model.receipt["network"] == NETWORK
    assert model.scale == 4
    assert model.receipt["origin"]["file"] == "net_g_latest.pth"
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.restorer.state_dict().items())
    assert not model.restorer.training
    assert not any(parameter.requires_grad for parameter in model.restorer.parameters())


def test_safetensors_without_a_receipt_are_recognized_too(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "4x.safetensors"
    save_file({name: tensor.half() for name, tensor in weights.items()}, path)
    model = load_any_model(path)
    assert str(model.restorer) == NETWORK
    assert all(torch.equal(t, weights[n].half().float()) for n, t in model.restorer.state_dict().items())


def test_a_lossmith_model_keeps_its_receipt(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, network("fcn"), {"network": "fcn", "scale": 1, "loss": "l1"})
    assert load_any_model(path).receipt == {"network": "fcn", "scale": 1, "loss": "l1"}


def test_unknown_weights_are_opened_with_a_named_network(tmp_path: Path) -> None:
    path = tmp_path / "small.pth"
    torch.save(network("fcn", 2).state_dict(), path)
    with pytest.raises(LossmithError, match=r"small.pth holds the weights of no network that is known here"):
        load_any_model(path)
    model = load_any_model(path, "fcn(scale=2)")
    assert (model.scale, model.receipt["network"]) == (2, "fcn(scale=2)")
    with pytest.raises(LossmithError, match=r"small.pth does not hold the weights of srresnet: it lacks 'conv_fi"):
        load_any_model(path, "srresnet")


class Gray(nn.Sequential):
    """As VDSR: one channel, and nothing that tells so."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


class Enlarging(nn.Sequential):
    """As IMDN: its scale is called otherwise here than by us."""

    def __init__(self, upscale: int = 4) -> None:
        super().__init__(nn.Conv2d(3, 3 * upscale**2, 3, padding=1), nn.PixelShuffle(upscale))


class ScaledNetwork(Enlarging):
    """With a scale by default, which it does not keep."""

    def __init__(self, scale: int = 3) -> None:
        super().__init__(scale)


class WindowedNetwork(Enlarging):
    """For sides that are multiples of 128 only."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] % 128 == images.shape[-2] % 128 == 0
        return super().forward(images)


@pytest.mark.parametrize(
    ("kind", "channels", "scale"),
    [(Gray, 1, 1), (Enlarging, 3, 4), (ScaledNetwork, 3, 3), (WindowedNetwork, 3, 4)],
)
def test_channels_and_scale_of_a_users_network_are_found(
    kind: type[nn.Module], channels: int, scale: int, tmp_path: Path
) -> None:
    torch.save(kind().state_dict(), tmp_path / "own.pth")
    model = load_any_model(tmp_path / "own.pth", f"{__name__}:{kind.__name__}")
    assert (model.channels, model.scale) == (channels, scale)


class Trap:
    """A pickle that would leave a mark if it were loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "model.ckpt"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"params": {"conv_first.weight": Trap(mark)}}, tmp_path / name)
    with pytest.raises(LossmithError, match=rf"{name} holds more than weights \('.*'\) and is refused, since"):
        load_any_model(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"no model at all", pickle.dumps({}, 2)[:-1]])
def test_files_that_are_not_checkpoints_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(
        LossmithError, match=r"model.pth is neither a safetensors file nor a checkpoint of PyTorch$"
    ):
        load_any_model(path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "model.pth")
    with pytest.raises(LossmithError, match=r"model.pth holds a list, not weights by name$"):
        load_any_model(tmp_path / "model.pth")


def test_nan_weights_of_a_checkpoint_are_refused(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    weights["conv_hr.bias"][0] = torch.nan
    torch.save(weights, tmp_path / "model.pth")
    with pytest.raises(LossmithError, match=r"model.pth holds weights that are not finite$"):
        load_any_model(tmp_path / "model.pth")


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        LossmithError, match=r"none.pth' does not exist; a model is the model.safetensors in the folder"
    ):
        load_any_model(tmp_path / "none.pth")


def test_a_network_is_not_allocated_where_weights_do_not_fit(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({**weights, "conv_body.bias": torch.zeros(1)}, tmp_path / "model.pth")
    monkeypatch.setattr("lossmith.models.foreign.network", lambda *_: pytest.fail("it was made"))
    with pytest.raises(LossmithError, match=r"model\.pth does not hold the weights of rrdbnet"):
        load_any_model(tmp_path / "model.pth")
