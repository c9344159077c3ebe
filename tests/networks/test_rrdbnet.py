"""RRDBNet: its published size, its arithmetic, and what it makes of sides that do not fold."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith import LossmithError
from lossmith.networks import RRDBNet, network
from lossmith.networks.base import pad_and_unshuffle

EXPRESSION = "rrdbnet(features=6, blocks=2, growth=4)"


def weights_in(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def conv(inputs: int, outputs: int) -> int:
    return outputs * (9 * inputs + 1)


@pytest.mark.parametrize(("scale", "fold"), [(4, 1), (2, 2), (1, 4)])
def test_rrdbnet_has_the_published_number_of_parameters(scale: int, fold: int) -> None:
    dense_block = sum(conv(64 + 32 * k, 32) for k in range(4)) + conv(192, 64)
    expected = (
        conv(3 * fold**2, 64) + 23 * 3 * dense_block + conv(64, 64) + 2 * conv(64, 64) + conv(64, 64) + conv(64, 3)
    )
    with torch.device("meta"):
        assert weights_in(RRDBNet(scale)) == expected
    if scale == 4:
        assert expected == 16_697_987


def test_rrdbnet_has_the_keys_of_published_checkpoints() -> None:
    layers = {name.rsplit(".", 1)[0] for name in network(EXPRESSION, 4).state_dict()}
    body = {f"body.{n}.rdb{m}.conv{k}" for n in range(2) for m in (1, 2, 3) for k in range(1, 6)}
    assert layers == body | {"conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"}


def reference(weights: dict[str, Tensor], image: Tensor, fold: int, factors: list[int]) -> Tensor:
    """The published network, written as its formulas."""

    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    def dense_block(name: str, x: Tensor) -> Tensor:
        maps = [x]
        for k in range(1, 5):
            maps.append(F.leaky_relu(conv(f"{name}.conv{k}", torch.cat(maps, 1)), 0.2))
        return x + 0.2 * conv(f"{name}.conv5", torch.cat(maps, 1))

    n, c, h, w = image.shape
    blocks = image.reshape(n, c, h // fold, fold, w // fold, fold)
    x = conv("conv_first", blocks.permute(0, 1, 3, 5, 2, 4).reshape(n, -1, h // fold, w // fold))
    trunk = x
    for block in range(2):
        inner = trunk
        for part in (1, 2, 3):
            inner = dense_block(f"body.{block}.rdb{part}", inner)
        trunk = trunk + 0.2 * inner
    x = x + conv("conv_body", trunk)
    for index, factor in enumerate(factors, 1):
        x = x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        x = F.leaky_relu(conv(f"conv_up{index}", x), 0.2)
    return conv("conv_last", F.leaky_relu(conv("conv_hr", x), 0.2))


@pytest.mark.parametrize(
    ("scale", "options", "fold", "factors"),
    [
        (1, "", 4, [2, 2]),
        (2, "", 2, [2, 2]),
        (3, "", 1, [3]),
        (4, "", 1, [2, 2]),
        (8, "", 1, [2, 2, 2]),
        (1, ", unshuffle=1", 1, []),
        (2, ", unshuffle=1", 1, [2]),
        (1, ", unshuffle=2", 2, [2]),
    ],
)
def test_rrdbnet_computes_in_the_dtype_of_its_weights(
    scale: int, options: str, fold: int, factors: list[int]
) -> None:
    restorer = network(EXPRESSION.replace(")", f"{options})"), scale).double()
    with torch.no_grad():
        for parameter in restorer.parameters():  # not the first ones, of which many are zero
            parameter.copy_(torch.randn_like(parameter) * 0.2)
        image = torch.rand(2, 3, 8, 12, dtype=torch.float64)
        expected = reference(restorer.state_dict(), image, fold, factors)
        torch.testing.assert_close(restorer(image), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 9), (5, 6)])
def test_odd_sides_are_padded_by_reflection(factor: int, height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width)
    reflected = F.pad(image, [0, -width % factor, 0, -height % factor], mode="reflect")
    assert torch.equal(pad_and_unshuffle(image, factor), F.pixel_unshuffle(reflected, factor))


def test_residual_branches_start_at_a_tenth_of_the_default_init() -> None:
    restorer = RRDBNet(4, features=64, blocks=1)
    weight = restorer.get_parameter("body.0.rdb2.conv3.weight")
    default_deviation = (2 / weight[0].numel()) ** 0.5  # He et al.
    # the deviation of 36,864 normal numbers is known to half a percent
    assert weight.std().item() == pytest.approx(0.1 * default_deviation, rel=0.03)
    assert not restorer.get_parameter("body.0.rdb2.conv3.bias").any()


@pytest.mark.parametrize(
    ("expression", "scale", "message"),
    [
        ("rrdbnet", 5, "rrdbnet: scale must be 1, 2, 3, 4 or 8, not 5"),
        (
            "rrdbnet(unshuffle=3)",
            2,
            "rrdbnet: scale times unshuffle must be 1, 2, 3, 4 or 8, not 2 times 3",
        ),
        (
            "rrdbnet(unshuffle=0)",
            2,
            "rrdbnet: scale times unshuffle must be 1, 2, 3, 4 or 8, not 2 times 0",
        ),
        ("rrdbnet(blocks=0)", 4, "rrdbnet: blocks must be at least 1, not 0"),
        ("rrdbnet(growth=-1)", 4, "rrdbnet: growth must be at least 1, not -1"),
    ],
)
def test_invalid_rrdbnet_options_are_refused(expression: str, scale: int, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        network(expression, scale)
    assert str(error.value) == message
