"""Between two networks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.models.interpolation import (
    check_formats,
    interpolate_networks,
    interpolate_weights,
    weight_cosine,
)
from lossmith.networks import VGGDiscriminatorPooled, network


@settings(deadline=None)
@given(st.floats(0, 1))
def test_weights_are_interpolated_element_by_element(alpha: float) -> None:
    first, second = (torch.randn(3, 5, dtype=torch.float64) for _ in range(2))
    mix = interpolate_weights({"a": first}, {"a": second}, alpha)["a"]
    torch.testing.assert_close(mix, (1 - alpha) * first + alpha * second, rtol=1e-12, atol=1e-12)


def test_the_end_points_are_exact_and_inputs_unchanged() -> None:
    first, second = (network("srresnet(features=4, blocks=1)").state_dict() for _ in range(2))
    before = {name: tensor.clone() for name, tensor in first.items()}
    for alpha, end in ((0, first), (1, second)):
        assert all(
            torch.equal(tensor, end[name]) for name, tensor in interpolate_weights(first, second, alpha).items()
        )
    assert all(torch.equal(tensor, first[name]) for name, tensor in before.items())


def test_statistics_are_interpolated_and_counters_are_the_first_models() -> None:
    first, second = VGGDiscriminatorPooled(features=1), VGGDiscriminatorPooled(features=1)
    second(torch.rand(2, 3, 64, 64))
    mix = interpolate_weights(first.state_dict(), second.state_dict(), 0.5)
    assert mix["bn1_0.num_batches_tracked"] == 0
    torch.testing.assert_close(mix["bn1_0.running_mean"], second.get_buffer("bn1_0.running_mean") / 2)


@pytest.mark.parametrize("other", ["srresnet(features=4, blocks=2)", "srresnet(features=5, blocks=1)", "fcn"])
def test_other_architectures_are_refused(other: str) -> None:
    first, second = (network(e).state_dict() for e in ("srresnet(features=4, blocks=1)", other))
    with pytest.raises(LossmithError, match=r"^the two networks differ in architecture, so they cannot be"):
        interpolate_weights(first, second, 0.5)


def test_networks_whose_weights_alone_are_alike_are_refused() -> None:
    nearest, transposed = (
        network(f"transform_net(scale=4, width=0.125, blocks=1{option})")
        for option in ("", ", upsampling=transposed")
    )
    with pytest.raises(LossmithError, match=r"^transform_net.* and transform_net.*transposed\) differ in archi"):
        interpolate_networks(nearest, transposed, 0.5)
    assert torch.equal(
        interpolate_networks(nearest, nearest, 0.5)(image := torch.rand(1, 3, 16, 16)), nearest(image)
    )


def test_weight_cosine_tells_related_models_from_unrelated_ones() -> None:
    first, stranger = (network("srresnet(features=16, blocks=2)").state_dict() for _ in range(2))
    child = {
        name: tensor + 0.1 * tensor.std() * torch.randn_like(tensor)
        for name, tensor in first.items()
        if tensor.ndim > 1
    }
    assert weight_cosine(first, first) == pytest.approx(1)
    assert weight_cosine({name: first[name] for name in child}, child) > 0.95
    assert abs(weight_cosine(first, stranger)) < 0.1


def test_models_for_images_of_two_formats_are_refused() -> None:
    check_formats(RGB_8BIT, PixelFormat())
    with pytest.raises(LossmithError) as error:
        check_formats(PixelFormat(1, "uint16", 0, 4095), PixelFormat(1, "uint16", 0, 65535))
    assert str(error.value) == (
        "one model is for images of gray, 16 bits, 0 to 4095, and the other for gray, 16 bits, 0 to 65535, so "
        "they cannot be interpolated"
    )
