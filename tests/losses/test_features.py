"""The extractor: the layer that was asked for, nothing behind it, frozen, and the right weights or a sentence."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from lossmith import LossmithError
from lossmith.losses import Extractor, loss


def picture(height: int = 40, width: int = 48, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


class Everywhere(nn.Module):
    """It computes in place wherever one can."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.activation = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        norm = self.norm(first)
        relu = self.activation(norm)
        second = self.second(relu)
        second += relu
        hard = functional.hardtanh(second, -0.1, 0.1, inplace=True)
        again = self.activation(hard)
        return self.drop(again)


class Untraceable(Everywhere):
    """Which way it goes, its input decides; and it has an operation that only changes its input."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        if x.mean() > 100:
            return self.second(first)
        norm = self.norm(first)
        norm.relu_()
        return self.drop(norm)


class Methodical(Everywhere):
    """It can be traced, and its input is changed by a method whose result nobody takes."""

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm(self.first(x))
        norm.relu_()
        return self.drop(norm)


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def made(kind: type[nn.Module] = Everywhere) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = kind()
        for tensor in network.buffers():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return network


def pairing(network: nn.Module) -> nn.Module:
    """A network whose last layer gives two things."""
    network = copy.deepcopy(network)
    network.drop = Two()
    return network


def out_of_place(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """All that `Everywhere` computes, by name."""
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        found["first"] = network.first(x)
        found["norm"] = copy.deepcopy(network.norm).eval()(found["first"])
        found["activation"] = found["norm"].clamp(min=0)
        found["second"] = network.second(found["activation"])
        found["add"] = found["second"] + found["activation"]
        found["hardtanh"] = found["add"].clamp(-0.1, 0.1)
        found["activation_1"] = found["hardtanh"].clamp(min=0)
        found["drop"] = found["activation_1"]
    return found


# --- the layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["vgg16", "vgg16_bn"])
def test_conv_is_before_the_activation_and_relu_after_it(network: str) -> None:
    before, after = Extractor(network, ["conv2_2", "relu2_2"], "random")(picture())
    if network == "vgg16_bn":
        (before,) = Extractor(network, ["bn2_2"], "random")(picture())
    assert before.min() < 0
    assert torch.equal(after, before.clamp(min=0))
    # alone, the activation may overwrite the convolution's output
    assert torch.equal(Extractor(network, ["relu2_2"], "random")(picture())[0], after)


def test_names_are_counted_as_people_count() -> None:
    network = models.vgg19(weights=None).features
    for name, index in {
        "conv5_4": 34,
        "relu5_4": 35,
        "pool3": 18,
        "relu3_4": 17,
        "conv16": 34,
        "relu1": 1,
    }.items():
        (found,) = Extractor("vgg19", [name], "random").network.children()
        last = [*found.children()][-1]
        assert type(last) is type(network[index])
        assert len([*found.children()]) == index + 1


@pytest.mark.parametrize("layers", [[name] for name in out_of_place(made(), picture())] + [[]])
def test_what_a_network_overwrites_is_given_as_it_was(layers: list[str]) -> None:
    network, x = made(), picture()
    expected = out_of_place(network, x)
    layers = layers or [*expected]
    for name, found in zip(layers, Extractor(network, layers)(x), strict=True):
        torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Untraceable, Methodical])
def test_a_network_that_cannot_be_traced_is_stopped_behind_the_last_layer(kind: type[nn.Module]) -> None:
    network, x = made(kind), picture()
    expected = out_of_place(network, x)
    stopped = copy.deepcopy(network)
    stopped.drop.register_forward_pre_hook(lambda *_: pytest.fail("it went on"))
    extractor = Extractor(stopped, ["norm", "first"])
    for name, found in zip(["norm", "first"], extractor(x), strict=True):
        torch.testing.assert_close(found, expected[name], rtol=1e-5, atol=1e-6)
    with pytest.raises(LossmithError, match="layer 'second' is not reached when the network runs"):
        Extractor(made(Untraceable), ["second"])(x)
    with pytest.raises(LossmithError, match="layer 'drop' gives a tuple, not feature maps"):
        Extractor(pairing(network), ["drop"])(x)
    with pytest.raises(LossmithError, match="layer 'norn' is not known; did you mean 'norm'"):
        Extractor(network, ["norn"])


def test_a_block_is_its_last_operation() -> None:
    names = ["layer1", "layer1.1", "layer1.1.relu_1", "layer1.1.add", "layer1.1.bn2"]
    block, same, last, added, norm = Extractor("resnet18", names, "random")(picture())
    assert torch.equal(block, same)
    assert torch.equal(block, last)
    assert torch.equal(block, added.clamp(min=0))
    assert norm.min() < 0


# --- and nothing behind it ---------------------------------------------------------------------------------------


def test_the_tail_is_neither_kept_nor_run() -> None:
    extractor = Extractor("vgg19", ["relu2_2"], "random")
    assert len([module for module in extractor.modules() if isinstance(module, nn.Conv2d)]) == 4
    assert not [module for module in extractor.modules() if isinstance(module, nn.Linear)]


# --- frozen ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Everywhere, Untraceable])
def test_the_network_is_frozen_and_yours_stays_as_it_is(kind: type[nn.Module]) -> None:
    network = made(kind).train()
    before = copy.deepcopy(network.state_dict())
    extractor = Extractor(network, ["norm"])
    extractor.train()
    extractor.requires_grad_(True)
    x = picture().requires_grad_()
    expected = extractor(x)[0]
    expected.sum().backward()
    assert x.grad is not None
    assert not list(extractor.parameters())
    assert not extractor.state_dict()
    assert not any(module.training for module in extractor.modules())
    assert all(module.training for module in network.modules())
    assert network.activation.inplace
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    nn.init.zeros_(network.first.weight)
    assert torch.equal(extractor(x)[0], expected)


@pytest.mark.parametrize("network", ["squeezenet1_1", Untraceable])
def test_it_is_copied_pickled_and_moved(network: str | type[nn.Module]) -> None:
    layers = ["fire2"] if network == "squeezenet1_1" else ["norm"]
    extractor = Extractor(network if isinstance(network, str) else made(network), layers, "random")
    (expected,) = extractor(picture())
    for twin in (copy.deepcopy(extractor), pickle.loads(pickle.dumps(extractor))):
        assert torch.equal(twin(picture())[0], expected)
    double = copy.deepcopy(extractor).double()(picture().double())[0]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, rtol=1e-4, atol=1e-5)
    assert {buffer.device.type for buffer in extractor.to("meta").buffers()} == {"meta"}


def test_it_compiles_in_one_piece() -> None:
    torch.compiler.reset()
    extractor = Extractor("squeezenet1_1", ["relu1", "fire3"], "random")
    compiled = torch.compile(extractor, fullgraph=True, backend="aot_eager")
    for found, expected in zip(compiled(picture()), extractor(picture()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_bfloat16_when_asked_for_is_near() -> None:
    (full,) = Extractor("squeezenet1_1", ["fire3"], "random")(picture())
    (rough,) = Extractor("squeezenet1_1", ["fire3"], "random", precision="bfloat16")(picture())
    assert rough.dtype == torch.float32
    assert 0 < (rough - full).norm() < 0.02 * full.norm()  # eight bits, a few layers


# --- pictures ----------------------------------------------------------------------------------------------------


def test_pictures_are_normalised_as_the_weights_want_it_or_as_is_said() -> None:
    see = nn.Sequential(nn.Conv2d(3, 3, 1))
    nn.init.dirac_(see[0].weight)
    nn.init.zeros_(see[0].bias)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    seen = {None: picture(), "weights": picture(), "imagenet": (picture() - mean) / deviation}
    for normalize, expected in seen.items():
        torch.testing.assert_close(Extractor(see, ["0"], normalize=normalize)(picture())[0], expected)
    of_imagenet = Extractor("squeezenet1_1", ["conv1"], "random", normalize="imagenet")(picture())[0]
    assert torch.equal(Extractor("squeezenet1_1", ["conv1"], "random")(picture())[0], of_imagenet)
    with pytest.raises(LossmithError, match="normalize must be weights, imagenet or none, not 'vgg'"):
        Extractor(see, ["0"], normalize="vgg")


@pytest.mark.parametrize(
    ("network", "layer", "least"),
    [
        ("alexnet", "relu5", 31),
        ("squeezenet1_1", "fire9", 17),
        ("squeezenet1_1", "relu1", 3),
        ("vgg16", "relu3_3", 4),
        ("googlenet", "inception5b", 15),
        ("resnet18", "layer4", 1),
    ],
)
def test_the_least_size_is_what_the_network_can_do(network: str, layer: str, least: int) -> None:
    criterion = loss(f"features({network}, {layer}, weights=random)")
    assert criterion.least_side == least
    assert criterion(*picture(least, least + 9)[:, None]).isfinite()
    if least > 1:
        with pytest.raises(LossmithError, match=rf"needs at least {least} x {least} pixels, not {least + 2} x "):
            criterion(*picture(least + 2, least - 1)[:, None])
        with pytest.raises(Exception, match="size"):  # the network could indeed not
            criterion.extractor(picture(least - 1, least - 1))


def test_gray_pictures_are_refused_by_a_network_for_colour() -> None:
    gray = picture(channels=1)
    with pytest.raises(LossmithError, match="squeezenet1_1 takes pictures of 3 channels, not 1"):
        loss("features(squeezenet1_1, fire2, weights=random)")(gray, gray)
    assert Extractor(nn.Sequential(nn.Conv2d(1, 2, 3)), ["0"])(gray)[0].shape == (2, 2, 38, 46)


def test_a_nan_stays_one() -> None:
    x = picture()
    x[0, 0, 20, 20] = torch.nan
    (found,) = Extractor("squeezenet1_1", ["fire9"], "random")(x)
    assert found[0].isnan().any()
    assert found[1].isfinite().all()


def test_what_is_no_feature_map_is_refused() -> None:
    flat = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    with pytest.raises(LossmithError, match=r"gives \(1, \d+\), not feature maps"):
        Extractor(flat, ["1"])


# --- weights -----------------------------------------------------------------------------------------------------


@pytest.fixture
def squeezenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A SqueezeNet, on a machine that has no weights."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path / "mine"))
    torch.manual_seed(0)
    return models.squeezenet1_1(weights=None).eval()


@pytest.mark.parametrize("place", ["hub/checkpoints", "mine", "said"])
@pytest.mark.parametrize("name", ["squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors"])
def test_weights_are_found_where_they_usually_are_or_where_it_is_said(
    place: str, name: str, squeezenet: nn.Module, tmp_path: Path
) -> None:
    file = tmp_path / place / name
    file.parent.mkdir(parents=True)
    # a file needs to hold no more than the layers that run
    run = ("features.0.", "features.3.")
    state = {key: tensor for key, tensor in squeezenet.state_dict().items() if key.startswith(run)}
    save_file(state, file) if name.endswith("safetensors") else torch.save(state, file)
    extractor = Extractor("squeezenet1_1", ["fire2"], str(file) if place == "said" else None, normalize=None)
    with torch.no_grad():
        expected = squeezenet.features[:4](picture())
    torch.testing.assert_close(extractor(picture())[0], expected, rtol=1e-5, atol=1e-6)


def test_random_weights_are_always_the_same_and_keep_the_scale() -> None:
    state = torch.get_rng_state()
    first, second = (Extractor("vgg19", ["relu5_4"], "random")(picture())[0] for _ in range(2))
    assert torch.equal(first, second)
    assert 0.1 < first.std() < 10
    assert torch.equal(torch.get_rng_state(), state)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no file": (
        {},
        r"^squeezenet1_1 needs a file of weights of 5 MB: put squeezenet1_1-b8a52dc0.pth into \S+hub/checkpoints "
        "or into the folder named by the environment variable LOSSMITH_WEIGHTS$",
    ),
    "not there": ({"weights": "gone.pth"}, "^squeezenet1_1 needs a file of weights .* gone.pth is not a file$"),
    "network": ({"network": "squeezenet11"}, "^network 'squeezenet11' is not known; did you mean 'squeezenet1_1'"),
    "timm": ({"network": "timm/resnt18"}, "^timm network 'resnt18' is not known; did you mean 'resnet18'"),
    "layer": ({"layers": ["fire22"]}, "^layer 'fire22' is not known; did you mean 'fire2'"),
    "precision": (
        {"precision": "half", "weights": "random"},
        "^precision must be 'full' or 'bfloat16', not 'half'$",
    ),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_had_is_one_sentence(options: dict[str, Any], sentence: str, squeezenet: nn.Module) -> None:
    if "timm" in options.get("network", ""):
        pytest.importorskip("timm")
    with pytest.raises(LossmithError, match=sentence):
        Extractor(**{"network": "squeezenet1_1", "layers": ["fire2"], **options})


@pytest.mark.parametrize("content", [b"", b"cos\nsystem\n(S'true'\ntR.", b"\x08" + bytes(20)])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_damaged_or_dangerous_file_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(content)
    with pytest.raises(LossmithError, match=f"^cannot read the weights in {file}: [^\n]*$"):
        Extractor("squeezenet1_1", ["fire2"], str(file))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(
        LossmithError, match=r"other.safetensors does not hold the weights of squeezenet1_1: 'feat"
    ):
        Extractor("squeezenet1_1", ["fire2"], str(tmp_path / "other.safetensors"))


# --- networks of others ------------------------------------------------------------------------------------------


def test_a_network_of_timm() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("resnet18").eval()
    with torch.no_grad():
        stem = network.maxpool(network.act1(network.bn1(network.conv1(picture()))))
        stem = network.maxpool(network.act1(network.bn1(network.conv1(picture()))))
        expected = network.layer2(network.layer1(stem))
    extractor = Extractor(network, ["layer2"])
    torch.testing.assert_close(extractor(picture())[0], expected, rtol=1e-4, atol=1e-5)
    by_name = Extractor("timm/resnet18", ["layer2"], "random")
    assert by_name(picture())[0].shape == expected.shape
    assert by_name.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_a_network_by_its_import_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def small():\n    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())\n"
        "def wrong():\n    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    criterion = loss('features(own_networks:small, "1", weights=random)')
    assert str(criterion) == 'features(own_networks:small, "1", weights=random)'
    assert criterion(picture(), 1 - picture()) > 0
    with pytest.raises(LossmithError, match=r"network 'own_networks:wrong' must make a torch.nn.Module, not int"):
        Extractor("own_networks:wrong", ["1"])
