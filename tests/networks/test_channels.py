"""Networks and discriminators for gray images and for images of many channels."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from lossmith import LossmithError
from lossmith.networks import (
    DISCRIMINATORS,
    NETWORKS,
    Discriminator,
    Restorer,
    TransformNet,
    discriminator,
    network,
)

SMALL = {
    "fcn": "fcn",
    "srresnet": "srresnet(features=4, blocks=1)",
    "srresnet_small": "srresnet_small(features=4, blocks=1)",
    "rrdbnet": "rrdbnet(features=4, blocks=1, growth=2)",
    "transform_net": "transform_net(width=0.1, blocks=1)",
}


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in module.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("channels", [1, 8])
@pytest.mark.parametrize("scale", [1, 2])
def test_restorers_are_built_for_the_channels_of_the_images(name: str, channels: int, scale: int) -> None:
    restorer = network(SMALL[name], scale, channels)
    assert isinstance(restorer, Restorer)
    assert restorer.channels == channels
    assert restorer(torch.rand(2, channels, 12, 16)).shape == (2, channels, scale * 12, scale * 16)
    assert f"channels={channels}" in str(restorer)
    for copied in (network(str(restorer)), network(str(restorer), scale, channels), copy.deepcopy(restorer)):
        assert str(copied) == str(restorer)
        copied.load_state_dict(restorer.state_dict())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_channel_has_an_influence(name: str) -> None:
    image = torch.rand(1, 5, 12, 12, requires_grad=True)
    network(SMALL[name], 1, 5)(image).square().sum().backward()
    assert image.grad is not None
    assert (image.grad.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_three_channels_are_the_default_and_stay_unsaid(name: str) -> None:
    torch.manual_seed(0)
    default = network(SMALL[name], 2)
    torch.manual_seed(0)
    named = network(SMALL[name], 2, 3)
    assert str(named) == str(default)
    assert "channels" not in str(default)
    assert all(map(torch.equal, default.state_dict().values(), named.state_dict().values()))


@pytest.mark.parametrize("name", DISCRIMINATORS)
@pytest.mark.parametrize("channels", [1, 8])
def test_discriminators_are_built_for_the_channels_of_the_images(name: str, channels: int) -> None:
    module = discriminator(f"{name}(features=2)", 128, channels)
    assert isinstance(module, Discriminator)
    assert module(torch.rand(2, channels, 128, 128)).shape[:2] == (2, 1)
    assert shapes(discriminator(str(module))) == shapes(module)
    assert str(module) == f"{name}(features=2, channels={channels})"


def test_the_output_of_gray_styles_is_relative_to_the_mean_of_the_mean_color() -> None:
    color, gray = TransformNet(width=0.1), TransformNet(width=0.1, channels=1)
    torch.testing.assert_close(gray.mean_color.flatten(), color.mean_color.mean().reshape(1))


@pytest.mark.parametrize(
    ("expression", "channels", "message"),
    [
        ("fcn(channels=8)", 3, "network 'fcn(channels=8)' has channels=8, but channels=3 is needed"),
        ("fcn(channels=3)", 1, "network 'fcn' has channels=3, but channels=1 is needed"),
        ("fcn", 0, "fcn: channels must be at least 1, not 0"),
        ("srresnet(channels=2000)", None, "srresnet: channels must be at most 1024, not 2000"),
    ],
)
def test_other_channels_than_needed_are_refused(expression: str, channels: int | None, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        network(expression, 1, channels)
    assert str(error.value) == message


def test_a_discriminator_for_other_channels_is_refused() -> None:
    with pytest.raises(
        LossmithError, match=r"^discriminator 'unet\(features=2, channels=4\)' has channels=4, but"
    ):
        discriminator("unet(features=2, channels=4)", None, 3)


MODULE = """
from torch import nn

class Wide(nn.Module):  # its channels are those of its features
    def __init__(self, channels: int = 64):
        super().__init__()
        self.channels = channels

class Needy(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

class Fixed(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 1, 3, padding=1)
"""


def test_a_users_network_is_told_the_channels_where_it_must_know_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "networks_of_channels.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    assert network("networks_of_channels:Wide", 1, 3).channels == 64
    assert network("networks_of_channels:Wide", 1, 8).channels == 8
    assert network("networks_of_channels:Needy", 1).channels == 3
    assert network("networks_of_channels:Needy", 1, 8).channels == 8
    assert network("networks_of_channels:Fixed", 1, 1)(torch.rand(1, 1, 4, 4)).shape == (1, 1, 4, 4)
