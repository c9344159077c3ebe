"""The restorers: their size, their shape, their arithmetic, and how they are written down."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.degradations import resize
from lossmith.networks import FCN, NETWORKS, NetworkLike, Restorer, SRResNet, SRResNetSmall, network
from lossmith.networks.base import upsample

SCALES = [1, 2, 3, 4, 8]


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def conv(inputs: int, outputs: int, side: int = 3) -> int:
    return outputs * (inputs * side**2 + 1)


# --- size ------------------------------------------------------------------------------------------------------


def test_fcn_has_the_papers_number_of_parameters() -> None:
    slopes = sum(p.numel() for m in FCN().modules() if isinstance(m, nn.PReLU) for p in m.parameters())
    assert slopes == 128
    assert parameters_of(FCN()) - slopes == 122_883 == conv(3, 64, 9) + conv(64, 64, 5) + conv(64, 3, 5)
    assert parameters_of(FCN(scale=4)) == parameters_of(FCN())


@pytest.mark.parametrize(
    ("scale", "upsampling"), [(1, 0), (2, conv(64, 256)), (3, conv(64, 576)), (4, 2 * conv(64, 256))]
)
def test_srresnet_has_the_published_number_of_parameters(scale: int, upsampling: int) -> None:
    expected = conv(3, 64) + 16 * 2 * conv(64, 64) + upsampling + conv(64, 64) + conv(64, 3)
    assert parameters_of(SRResNet(scale)) == expected
    if scale == 4:
        assert expected == 1_517_571


def test_srresnet_small_is_small() -> None:
    assert parameters_of(SRResNetSmall()) == conv(3, 32) + 4 * 2 * conv(32, 32) + conv(32, 3) == 75_747
    at_half_size = conv(12, 32) + 4 * 2 * conv(32, 32) + conv(32, 12)
    assert parameters_of(SRResNetSmall(unshuffle=2)) == at_half_size


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"transform_net"}))  # it takes fewer scales and sizes
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(16, 16), (9, 7), (1, 5)])
def test_output_is_scale_times_the_input(name: str, scale: int, size: tuple[int, int]) -> None:
    restorer = network(
        {"srresnet": "srresnet(blocks=2)", "rrdbnet": "rrdbnet(features=8, blocks=1)"}.get(name, name), scale
    )
    output = restorer(torch.rand(2, 3, *size))
    assert output.shape == (2, 3, scale * size[0], scale * size[1])
    assert output.isfinite().all()


@pytest.mark.parametrize("expression", ["fcn", "srresnet(blocks=2, features=8)", "srresnet_small"])
def test_the_input_is_unchanged_and_the_output_has_its_dtype(expression: str) -> None:
    image = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    before = image.clone()
    assert network(expression, 2).double()(image).dtype == torch.float64
    assert torch.equal(image, before)


# --- arithmetic ------------------------------------------------------------------------------------------------


def test_fcn_has_a_receptive_field_of_17_pixels() -> None:
    image = torch.rand(1, 3, 31, 31, requires_grad=True)
    (gradient,) = torch.autograd.grad(FCN()(image)[0, :, 15, 15].sum(), image)
    mask = gradient.abs().sum((0, 1)) > 0
    expected = torch.zeros(31, 31, dtype=torch.bool)
    expected[7:24, 7:24] = True
    assert torch.equal(mask, expected)


def plain_fcn(weights: dict[str, Tensor], image: Tensor, scale: int) -> Tensor:
    if scale > 1:
        image = F.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True)
    for index, side in ((0, 9), (2, 5), (4, 5)):
        weight, bias = weights[f"layers.{index}.weight"], weights[f"layers.{index}.bias"]
        image = F.conv2d(F.pad(image, [side // 2] * 4), weight, bias)
        if index < 4:
            slope = weights[f"layers.{index + 1}.weight"][:, None, None]
            image = torch.where(image > 0, image, slope * image)
    return image


def plain_srresnet(weights: dict[str, Tensor], image: Tensor, scale: int) -> Tensor:
    """The field's modified SRResNet, as its checkpoints are used."""

    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    x = F.leaky_relu(conv("conv_first", image), 0.1)
    for block in range(len({name.split(".")[1] for name in weights if name.startswith("body.")})):
        x = x + conv(f"body.{block}.conv2", F.relu(conv(f"body.{block}.conv1", x)))
    if scale == 4:
        x = F.leaky_relu(F.pixel_shuffle(conv("upconv1", x), 2), 0.1)
        x = F.leaky_relu(F.pixel_shuffle(conv("upconv2", x), 2), 0.1)
    elif scale > 1:
        x = F.leaky_relu(F.pixel_shuffle(conv("upconv1", x), scale), 0.1)
    x = conv("conv_last", F.leaky_relu(conv("conv_hr", x), 0.1))
    base = F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)
    return x + base


