"""The discriminators: their published sizes and keys, what they take, and how they are written down."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.networks import (
    DISCRIMINATORS,
    UNetDiscriminator,
    VGGDiscriminator,
    VGGDiscriminatorPooled,
    discriminator,
)


def weights_in(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def count(expression: str) -> int:
    with torch.device("meta"):
        return weights_in(discriminator(expression))


@pytest.mark.parametrize(
    ("expression", "parameters"),
    [
        ("vgg", 14_499_401),
        # one more pair of 512 channels: 3x3 and 4x4 without bias, twice two numbers a channel
        ("vgg(size=256)", 14_499_401 + 512 * 512 * (9 + 16) + 4 * 512),
        ("vgg_any", 14_499_401),
        ("unet", 4_376_897),
    ],
)
def test_discriminators_have_the_published_number_of_parameters(expression: str, parameters: int) -> None:
    assert count(expression) == parameters


def plain_vgg(weights: dict[str, Tensor], x: Tensor, halvings: int) -> Tensor:
    """The published discriminator in evaluation mode, written as its formulas."""

    def normal(name: str, x: Tensor) -> Tensor:
        mean, var, scale, shift = (
            weights[f"bn{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    x = F.leaky_relu(F.conv2d(x, weights["conv0_0.weight"], weights["conv0_0.bias"], padding=1), 0.2)
    for index in range(halvings):
        if index:
            x = F.leaky_relu(normal(f"{index}_0", F.conv2d(x, weights[f"conv{index}_0.weight"], padding=1)), 0.2)
        x = F.conv2d(x, weights[f"conv{index}_1.weight"], stride=2, padding=1)
        x = F.leaky_relu(normal(f"{index}_1", x), 0.2)
    assert x.shape[2:] == (4, 4)
    x = F.leaky_relu(x.flatten(1) @ weights["linear1.weight"].T + weights["linear1.bias"], 0.2)
    return x @ weights["linear2.weight"].T + weights["linear2.bias"]


def with_statistics(discriminator_: nn.Module, size: int = 128) -> nn.Module:
    """In evaluation mode, with the statistics of some images, under which signals neither grow nor fade."""
    for module in discriminator_.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    discriminator_.double().train()(torch.rand(3, 3, size, size, dtype=torch.float64))
    return discriminator_.eval()


@pytest.mark.parametrize(("size", "halvings"), [(128, 5), (256, 6)])
def test_vgg_discriminator_equals_the_published_one(size: int, halvings: int) -> None:
    vgg = with_statistics(VGGDiscriminator(size, features=4), size)
    images = torch.rand(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(vgg(images), plain_vgg(vgg.state_dict(), images, halvings))


def test_the_pooled_vgg_discriminator_equals_the_fixed_one_at_128_pixels() -> None:
    fixed_size, pooled = (
        with_statistics(VGGDiscriminator(features=4)),
        VGGDiscriminatorPooled(features=4).double().eval(),
    )
    pooled.load_state_dict(fixed_size.state_dict())
    images = torch.rand(1, 3, 128, 128, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(pooled(images), fixed_size(images))
        for height, width in ((32, 32), (37, 80), (200, 33)):
            assert pooled(torch.rand(2, 3, height, width, dtype=torch.float64)).shape == (2, 1)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24), (13, 27)])
def test_unet_discriminator_gives_a_logit_per_pixel(height: int, width: int) -> None:
    assert UNetDiscriminator(features=4)(torch.rand(2, 3, height, width)).shape == (2, 1, height, width)


def plain_unet(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The published U-Net discriminator, its convolutions already normalized."""

    def conv(index: int, x: Tensor, stride: int = 1) -> Tensor:
        bias = weights.get(f"conv{index}.bias")
        return F.conv2d(x, weights[f"conv{index}.weight"], bias, stride, padding=1)

    def twice(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    x0 = F.leaky_relu(conv(0, x), 0.2)
    x1 = F.leaky_relu(conv(1, x0, 2), 0.2)
    x2 = F.leaky_relu(conv(2, x1, 2), 0.2)
    x3 = F.leaky_relu(conv(3, x2, 2), 0.2)
    x = F.leaky_relu(conv(4, twice(x3)), 0.2) + x2
    x = F.leaky_relu(conv(5, twice(x)), 0.2) + x1
    x = F.leaky_relu(conv(6, twice(x)), 0.2) + x0
    return conv(9, F.leaky_relu(conv(8, F.leaky_relu(conv(7, x), 0.2)), 0.2))


def test_unet_discriminator_equals_the_published_one() -> None:
    torch.manual_seed(0)
    unet = UNetDiscriminator(features=4).double()
    images = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    for _ in range(60):  # every pass in training mode brings the estimate of the largest singular value closer
        unet(images)
    unet.eval()
    weights = {"conv0.bias": unet.conv0.bias, "conv9.bias": unet.conv9.bias}
    for index in range(10):
        layer = unet.get_submodule(f"conv{index}")
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if index not in (0, 9):
            original = layer.get_parameter("parametrizations.weight.original")
            largest = torch.linalg.matrix_norm(original.flatten(1), 2)
            # power iteration closes in slowly where two singular values are close
            torch.testing.assert_close(weight, original / largest, rtol=1e-2, atol=1e-4)
        weights[f"conv{index}.weight"] = weight
    with torch.no_grad():
        torch.testing.assert_close(unet(images), plain_unet(weights, images))


def test_unet_discriminator_has_the_keys_of_published_checkpoints() -> None:
    original = UNetDiscriminator(features=4).eval()
    older = {
        name.replace("parametrizations.weight.original", "weight_orig").replace(
            "parametrizations.weight.0._", "weight_"
        ): value
        for name, value in original.state_dict().items()
    }
    assert {"conv1.weight_orig", "conv8.weight_u", "conv8.weight_v", "conv9.weight"} < set(older)
    copy = UNetDiscriminator(features=4).eval()
    copy.load_state_dict(older)
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(copy(images), original(images))


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_every_discriminator_learns_and_passes_gradients_to_the_image(name: str) -> None:
    module = discriminator(f"{name}(features=2)")
    images = torch.rand(2, 3, 128, 128, requires_grad=True)
    module(images).mean().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize(
    ("expression", "size", "normal_form"),
    [
        ("vgg", None, "vgg"),
        ("vgg", 128, "vgg"),
        ("vgg(features=8)", 256, "vgg(size=256, features=8)"),
        ("vgg(size=256)", 128, "vgg(size=256)"),
        ("vgg_any(features=8)", 100, "vgg_any(features=8)"),
        ("unet", 100, "unet"),
    ],
)
def test_discriminator_expressions_round_trip(expression: str, size: int | None, normal_form: str) -> None:
    with torch.device("meta"):
        assert str(discriminator(expression, size)) == normal_form
        assert str(discriminator(normal_form)) == normal_form


@pytest.mark.parametrize(
    ("expression", "size", "message"),
    [
        ("vg", None, "discriminator 'vg' is not known; did you mean 'vgg'?"),
        ("vgg", 100, "vgg: size must be 128 or 256, not 100; vgg_any takes any"),
        ("unet(features=0)", None, "unet: features must be at least 1, not 0"),
        ("unet(width=3)", None, "option of discriminator unet: 'width' is not known; known are features"),
        ("builtins:list", None, "discriminator 'builtins:list' gives list instead of a torch.nn.Module"),
    ],
)
def test_invalid_discriminator_expressions_are_refused(expression: str, size: int | None, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        discriminator(expression, size)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("expression", "side", "message"),
    [
        (
            "vgg(features=1)",
            64,
            "discriminator vgg(features=1) takes images of 128 x 128 pixels, not 64 x 64; vgg_any takes any size",
        ),
        (
            "vgg_any(features=1)",
            31,
            "discriminator vgg_any(features=1) needs at least 32 x 32 pixels, not 31 x 31",
        ),
        ("unet(features=1)", 7, "discriminator unet(features=1) needs at least 8 x 8 pixels, not 7 x 7"),
    ],
)
def test_images_of_another_size_are_refused(expression: str, side: int, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        discriminator(expression)(torch.rand(1, 3, side, side))
    assert str(error.value) == message
