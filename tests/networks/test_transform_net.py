"""The networks of Johnson et al.: their sizes, their arithmetic as published, their range, and their options."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.networks import TransformNet, network

Weights = dict[str, Tensor]


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("scale", "parameters"), [(1, 1_679_235), (4, 401_859), (8, 438_915)])
@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize("padding", ["reflect", "input"])
def test_parameters_are_those_of_the_paper(
    scale: int, parameters: int, norm: str, upsampling: str, padding: str
) -> None:
    made = TransformNet(scale, norm=norm, upsampling=upsampling, padding=padding)
    assert parameters_of(made) == parameters


def published(weights: Weights, image: Tensor, scale: int) -> Tensor:
    """As published: one reflection, unpadded blocks, transposed convolutions, output about the mean color."""

    def conv(name: str, x: Tensor, padding: int, stride: int = 1) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, padding)

    def norm(name: str, x: Tensor) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        gain, offset = (weights[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
        return (x - mean) / (variance + 1e-5).sqrt() * gain + offset

    x = F.pad(image, [40 if scale == 1 else 8] * 4, "reflect")
    x = norm("encoder.0.norm", conv("encoder.0.conv", x, 4)).relu()
    for index in (1, 2) if scale == 1 else ():
        x = norm(f"encoder.{index}.norm", conv(f"encoder.{index}.conv", x, 1, 2)).relu()
    for index in range(5 if scale == 1 else 4):
        name = f"body.{index}"
        branch = norm(f"{name}.norm1", conv(f"{name}.conv1", x, 0)).relu()
        x = x[..., 2:-2, 2:-2] + norm(f"{name}.norm2", conv(f"{name}.conv2", branch, 0))
    for index in range({1: 2, 4: 2, 8: 3}[scale]):
        name = f"decoder.{index}"
        weight, bias = weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"]
        x = norm(f"{name}.norm", F.conv_transpose2d(x, weight, bias, 2, 1, 1)).relu()
    bgr = 150 * conv("conv_last", x, 4).tanh()
    mean = torch.tensor([123.68, 116.779, 103.939], dtype=bgr.dtype)[:, None, None]
    return (bgr + mean) / 255


@pytest.mark.parametrize("scale", [1, 4, 8])
def test_the_published_options_give_the_published_network(scale: int) -> None:
    made = TransformNet(scale, width=0.125, padding="input", upsampling="transposed").double()
    image = torch.rand(2, 3, 48, 52, dtype=torch.float64)
    # the mean color is kept in float32, and is rounded there
    torch.testing.assert_close(made(image), published(made.state_dict(), image, scale), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "options", ["", "norm=batch", "norm=none", "padding=input", "upsampling=transposed", "output=linear"]
)
@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("size", [(48, 48), (41, 50)])
def test_any_size_gives_scale_times_the_size(options: str, scale: int, size: tuple[int, int]) -> None:
    made = network(f"transform_net(width=0.1{', ' * bool(options)}{options})", scale)
    assert made(torch.rand(2, 3, *size)).shape == (2, 3, scale * size[0], scale * size[1])


def test_the_output_stays_around_the_range_of_images_unless_it_is_linear() -> None:
    for output, bounded in (("tanh", True), ("linear", False)):
        made = TransformNet(width=0.1, output=output)
        nn.init.normal_(made.conv_last.weight, std=100)
        extremes = made(torch.rand(1, 3, 32, 32)).detach().aminmax()
        assert (float(extremes.min) > -0.19 and float(extremes.max) < 1.08) == bounded


def test_instance_normalization_makes_each_image_independent_of_its_batch() -> None:
    images = torch.rand(2, 3, 16, 16)
    together = TransformNet(width=0.25).train()
    # sums of a batch may be taken in another order
    torch.testing.assert_close(together(images)[:1], together(images[:1]), rtol=0, atol=1e-5)
    batch = TransformNet(width=0.25, norm="batch").train()
    assert (batch(images)[:1] - batch(images[:1])).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("transform_net(scale=3)", "transform_net: scale must be 1, 2, 4 or 8, not 3"),
        ("transform_net(width=0)", "transform_net: width must be above 0 and at most 8, not 0"),
        ("transform_net(blocks=0)", "transform_net: blocks must be at least 1, not 0"),
        ("transform_net(norm=layer)", "transform_net: norm must be instance or batch or none, not 'layer'"),
        ("transform_net(padding=zeros)", "transform_net: padding must be reflect or input, not 'zeros'"),
        ("transform_net(output=relu)", "transform_net: output must be tanh or linear, not 'relu'"),
    ],
)
def test_unknown_options_are_refused(expression: str, message: str) -> None:
    with pytest.raises(LossmithError) as refused:
        network(expression)
    assert str(refused.value) == message