def plain_small(weights: dict[str, Tensor], image: Tensor, scale: int, unshuffle: int = 1) -> Tensor:
    def conv(name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    height, width = image.shape[-2:]
    whole = F.pad(image, (0, -width % unshuffle, 0, -height % unshuffle), "reflect")
    x = F.leaky_relu(conv("conv_first", F.pixel_unshuffle(whole, unshuffle)), 0.1)
    for block in range(4):
        x = x + conv(f"body.{block}.conv2", F.relu(conv(f"body.{block}.conv1", x)))
    base = F.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True) if scale > 1 else image
    large = F.pixel_shuffle(conv("conv_last", x), scale * unshuffle)
    return large[..., : scale * height, : scale * width] + base


def plain_small_at_half_size(weights: dict[str, Tensor], image: Tensor, scale: int) -> Tensor:
    return plain_small(weights, image, scale, unshuffle=2)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("expression", "reference"),
    [
        ("fcn", plain_fcn),
        ("srresnet(blocks=3, features=8)", plain_srresnet),
        ("srresnet_small", plain_small),
        ("srresnet_small(unshuffle=2)", plain_small_at_half_size),
    ],
)
def test_restorers_compute_in_the_dtype_of_their_weights(expression: str, reference: object, scale: int) -> None:
    restorer = network(expression, scale).double()
    with torch.no_grad():
        for parameter in restorer.parameters():  # not the first ones, of which many are zero
            parameter.copy_(torch.randn_like(parameter) * 0.1)
        image = torch.rand(2, 3, 9, 11, dtype=torch.float64)
        assert callable(reference)
        expected = reference(restorer.state_dict(), image, scale)
        torch.testing.assert_close(restorer(image), expected, rtol=1e-10, atol=1e-12)


def test_srresnet_small_starts_close_to_bicubic_upsampling() -> None:
    image = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    for scale in SCALES:
        restorer = SRResNetSmall(scale)
        bicubic = F.interpolate(image, scale_factor=scale, mode="bicubic", antialias=True) if scale > 1 else image
        # Weights are a tenth of the usual, so that the branch is some hundredths of the image.
        assert (restorer(image) - bicubic).abs().mean() < 0.03


def test_srresnet_starts_close_to_bilinear_upsampling() -> None:
    image = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    for scale in SCALES:
        bilinear = F.interpolate(image, scale_factor=scale, mode="bilinear")
        assert (SRResNet(scale, blocks=2)(image) - bilinear).abs().mean() < 0.01


# --- names -----------------------------------------------------------------------------------------------------


def test_srresnet_has_the_keys_of_published_checkpoints() -> None:
    def layers(module: nn.Module) -> set[str]:
        return {name.removesuffix(".weight").removesuffix(".bias") for name in module.state_dict()}

    body = {f"body.{block}.{part}" for block in range(16) for part in ("conv1", "conv2")}
    ends = {"conv_first", "conv_hr", "conv_last"}
    assert layers(SRResNet(1)) == body | ends
    assert layers(SRResNet(2)) == layers(SRResNet(3)) == body | ends | {"upconv1"}
    assert layers(SRResNet(4)) == body | ends | {"upconv1", "upconv2"}
    assert layers(SRResNet(8)) == body | ends | {"upconv1", "upconv2", "upconv3"}
    assert layers(SRResNetSmall(4)) == {f"body.{b}.{part}" for b in range(4) for part in ("conv1", "conv2")} | {
        "conv_first",
        "conv_last",
    }


@pytest.mark.parametrize(
    ("expression", "scale", "normal_form"),
    [
        ("fcn", None, "fcn"),
        ("fcn", 1, "fcn"),
        ("fcn", 3, "fcn(scale=3)"),
        ("fcn(scale=3)", None, "fcn(scale=3)"),
        ("fcn(3)", 3, "fcn(scale=3)"),
        ("srresnet(blocks=1, features=4)", 4, "srresnet(scale=4, features=4, blocks=1)"),
        ("srresnet_small(features=8)", 2, "srresnet_small(scale=2, features=8)"),
        ("srresnet_small(unshuffle=2, blocks=1)", 1, "srresnet_small(blocks=1, unshuffle=2)"),
        ("rrdbnet(growth=4, features=8, blocks=1)", 2, "rrdbnet(scale=2, features=8, blocks=1, growth=4)"),
        ("rrdbnet(blocks=1, features=4, unshuffle=1)", 1, "rrdbnet(features=4, blocks=1, unshuffle=1)"),
    ],
)
def test_network_expressions_round_trip(expression: str, scale: int | None, normal_form: str) -> None:
    restorer = network(expression, scale)
    assert str(restorer) == normal_form
    assert isinstance(restorer, Restorer)
    for copied in (network(normal_form), network(normal_form, restorer.scale), copy.deepcopy(restorer)):
        assert str(copied) == normal_form
        copied.load_state_dict(restorer.state_dict())
        image = torch.rand(1, 3, 6, 5)
        assert torch.equal(copied(image), restorer(image))


# --- anybody's -------------------------------------------------------------------------------------------------

