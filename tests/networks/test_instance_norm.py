"""Instance normalization against PyTorch's, in both layouts, and at what it must not change."""

import pytest
import torch
from torch import Tensor, nn

from lossmith.networks.instance_norm import InstanceNorm2d


def pair(affine: bool) -> tuple[InstanceNorm2d, nn.InstanceNorm2d]:
    ours, theirs = InstanceNorm2d(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    if affine:
        for norm in (ours, theirs):
            norm.load_state_dict({"weight": torch.linspace(-1, 2, 5), "bias": torch.linspace(1, 3, 5)})
    return ours, theirs


def features(mean: float, deviation: float) -> Tensor:
    values = mean + deviation * torch.randn(2, 5, 24, 30, generator=torch.Generator().manual_seed(0))
    return values.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("mean", "deviation"),
    [(0.0, 1.0), (50.0, 0.1), (3.0, 0.0)],
    ids=["centered", "far from zero", "constant"],
)
def test_channels_last_is_normalized_as_in_float64_and_stays_so(
    mean: float, deviation: float, affine: bool
) -> None:
    ours, theirs = pair(affine)
    x = features(mean, deviation)
    with torch.no_grad():
        result, expected = ours(x), theirs.double()(x.double()).float()
    assert result.is_contiguous(memory_format=torch.channels_last)
    # values of 50 have steps of 4e-6, which are 4e-5 of a deviation of 0.1
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(x, features(mean, deviation)), "the features themselves are unchanged"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_everything_else_is_pytorchs(dtype: torch.dtype, layout: torch.memory_format) -> None:
    ours, theirs = (norm.to(dtype) for norm in pair(affine=True))
    x = features(1.0, 2.0).to(dtype, memory_format=layout).requires_grad_()
    assert torch.equal(ours(x), theirs(x))  # with a graph
    (gradient,), (expected,) = (torch.autograd.grad(norm(x).square().sum(), x) for norm in (ours, theirs))
    assert torch.equal(gradient, expected)
    if dtype != torch.float32 or layout == torch.contiguous_format:
        with torch.no_grad():
            assert torch.equal(ours(x), theirs(x))
