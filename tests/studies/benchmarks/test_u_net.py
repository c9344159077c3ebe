"""The U-Net: its sizes, how far it sees, and where it looks."""

import pytest
import torch
from torch import Tensor, nn

from lossmith.studies.benchmarks.u_net import UNet


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return UNet(features=8, levels=2).double().eval()


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 48, 56, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_that_of_ronneberger_but_for_batch_normalization() -> None:
    with torch.device("meta"):
        network = UNet()
    counts: dict[type, int] = {}
    for module in network.modules():
        if not list(module.children()):
            counts[type(module)] = counts.get(type(module), 0) + sum(part.numel() for part in module.parameters())
    # the sum over 18 convolutions of 3 x 3, from 64 to 1024 channels, without their biases
    kernels = 3 * 64 + 64 * 64 + sum(3 * width * width * 2 for width in (64, 128, 256, 512))
    kernels += sum(3 * width * width for width in (64, 128, 256, 512))
    assert counts[nn.Conv2d] == 9 * kernels + 64 + 1
    assert counts[nn.ConvTranspose2d] == sum(4 * 2 * width * width + width for width in (64, 128, 256, 512))


@pytest.mark.parametrize("size", [(48, 56), (47, 53), (1, 1), (5, 31), (16, 17)])
def test_any_size_comes_back(network: UNet, size: tuple[int, int]) -> None:
    assert network(torch.rand(2, 3, *size, dtype=torch.float64)).shape == (2, 1, *size)


def test_an_odd_picture_is_continued_by_its_last_row_and_column(network: UNet, image: Tensor) -> None:
    odd = image[..., :45, :54]
    continued = odd[..., [*range(45), 44, 44, 44], :][..., [*range(54), 53, 53]]
    assert torch.equal(network(odd), network(continued)[..., :45, :54])


def test_convolutions_cannot_tell_the_border_of_an_even_picture(image: Tensor) -> None:
    network = UNet(features=4, levels=0).double().eval()
    logits = network(image[..., :1, :1].expand(-1, -1, 20, 30))
    assert torch.allclose(logits, logits[..., :1, :1].expand_as(logits), atol=1e-12)


def test_it_moves_with_the_picture_by_what_its_poolings_divide(network: UNet, image: Tensor) -> None:
    here, there = network(image[..., :-4]), network(image[..., 4:])
    # away from the borders
    assert torch.allclose(here[..., 22:26, 26:28], there[..., 22:26, 22:24], atol=1e-12)


def test_it_sees_further_than_its_convolutions_by_its_poolings(network: UNet) -> None:
    """Ten convolutions reach 10 pixels; at halves and quarters of the resolution these reach 2 + 4 + 8 + 4 + 2,
    and 3 more where the cells of the poolings lie to one side."""
    image = torch.rand(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    network(image)[0, 0, 48, 48].backward()
    assert image.grad is not None
    rows = image.grad.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
    assert 48 - 23 <= min(rows) < 48 - 10
    assert 48 + 10 < max(rows) <= 48 + 23


def test_the_way_across_keeps_single_pixels_apart(network: UNet, image: Tensor) -> None:
    """Neighbors within one cell of the last pooling get outputs of their own."""
    logits = network(image)
    assert logits[0, 0, 20:24, 20:24].unique().numel() == 16
