"""FeatureExtractor with networks of timm and of the user."""

from pathlib import Path

import pytest
import torch

from lossmith import LossmithError
from lossmith.losses import FeatureExtractor, loss

from .feature_networks import image


def test_a_timm_network_is_a_backbone() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    network = timm.create_model("resnet18").eval()
    with torch.no_grad():
        stem = network.maxpool(network.act1(network.bn1(network.conv1(image()))))
        stem = network.maxpool(network.act1(network.bn1(network.conv1(image()))))
        expected = network.layer2(network.layer1(stem))
    extractor = FeatureExtractor(network, ["layer2"])
    torch.testing.assert_close(extractor(image())[0], expected, rtol=1e-4, atol=1e-5)
    by_name = FeatureExtractor("timm/resnet18", ["layer2"], "random")
    assert by_name(image())[0].shape == expected.shape
    assert by_name.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_a_network_by_its_import_path_is_a_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def small():\n    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())\n"
        "def wrong():\n    return 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    criterion = loss('features(own_networks:small, "1", weights=random)')
    assert str(criterion) == 'features(own_networks:small, "1", weights=random)'
    assert criterion(image(), 1 - image()) > 0
    with pytest.raises(LossmithError, match=r"network 'own_networks:wrong' must make a torch.nn.Module, not int"):
        FeatureExtractor("own_networks:wrong", ["1"])
