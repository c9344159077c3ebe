"""Which networks and layers are studied, by the weights that are at hand."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual import FeatureExtractor
from lossmith.losses.perceptual.backbones import backbone
from lossmith.studies import Configuration
from lossmith.studies.layers import OTHERS, default_layers
from lossmith.studies.selection import select, weights_digest


class Untraceable(nn.Module):
    """Two resolutions, ended by blocks, and a loop over numbers that only run time knows, which nothing traces."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.stem(image)
        if features.shape[0] > 0:
            features = self.block(features)
        return self.pool(features).flatten(1)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights, and no others."""
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path


def names(networks: list[str] | None, layers: list[str] | None, kind: str = "both") -> list[str]:
    return [each.name for each in select(networks, layers, kind).configurations]  # type: ignore[arg-type]


def test_networks_whose_weights_are_at_hand_are_taken_and_the_others_listed(weights: Path) -> None:
    save_file(models.squeezenet1_1().state_dict(), weights / "squeezenet1_1_imagenet.safetensors")
    selection = select(None, None, "both")
    assert {each.network for each in selection.configurations} == {"squeezenet1_1"}
    assert [each.name for each in selection.configurations] == [
        *(f"squeezenet1_1:{layer}" for layer in ("relu1", "fire2", "fire5", "fire9")),
        *(f"squeezenet1_1:{layer} (random)" for layer in ("relu1", "fire2", "fire5", "fire9")),
    ]
    assert "vgg19-dcbb9e9d.pth" in selection.missing_weights["vgg19"]
    assert str(weights) in selection.missing_weights["vgg19"]


def test_networks_whose_weights_are_not_at_hand_are_not_even_built(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(models.squeezenet1_1().state_dict(), weights / "squeezenet1_1_imagenet.safetensors")
    build, built = models.get_model, []
    monkeypatch.setattr(models, "get_model", lambda name, **options: built.append(name) or build(name, **options))
    assert "548 MB from" in select(None, None, "both").missing_weights["vgg19"]
    assert set(built) <= {"squeezenet1_1"}


@pytest.mark.parametrize("kind", ["trained", "random"])
def test_without_torchvision_an_error_says_what_to_install(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises((LossmithError, ImportError), match="pip install"):
        select(None, None, kind)  # type: ignore[arg-type]


def test_without_any_weights_an_error_says_where_to_put_them(weights: Path) -> None:
    with pytest.raises(LossmithError, match=r"put squeezenet1_1-b8a52dc0.pth into .*, `weights=random`"):
        select(None, None, "trained")


def test_a_network_that_is_named_needs_its_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", fail)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(
        LossmithError, match=r"could not be downloaded .*no route to host.*vgg11.*LOSSMITH_WEIGHTS"
    ):
        select(["alexnet", "vgg11"], None, "both")


def test_random_weights_need_no_files(weights: Path) -> None:
    layers = ["relu1_2 (random)", "relu2_2 (random)", "relu3_4 (random)", "relu5_4 (random)"]
    assert names(["vgg19"], None, "random") == [f"vgg19:{layer}" for layer in layers]


def test_layers_behind_the_end_of_a_file_are_left_out_and_named(weights: Path) -> None:
    start = {f"features.{key}": value for key, value in models.vgg19().features[:17].state_dict().items()}
    save_file(start, weights / "vgg19_imagenet_to_conv3_4.safetensors")
    selection = select(["vgg19"], None, "both")
    layers = [each.layer for each in selection.configurations]
    assert layers == ["relu1_2", "relu2_2", "relu3_4"] * 2
    assert [remark.partition(" since")[0] for remark in selection.remarks] == ["relu5_4 of vgg19 is left out,"]
    with pytest.raises(LossmithError, match="does not hold relu5_4"):
        select(["vgg19"], ["relu5_4"], "trained")
    assert names(["vgg19"], ["relu5_4"], "random") == ["vgg19:relu5_4 (random)"]


def test_layers_are_taken_on_every_network_that_has_them(weights: Path) -> None:
    expected = ["vgg11:relu1_1 (random)", "resnet18:layer1 (random)", "resnet18:layer2 (random)"]
    assert names(["vgg11", "resnet18"], ["layer1", "relu1_1", "layer2"], "random") == expected


@pytest.mark.parametrize(
    ("networks", "layers", "sentence"),
    [
        (["vgg11", "squeezenet1_1"], ["fire22"], "layer 'fire22' is not known; did you mean 'fire2'"),
        (["vgg11", "squeezenet1_1"], ["fire2"], "vgg11 has none of the layers fire2; study it by itself"),
        (["vgg91"], None, "network 'vgg91' is not known; did you mean 'vgg19'"),
        ([], None, "`networks` needs at least one network"),
    ],
)
def test_unknown_names_are_refused(networks: list[str], layers: list[str] | None, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        select(networks, layers, "random")


@pytest.mark.parametrize("network", ["vgg13", "resnet34", "mobilenet_v2", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_other_networks_are_tapped_at_four_resolutions_or_fewer(network: str) -> None:
    layers = default_layers(backbone(network))
    image = torch.zeros(1, 3, 64, 64)
    sides = [features.shape[-1] for features in FeatureExtractor(network, layers, "random")(image)]
    assert 2 <= len(sides) <= 4
    assert sides == sorted(set(sides), reverse=True)


def test_a_network_that_cannot_be_traced_is_tapped_where_its_blocks_end() -> None:
    assert default_layers(backbone(Untraceable())) == ["stem", "block"]


def test_a_network_without_feature_maps_is_refused() -> None:
    with pytest.raises(LossmithError, match=r"makes no feature maps of \(N, C, H, W\)"):
        default_layers(backbone(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())))


def test_the_taps_of_efficientnet_lite0_are_the_stem_and_three_stages() -> None:
    pytest.importorskip("timm")
    layers = default_layers(backbone("timm/tf_efficientnet_lite0"))
    assert tuple(layers) == OTHERS["timm/tf_efficientnet_lite0"]
    assert FeatureExtractor("timm/tf_efficientnet_lite0", layers, "random").channels_per_layer() == [
        32,
        16,
        80,
        320,
    ]


def test_weights_of_first_layers_stay_the_same_when_the_whole_file_is_added(weights: Path) -> None:
    whole = {
        name: torch.zeros(tensor.shape[:1]) for name, tensor in backbone("vgg19").network.state_dict().items()
    }
    first, last = Configuration("vgg19", "relu1_2"), Configuration("vgg19", "relu2_1")
    start = {name: tensor for name, tensor in whole.items() if name.startswith(("features.0.", "features.2."))}
    save_file(start, weights / "vgg19_imagenet_to_conv3_4.safetensors")
    before = weights_digest(first)
    save_file(whole, weights / "vgg19_imagenet.safetensors")
    assert weights_digest(first) == before
    assert weights_digest(last) != before
    whole["features.2.weight"][0] = 1
    save_file(whole, weights / "vgg19_imagenet.safetensors")
    assert weights_digest(first) != before


class Gain(nn.Module):
    """Draws a weight when it is made."""

    size = 1

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, self.size)
        self.register_buffer("gain", torch.tensor(1.0))


def test_a_network_of_ones_own_is_known_by_its_weights_and_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, random = (Configuration(f"{__name__}:Gain", "layer", random) for random in (False, True))
    digests = weights_digest(trained), weights_digest(random)
    assert (weights_digest(trained), weights_digest(random)) == digests
    monkeypatch.setattr(torch, "tensor", lambda value: torch.full((), 2 * value))
    assert weights_digest(trained) != digests[0]
    assert weights_digest(random) == digests[1]
    monkeypatch.setattr(Gain, "size", 3)
    assert weights_digest(random) != digests[1]


def test_a_network_that_draws_its_weights_draws_the_same_in_every_run() -> None:
    configuration = Configuration(f"{__name__}:Untraceable", "block")
    image = torch.ones(1, 3, 32, 32)
    state = torch.get_rng_state()
    first, second = (configuration.extractor(None)(image)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)
