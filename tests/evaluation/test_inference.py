"""Test images of any size go through any network, as `restore` would do it."""

import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.data import ImagePair
from lossmith.evaluation import Protocol, restore_images
from lossmith.evaluation.inference import FullImageInference, mirrored
from lossmith.networks import network


class Quarters(nn.Module):
    """Takes multiples of 4 only, and refuses others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(48, 48, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pixel_shuffle(self.conv(nn.functional.pixel_unshuffle(x, 4)), 4)


class Halves(nn.Module):
    """Gives odd images back with other sides."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 3, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


def pair(height: int, width: int, scale: int = 1) -> ImagePair:
    generator = torch.Generator().manual_seed(height * width)
    degraded = torch.rand(3, height, width, generator=generator)
    return ImagePair("a", degraded, torch.rand(3, scale * height, scale * width, generator=generator), scale)


@pytest.mark.parametrize("kind", [Quarters, Halves])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (64, 64), (65, 63)])
def test_sizes_that_a_network_refuses_are_padded_and_cropped(kind: type[nn.Module], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    restorer, image_pair = kind().eval(), pair(*size)
    (result,) = restore_images(restorer, [image_pair])
    height, width = (-(-side // 4) * 4 for side in size)
    if kind is Halves:
        height, width = (side + side % 2 for side in size)
    with torch.no_grad():
        expected = restorer(mirrored(mirrored(image_pair.degraded[None], height, -2), width, -1))[0]
    # the layout of the channels in memory may change the last bit
    torch.testing.assert_close(result, expected[:, : size[0], : size[1]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["fcn", "srresnet_small(features=8, blocks=1)"])
def test_an_image_that_does_not_fit_is_restored_in_bands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    restorer, image_pair = network(name, 2 if "srresnet" in name else 1).eval(), pair(61, 40)
    scale = 2 if "srresnet" in name else 1
    expected = FullImageInference(restorer, scale)(image_pair.degraded[None])
    monkeypatch.setattr(FullImageInference, "rows_at_once", lambda *_: 8)
    bands = FullImageInference(restorer, scale)(image_pair.degraded[None])
    torch.testing.assert_close(bands, expected, rtol=0, atol=1e-6)  # convolutions of other sizes round otherwise


def test_the_height_of_a_band_follows_from_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    inference = FullImageInference(network("fcn").eval(), 1)
    monkeypatch.setattr("lossmith.evaluation.inference.free_memory", lambda _: 1 << 40)
    assert inference.rows_at_once(1000, 1000) == 0
    monkeypatch.setattr("lossmith.evaluation.inference.free_memory", lambda _: 100 << 20)
    assert 0 < inference.rows_at_once(1000, 1000) < 1000
    monkeypatch.setattr("lossmith.evaluation.inference.free_memory", lambda _: 1 << 20)
    with pytest.raises(LossmithError, match=r"of 1000x1000 pixels needs .* of memory in the network"):
        inference.rows_at_once(1000, 1000)


def test_the_protocol_of_a_color_image_does_not_mention_gray() -> None:
    assert str(Protocol()) == "RGB, no crop, rounded to 8 bits"
