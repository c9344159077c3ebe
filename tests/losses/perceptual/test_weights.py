"""Weights of the feature networks: files, downloads, and one sentence where they are missing or wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from lossmith import LossmithError
from lossmith.losses import FeatureExtractor, loss
from lossmith.losses.perceptual.weights import missing_file_hint

from .feature_networks import image


def unreachable(*_: object, **__: object) -> None:
    raise URLError("no network")


@pytest.fixture
def squeezenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A SqueezeNet, on a machine that has neither weights nor a network."""
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path / "mine"))
    torch.manual_seed(0)
    return models.squeezenet1_1(weights=None).eval()


@pytest.mark.parametrize("place", ["hub/checkpoints", "mine", "option"])
@pytest.mark.parametrize("name", ["squeezenet1_1-b8a52dc0.pth", "squeezenet1_1_imagenet.safetensors"])
def test_weights_are_found_in_their_default_and_given_places(
    place: str, name: str, squeezenet: nn.Module, tmp_path: Path
) -> None:
    file = tmp_path / place / name
    file.parent.mkdir(parents=True)
    # a file needs to hold no more than the layers that run
    run = ("features.0.", "features.3.")
    state = {key: tensor for key, tensor in squeezenet.state_dict().items() if key.startswith(run)}
    save_file(state, file) if name.endswith("safetensors") else torch.save(state, file)
    extractor = FeatureExtractor(
        "squeezenet1_1", ["fire2"], str(file) if place == "option" else None, normalize=None
    )
    with torch.no_grad():
        expected = squeezenet.features[:4](image())
    torch.testing.assert_close(extractor(image())[0], expected, rtol=1e-5, atol=1e-6)


def test_without_a_file_torchvision_downloads_it_into_its_cache(
    squeezenet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []

    def download(url: str, dst: str, *_: object, **__: object) -> None:
        urls.append(url)
        torch.save(squeezenet.state_dict(), dst)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with torch.no_grad():
        expected = squeezenet.features[:4](image())
    for _ in range(2):  # once is enough
        extractor = FeatureExtractor("squeezenet1_1", ["fire2"], normalize=None)
        torch.testing.assert_close(extractor(image())[0], expected, rtol=1e-5, atol=1e-6)
    assert [url.rpartition("/")[2] for url in urls] == ["squeezenet1_1-b8a52dc0.pth"]
    assert (tmp_path / "hub/checkpoints/squeezenet1_1-b8a52dc0.pth").is_file()


def test_without_a_file_timm_downloads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    network = timm.create_model("resnet18").eval()
    create: Callable[..., nn.Module] = timm.create_model

    def pretrained(name: str, pretrained: bool = False) -> nn.Module:
        return network if pretrained else create(name)

    monkeypatch.setattr(timm, "create_model", pretrained)
    with torch.no_grad():
        expected = network.act1(network.bn1(network.conv1(image())))
    actual = FeatureExtractor("timm/resnet18", ["act1"], normalize=None)(image())[0]
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)

    def fails(name: str, pretrained: bool = False) -> nn.Module:
        return unreachable() if pretrained else create(name)

    monkeypatch.setattr(timm, "create_model", fails)
    sentence = (
        r"^timm/resnet18 needs resnet18.safetensors, 45 MB, the model.safetensors of timm/resnet18\S* on the "
    )
    with pytest.raises(LossmithError, match=sentence):
        FeatureExtractor("timm/resnet18", ["act1"])


def test_a_network_that_cannot_be_traced_gets_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0").eval()  # pads by the size that it gets
    save_file(network.state_dict(), tmp_path / "efficientnet_lite0_imagenet.safetensors")
    actual = FeatureExtractor("timm/tf_efficientnet_lite0", ["blocks.0"], normalize=None)(image())[0]
    with torch.no_grad():
        expected = network.blocks[0](network.bn1(network.conv_stem(image())))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_file_of_the_first_layers_is_taken_where_these_are_enough(squeezenet: nn.Module, tmp_path: Path) -> None:
    vgg = models.vgg19(weights=None).features[:3].eval()
    (tmp_path / "mine").mkdir()
    state = {f"features.{name}": tensor for name, tensor in vgg.state_dict().items()}
    save_file(state, tmp_path / "mine" / "vgg19_imagenet_to_conv3_4.safetensors")
    actual = FeatureExtractor("vgg19", ["conv1_2"], normalize=None)(image())[0]
    with torch.no_grad():
        torch.testing.assert_close(actual, vgg(image()), rtol=1e-4, atol=1e-5)
    with pytest.raises(LossmithError, match=r"^vgg19 needs vgg19-dcbb9e9d.pth, 548 MB from"):
        FeatureExtractor("vgg19", ["conv2_1"])


