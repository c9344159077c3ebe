"""The backends of the structural losses agree with each other, with autograd, and about every border."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith.losses import MixLoss
from lossmith.losses.structural.backends import dispatch, numba_backend, torch_backend
from lossmith.losses.structural.backends.dispatch import Backend
from lossmith.losses.structural.formulas import Constants, Gaussian, SSIMSpec
from lossmith.losses.structural.multi_scale import MultiScale
from lossmith.losses.structural.single_scale import dissimilarity_map

from ..samples import planes

BACKENDS: dict[str, Backend] = {"torch": torch_backend, "numba": numba_backend}
SPECS = {
    "ssim": SSIMSpec((Gaussian(1.5, 11),)),
    "contrast": SSIMSpec((Gaussian(1.5, 11),), luminance=False),
    "same": SSIMSpec((Gaussian(1.5, 11),), same=True),
    "a single pixel": SSIMSpec((Gaussian(1.0, 1),)),
    "three pixels": SSIMSpec((Gaussian(0.8, 3),), same=True),
    "five": SSIMSpec((Gaussian(0.8, 5),)),
    "bytes": SSIMSpec((Gaussian(1.5, 7),), Constants(0.02, 0.05, 255.0)),
    "two sigmas": SSIMSpec((Gaussian(0.5, 9), Gaussian(2.0, 33)), same=True),
    "five sigmas": MixLoss()._spec(),
}


def autograd_reference(x: Tensor, y: Tensor, spec: SSIMSpec) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    sums = dissimilarity_map(leaf, y, spec).sum((-2, -1))
    (gradient,) = torch.autograd.grad(sums.sum(), leaf)
    return sums.detach(), gradient


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that images of a test's size are cut into strips as large ones are."""
    monkeypatch.setattr(torch_backend, "PIECE_PIXELS", 400)
    monkeypatch.setattr(numba_backend, "STRIP_PIXELS", 150)


def check(backend: Backend, spec: SSIMSpec, x: Tensor, y: Tensor, tolerance: float) -> None:
    expected, slope = autograd_reference(x.double(), y.double(), spec)
    sums, gradient = backend.dissimilarity_and_grad(x, y, spec, 0.25, True)
    assert gradient is not None
    expected, slope = 0.25 * expected, 0.25 * slope
    positions = (x.shape[-2] - spec.border) * (x.shape[-1] - spec.border)
    torch.testing.assert_close(sums.double(), expected, rtol=tolerance, atol=tolerance * positions)
    torch.testing.assert_close(
        gradient.double(), slope, rtol=0, atol=tolerance * (slope.abs().max().item() + 1e-9)
    )
    value_only, no_gradient = backend.dissimilarity_and_grad(x, y, spec, 0.25, False)
    assert no_gradient is None
    torch.testing.assert_close(value_only, sums, rtol=tolerance, atol=tolerance * positions)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(count=st.integers(1, 7), height=st.integers(11, 60), width=st.integers(11, 60), seed=st.integers(0, 99))
def test_each_backend_equals_autograd(
    spec: str, dtype: torch.dtype, count: int, height: int, width: int, seed: int
) -> None:
    x, y = planes(count, height, width, SPECS[spec].constants.data_range, seed)
    # float32: a variance is a difference of squares and is divided by a C2 of 9e-4
    for backend in BACKENDS.values():
        check(backend, SPECS[spec], x.to(dtype), y.to(dtype), 1e-12 if dtype == torch.float64 else 2e-5)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("shape", [(1, 90, 23), (3, 41, 61), (2, 11, 200), (5, 12, 11)])
def test_strips_join_without_seams(backend: Backend, spec: str, shape: tuple[int, int, int]) -> None:
    check(backend, SPECS[spec], *planes(*shape, SPECS[spec].constants.data_range), 1e-12)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("backend", "tolerance"),
    # matrix products of PyTorch may add up in another order where there are more threads
    [pytest.param(torch_backend, 1e-6, id="plain"), pytest.param(numba_backend, 0, id="numba")],
)
def test_the_number_of_threads_changes_at_most_rounding(backend: Backend, tolerance: float) -> None:
    x, y = (image.float() for image in planes(4, 60, 50, 1.0))
    actual = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        actual.append(backend.dissimilarity_and_grad(x, y, SPECS["five sigmas"], 1.0, True))
    torch.set_num_threads(before)
    (first_sums, first), *others = actual
    assert first is not None
    for sums, gradient in others:
        torch.testing.assert_close(sums, first_sums, rtol=tolerance, atol=0)
        torch.testing.assert_close(gradient, first, rtol=0, atol=tolerance * first.abs().max().item())


SIDES = [(16, 24), (17, 24), (16, 23), (21, 19), (1, 8), (7, 1)]


@pytest.mark.parametrize("sides", SIDES)
def test_downsample2x_is_the_mean_of_2_x_2_pixels_with_the_last_repeated(
    backend: Backend, sides: tuple[int, int]
) -> None:
    x, _ = planes(3, *sides, 1.0)
    repeated = torch.nn.functional.pad(x[None], (0, sides[1] % 2, 0, sides[0] % 2), mode="replicate")
    expected = torch.nn.functional.avg_pool2d(repeated, 2)[0]
    torch.testing.assert_close(backend.downsample2x(x), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("sides", SIDES)
def test_upsample2x_add_is_the_transpose_of_downsample2x(backend: Backend, sides: tuple[int, int]) -> None:
    fine, base = planes(3, *sides, 1.0)
    coarse, by = backend.downsample2x(planes(3, *sides, 1.0, seed=1)[0]), torch.tensor([0.5, 0.0, 3.0]).double()
    leaf = fine.clone().requires_grad_()
    (transposed,) = torch.autograd.grad(torch_backend.downsample2x(leaf), leaf, coarse)
    expected = base * by[:, None, None] + 4 * transposed
    torch.testing.assert_close(
        backend.upsample2x_add(coarse.clone(), base.clone(), by), expected, rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("sides", [(44, 48), (45, 48), (47, 53)])
@pytest.mark.parametrize(
    ("pad_same", "mirror"), [(False, 0), (True, 0), (False, 5)], ids=["valid", "same", "reflect"]
)
@pytest.mark.parametrize("is_opposed", [False, True])
def test_the_multi_scale_gradient_equals_autograd(
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    sides: tuple[int, int],
    pad_same: bool,
    mirror: int,
    is_opposed: bool,
) -> None:
    monkeypatch.setattr(dispatch, "backend_for", lambda x: backend)
    x, y = planes(4, *sides, 1.0)
    if is_opposed:  # a factor below 0 in one plane, and in the others none
        x[1] = 1 - y[1]
    multi_scale = MultiScale(SSIMSpec((Gaussian(1.5, 11),), same=pad_same), (0.2, 0.3, 0.5), mirror)
    leaf = x.clone().requires_grad_()
    parts = multi_scale.values(leaf, y)
    (expected,) = torch.autograd.grad(parts.sum(), leaf)
    assert (parts[1] > 0.25).item() == is_opposed
    actual, gradient = multi_scale.values_and_grad(x, y, True)
    torch.testing.assert_close(actual, parts.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12 * expected.abs().max().item())
    value_only, no_gradient = multi_scale.values_and_grad(x, y, False)
    torch.testing.assert_close(value_only, actual, rtol=1e-12, atol=0)
    assert no_gradient is None
