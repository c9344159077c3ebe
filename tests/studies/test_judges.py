"""Judges of pictures: their distance in NumPy, and that none judges its own family."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from lossmith.losses.perceptual import FeatureExtractor
from lossmith.losses.perceptual.lpips import UnitFeatureDistance
from lossmith.studies.judges import JUDGES, Judge, distance, judge_metrics, judges, shares_architecture

FAMILIES: dict[str, str | None] = {
    **dict.fromkeys(("squeezenet1_0", "squeezenet1_1"), "squeezenet"),
    **dict.fromkeys(("vgg11", "vgg16_bn", "minc", "timm/vgg13"), "vgg"),
    **dict.fromkeys(("efficientnet_b0", "efficientnet_v2_s", "timm/tf_efficientnet_lite0"), "efficientnet"),
    # timm builds it of the same class: its blocks are those of EfficientNet
    "timm/mobilenetv2_100": "efficientnet",
    "torchvision.models:squeezenet1_0": "squeezenet",
    **dict.fromkeys(("alexnet", "resnet18", "densenet121", "googlenet", "timm/resnet18"), None),
}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights that holds random ones of SqueezeNet and of the first layers of VGG-19."""
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("lossmith.losses.perceptual.backbones.packaged_efficientnet_lite0", list)
    torch.manual_seed(0)
    save_file(models.squeezenet1_1().state_dict(), tmp_path / "squeezenet1_1_imagenet.safetensors")
    vgg = {f"features.{name}": tensor for name, tensor in models.vgg19().features[:17].state_dict().items()}
    save_file(vgg, tmp_path / "vgg19_imagenet_to_conv3_4.safetensors")
    return tmp_path


def pictures() -> tuple[Tensor, Tensor]:
    prediction, target = torch.rand(2, 2, 3, 40, 48, generator=torch.Generator().manual_seed(1))
    return prediction, target


def unit(features: Tensor) -> NDArray[np.float64]:
    vectors = features.numpy().astype(np.float64)
    lengths: NDArray[np.float64] = np.sqrt((vectors**2).sum(1, keepdims=True))
    return vectors / (lengths + 1e-10)


def test_the_distance_is_that_of_unit_vectors_averaged_over_positions(weights: Path) -> None:
    prediction, target = pictures()
    layers, file = ["relu1_2", "relu2_2", "relu3_4"], str(weights / "vgg19_imagenet_to_conv3_4.safetensors")
    extractor = FeatureExtractor("vgg19", layers, file)
    squares = [
        ((unit(x) - unit(y)) ** 2).sum(1).mean((1, 2))
        for x, y in zip(extractor(prediction), extractor(target), strict=True)
    ]
    judge = judges("alexnet")["deep_vgg19"]
    np.testing.assert_allclose(judge(prediction, target).numpy(), sum(squares), rtol=1e-5)  # features are float32
    assert judge(target, target).tolist() == [0, 0]


@pytest.mark.parametrize("network", FAMILIES)
def test_networks_are_of_one_family_by_their_names_or_classes(network: str) -> None:
    if network.startswith("timm/"):
        pytest.importorskip("timm")
    own = [judge for judge in JUDGES if shares_architecture(network, judge)]
    assert [judge.family for judge in own] == ([FAMILIES[network]] if FAMILIES[network] else [])


def test_judges_are_those_whose_weights_are_at_hand(weights: Path) -> None:
    assert [metric.name for metric in judge_metrics()] == ["deep_squeezenet1_1", "deep_vgg19"]
    assert [*judges("alexnet")] == ["deep_squeezenet1_1", "deep_vgg19"] == [*judges(None)]
    assert [*judges("squeezenet1_0")] == ["deep_vgg19"]
    assert [*judges("vgg11")] == ["deep_squeezenet1_1"]
    (weights / "squeezenet1_1_imagenet.safetensors").unlink()
    assert not judges("vgg11")


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.network)
def test_a_picture_that_is_too_small_for_a_judge_has_no_distance(judge: Judge) -> None:
    features = UnitFeatureDistance(judge.network, judge.layers, "random", reduction="none")
    assert features.min_side == judge.metric.min_side
    side = max(1, judge.min_side - 1)
    value = distance(features, torch.rand(1, 3, side, 40), torch.rand(1, 3, side, 40))
    assert value.isnan().tolist() == [side < judge.min_side]
    assert str(features).startswith(f"unit features({judge.network}, ")