def test_the_material_network_is_read_from_the_file_that_was_published(tmp_path: Path) -> None:
    """Its layers by the names in the file, its pooling rounding up, its images as they are."""
    shapes = {"11": (64, 3), "12": (64, 64), "21": (128, 64), "22": (128, 128), "31": (256, 128)}
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        state[f"conv{name}.weight"] = 0.05 * torch.randn(*shape, 3, 3, generator=generator)
        state[f"conv{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    torch.save(state, tmp_path / "VGG16minc_53.pth")
    x = image(9, 11)
    for n, name in enumerate(shapes):
        if n:
            x = x.relu()
        if name in ("21", "31"):
            x = nn.functional.max_pool2d(x, 2, ceil_mode=True)
        x = nn.functional.conv2d(x, state[f"conv{name}.weight"], state[f"conv{name}.bias"], padding=1)
    extractor = FeatureExtractor("minc", ["conv3_1"], str(tmp_path / "VGG16minc_53.pth"))
    torch.testing.assert_close(extractor(image(9, 11))[0], x, rtol=1e-4, atol=1e-5)
    assert x.shape[2:] == (3, 3)
    assert str(loss("minc(weights=random)")) == "features(minc, conv5_3, weights=random)"


def test_random_weights_are_always_the_same_and_keep_the_scale() -> None:
    state = torch.get_rng_state()
    first, second = (FeatureExtractor("vgg19", ["relu5_4"], "random")(image())[0] for _ in range(2))
    assert torch.equal(first, second)
    assert 0.1 < first.std() < 10
    assert torch.equal(torch.get_rng_state(), state)


REFUSED_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no file": (
        {},
        r"^squeezenet1_1 needs squeezenet1_1-b8a52dc0.pth, 5 MB from \S+/squeezenet1_1-b8a52dc0.pth, which could "
        r"not be downloaded \(<urlopen error no network>\): put squeezenet1_1-b8a52dc0.pth into \S+hub/checkpoints"
        " or into the folder named by the environment variable LOSSMITH_WEIGHTS$",
    ),
    "not there": ({"weights": "gone.pth"}, "^squeezenet1_1 needs its weights, and gone.pth is not a file$"),
    "minc": (
        {"network": "minc", "layers": ["conv5_3"]},
        r"^minc needs VGG16minc_53.pth, 56 MB from ESRGAN's authors: put VGG16minc_53.pth into \S+ or into",
    ),
    "network": ({"network": "squeezenet11"}, "^network 'squeezenet11' is not known; did you mean 'squeezenet1_1'"),
    "timm": ({"network": "timm/resnt18"}, "^timm network 'resnt18' is not known; did you mean 'resnet18'"),
    "layer": ({"layers": ["fire22"]}, "^layer 'fire22' is not known; did you mean 'fire2'"),
    "precision": (
        {"precision": "half", "weights": "random"},
        "^precision must be 'full' or 'bfloat16', not 'half'$",
    ),
}


@pytest.mark.parametrize(("options", "sentence"), REFUSED_OPTIONS.values(), ids=REFUSED_OPTIONS.keys())
def test_missing_weights_are_one_sentence(options: dict[str, Any], sentence: str, squeezenet: nn.Module) -> None:
    if "timm" in options.get("network", ""):
        pytest.importorskip("timm")
    with pytest.raises(LossmithError, match=sentence):
        FeatureExtractor(**{"network": "squeezenet1_1", "layers": ["fire2"], **options})


@pytest.mark.parametrize("content", [b"", b"cos\nsystem\n(S'true'\ntR.", b"\x08" + bytes(20)])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_or_unsafe_backbone_weights_are_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(content)
    with pytest.raises(LossmithError, match=f"^cannot read the weights in {file}: [^\n]*$"):
        FeatureExtractor("squeezenet1_1", ["fire2"], str(file))


def test_backbone_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(
        LossmithError, match=r"other.safetensors does not hold the weights of squeezenet1_1: 'feat"
    ):
        FeatureExtractor("squeezenet1_1", ["fire2"], str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize(("network", "other"), [("vgg16", "vgg19"), ("vgg19", "vgg16"), ("vgg16", "vgg16_bn")])
def test_weights_of_a_network_that_begins_alike_are_refused(network: str, other: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        state = models.get_model(other, weights=None).state_dict()
    file = tmp_path / f"{other}.safetensors"
    # the layers that run as they are, and of the others only the names
    prefixes = ("features.0.", "features.2.")
    save_file({k: torch.zeros(t.shape if k.startswith(prefixes) else ()) for k, t in state.items()}, file)
    sentence = rf"^{file} does not hold the weights of {network}: "
    with pytest.raises(LossmithError, match=sentence):
        FeatureExtractor(network, ["relu1_2"], str(file))


def test_weights_with_another_head_are_taken(tmp_path: Path) -> None:
    state = models.squeezenet1_1(weights=None, num_classes=3).state_dict()
    save_file({**state, "teacher.0.weight": torch.zeros(1)}, tmp_path / "fine_tuned.safetensors")
    extractor = FeatureExtractor("squeezenet1_1", ["fire2"], str(tmp_path / "fine_tuned.safetensors"))
    first = state["features.0.weight"]
    assert any(torch.equal(weight, first) for weight in (*extractor.parameters(), *extractor.buffers()))


def test_the_folder_for_weights_is_named_from_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / ".cache" / "torch"))
    assert missing_file_hint("a.pth").startswith("put a.pth into ~/.cache/torch/checkpoints or into the folder")