MODULE = """
import torch
from torch import nn

class Enlarger(nn.Module):
    def __init__(self, scale: int, gain: float = 1.0):
        super().__init__()
        self.scale, self.gain = scale, gain

    def forward(self, x):
        return self.gain * x.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)

class Same(nn.Module):
    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        return self.gain * x

class Bare(nn.Module):
    def forward(self, x):
        return x

def make(depth: int = 1, **options):
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth)))

def no_network(scale):
    return scale
"""


@pytest.fixture(autouse=True)
def my_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_networks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_networks", None)


@pytest.mark.parametrize(
    ("expression", "scale", "gain"),
    [
        ("my_networks:Enlarger", 3, 1),
        ("my_networks:Enlarger(gain=0.5)", 2, 0.5),
        ("my_networks:Enlarger(gain=2)", None, 2),
        ("my_networks:Same", 1, 1),
        ("my_networks:Same(0.5)", None, 0.5),
        ("my_networks:Bare", 1, 1),
        ("torch.nn:Identity", 1, 1),
    ],
)
def test_a_users_network_gets_the_scale_if_it_takes_one(expression: str, scale: int | None, gain: float) -> None:
    image = torch.rand(1, 3, 4, 5)
    expected = gain * F.interpolate(image, scale_factor=scale or 1, mode="nearest")
    torch.testing.assert_close(network(expression, scale)(image), expected)


def test_a_function_may_make_the_network() -> None:
    assert len(network("my_networks:make(depth=2)", 2)) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "scale", "message"),
    [
        ("fnc", 1, "network 'fnc' is not known; did you mean 'fcn'?"),
        ("unet", 1, "network 'unet' is not known; did you mean 'rrdbnet'?"),
        ("rrdb", 1, "network 'rrdb' is not known; did you mean 'rrdbnet'?"),
        (
            "swinir",
            1,
            "network 'swinir' is not known; known are fcn, rrdbnet, srresnet, srresnet_small, transform_net",
        ),
        ("", 1, "network expression '' ends where the name of a network was expected (column 1)"),
        ("fcn + fcn", 1, "network expression 'fcn + fcn' has '+ fcn' where the end was expected (column 5)"),
        ("fcn(scale=x)", None, "network 'fcn': scale must be a whole number, not 'x'"),
        ("fcn(scale=1.5)", None, "network 'fcn': scale must be a whole number, not 1.5"),
        ("fcn(scale=0)", None, "fcn: scale must be at least 1, not 0"),
        ("fcn", 0, "fcn: scale must be at least 1, not 0"),
        ("fcn(scale=2)", 4, "network 'fcn(scale=2)' has scale 2, but scale 4 is needed"),
        ("srresnet_small(2)", 1, "network 'srresnet_small(scale=2)' has scale 2, but scale 1 is needed"),
        (
            "fcn(width=2)",
            1,
            "option of network fcn: 'width' is not known; there is none; `lossmith networks` lists the options",
        ),
        ("srresnet(block=2)", 1, "option of network srresnet: 'block' is not known; did you mean 'blocks'?"),
        ("srresnet", 5, "srresnet: scale must be 1, 2, 3, 4 or 8, not 5"),
        ("srresnet(blocks=0)", 1, "srresnet: blocks must be at least 1, not 0"),
        ("srresnet(features=-4)", 1, "srresnet: features must be at least 1, not -4"),
        ("srresnet_small(features=0)", 1, "srresnet_small: features must be at least 1, not 0"),
        ("srresnet_small(blocks=none)", 1, "network 'srresnet_small': blocks must be a whole number, not None"),
        ("no_such:Net", 1, "network 'no_such:Net' cannot be imported: No module named 'no_such'"),
        ("my_networks:Net", 1, "network 'my_networks:Net': module 'my_networks' has no 'Net'"),
        ("my_networks:Enlarger(gain=a)", 1, "network 'my_networks:Enlarger': gain must be a number, not 'a'"),
        ("my_networks:no_network", 1, "network 'my_networks:no_network' gives int instead of a torch.nn.Module"),
    ],
)
def test_invalid_network_expressions_are_refused(expression: str, scale: int | None, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        network(expression, scale)
    assert str(error.value) == message


@pytest.mark.parametrize("equivalent", [SRResNetSmall, SRResNetSmall(scale=2), "srresnet_small(scale=2)"])
def test_classes_and_restorers_are_taken_for_networks(equivalent: NetworkLike) -> None:
    assert str(network(equivalent, 2)) == "srresnet_small(scale=2)"


def test_a_module_without_an_expression_is_refused() -> None:
    with pytest.raises(LossmithError, match=r"^a network is given as an expression, or as"):
        network(nn.Conv2d(3, 3, 1))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_upsampling_equals_matlab_away_from_the_border(scale: int) -> None:
    image = torch.rand(2, 3, 16, 20)
    inner = (..., slice(3 * scale, -3 * scale), slice(3 * scale, -3 * scale))
    actual, matlab = upsample(image, scale, "bicubic"), resize(image, float(scale))
    assert torch.allclose(actual[inner], matlab[inner], atol=1e-6)  # float32 sums in another order
