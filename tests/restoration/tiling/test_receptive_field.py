"""The measured receptive field equals the sum over the layers."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks import network
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling.receptive_field import ReceptiveField, measure_receptive_field


@pytest.mark.parametrize(
    ("expression", "scale", "pixels"),
    [
        ("fcn", 1, 4 + 2 + 2),
        ("fcn", 4, 2 + 2),  # 8 of the enlarged pixels, and what bicubic enlargement looks at
        ("srresnet_small", 1, 1 + 8 + 1),
        ("srresnet_small", 4, 1 + 8 + 1),
        ("srresnet(blocks=3, features=8)", 1, 1 + 6 + 2),
    ],
)
def test_receptive_fields_of_own_networks_are_the_sum_over_their_layers(
    expression: str, scale: int, pixels: int
) -> None:
    assert measure_receptive_field(TorchEngine(network(expression, scale).eval(), scale)) == ReceptiveField(
        pixels, stride=1, multiple_of=1
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 3, 5, 7]), st.integers(1, 3)), min_size=1, max_size=4))
def test_any_stack_of_convolutions_is_measured_exactly(layers: list[tuple[int, int]]) -> None:
    convolutions = [
        nn.Conv2d(3, 3, kernel, dilation=dilation, padding=dilation * (kernel // 2), padding_mode="reflect")
        for kernel, dilation in layers
    ]
    expected = sum(dilation * (kernel // 2) for kernel, dilation in layers)
    net = nn.Sequential(*(part for convolution in convolutions for part in (convolution, nn.ReLU())))
    assert measure_receptive_field(TorchEngine(net.eval(), 1)).pixels == expected


class Blocks(nn.Module):
    """Processes blocks of 4 x 4 pixels; takes multiples of 4 only."""

    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(F.max_pool2d(images, 4), scale_factor=4.0)


class PaddedBlocks(Blocks):
    """The same with padding, for any size."""

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % 4, 0, -height % 4), "replicate")
        return super().forward(padded)[..., :height, :width]


class Average(nn.Module):
    """Depends on every pixel of the image."""

    def forward(self, images: Tensor) -> Tensor:
        return images - images.mean((2, 3), keepdim=True)


class Stubborn(nn.Module):
    """Fails on every size."""

    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("not today")


def test_a_network_of_pixel_blocks_has_their_stride() -> None:
    assert measure_receptive_field(TorchEngine(Blocks(), 1)) == ReceptiveField(0, stride=4, multiple_of=4)
    assert measure_receptive_field(TorchEngine(PaddedBlocks(), 1)) == ReceptiveField(0, stride=4, multiple_of=1)


def test_a_global_network_has_no_bounded_receptive_field() -> None:
    assert measure_receptive_field(TorchEngine(Average(), 1)).pixels is None


def test_a_receptive_field_beyond_the_longest_probe_counts_as_unbounded() -> None:
    far = TorchEngine(nn.Conv2d(3, 3, 3, dilation=100, padding=100), 1)
    assert measure_receptive_field(far).pixels == 100
    assert measure_receptive_field(far, longest=256).pixels is None


def test_an_engine_that_loses_nan_is_measured_by_differences() -> None:
    class Elsewhere(TorchEngine):  # an engine that loses what is not a number, as vectorised maxima do
        def __call__(self, images: Tensor) -> Tensor:
            return super().__call__(images.nan_to_num())

    net = nn.Conv2d(3, 3, 5, padding=2)
    foreign = type("Foreign", (), {k: getattr(Elsewhere(net, 1), k) for k in ("name", "scale", "channels")})
    engine = foreign()
    engine.multiple_of, engine.minimum, engine.size = 1, 1, None
    foreign.__call__ = lambda self, images: Elsewhere(net, 1)(images)  # type: ignore[attr-defined]
    assert measure_receptive_field(engine).pixels == 2


def test_a_network_that_runs_on_no_size_is_refused() -> None:
    with pytest.raises(LossmithError, match=r"^model 'network' runs on none of the sizes tried: not today$"):
        measure_receptive_field(TorchEngine(Stubborn(), 1))


def test_measuring_does_not_change_the_network() -> None:
    net = network("srresnet_small(features=4, blocks=1)").eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    measure_receptive_field(TorchEngine(net, 1))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
