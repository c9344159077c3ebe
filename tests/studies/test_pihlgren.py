"""The 56 layers of Pihlgren et al., each against the network's own children, run one after the other."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lossmith.losses import FeatureExtractor
from lossmith.losses.perceptual.backbones import OPTIONS
from lossmith.studies.pihlgren import PIHLGREN

QUICK = ["squeezenet1_1", "resnet18", "googlenet"]
SIDES = {"inception_v3": 75}


def run_children(network: nn.Module, last: int, image: Tensor) -> Tensor:
    """What comes out of a child of the network, or of its `features`, as the paper's code counts them."""
    if hasattr(network, "_transform_input"):
        image = network._transform_input(image)
    children = [*getattr(network, "features", network).children()]
    for child in children[: last + 1]:
        image = child(image)
    return image


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PIHLGREN]
)
def test_each_layer_is_the_module_that_the_papers_code_counts(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, **OPTIONS.get(name, {})).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    side = SIDES.get(name, 48)
    image = torch.rand(1, 3, side, side + 5)
    points = PIHLGREN[name]
    together = FeatureExtractor(
        name, [point.layer for point in points], str(tmp_path / "weights.pth"), normalize=None
    )
    for point, feature in zip(points, together(image), strict=True):
        extractor = FeatureExtractor(name, [point.layer], str(tmp_path / "weights.pth"), normalize=None)
        with torch.no_grad():
            expected = run_children(network, point.child, image)
        assert expected.shape[1] == point.channels
        # channels-last convolutions add up in another order
        torch.testing.assert_close(feature, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())
        torch.testing.assert_close(extractor(image)[0], feature, rtol=1e-6, atol=0)
        assert extractor.min_side <= together.min_side


def test_there_are_14_networks_and_56_layers() -> None:
    assert len(PIHLGREN) == 14
    assert sum(map(len, PIHLGREN.values())) == 56
