"""The Triton kernels of the structural losses agree with the PyTorch backend in float64.

With a GPU these tests run on it. They also run in Triton's interpreter on the CPU: Triton reads TRITON_INTERPRET
when it is imported, so one test repeats this file in a process of its own, where the others then have a device.
"""

import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from lossmith.losses.structural.backends import torch_backend
from lossmith.losses.structural.formulas import Constants, Gaussian, SSIMSpec
from lossmith.losses.structural.multi_scale import MultiScale

pytest.importorskip("triton")

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if IS_INTERPRETED else "cuda"

on_a_device = pytest.mark.skipif(not IS_INTERPRETED and not torch.cuda.is_available(), reason="there is no GPU")
on_a_gpu = pytest.mark.skipif(IS_INTERPRETED or not torch.cuda.is_available(), reason="there is no GPU")

small = (Gaussian(0.8, 5),)
eleven = (Gaussian(1.5, 11),)
five = tuple(Gaussian(sigma, side) for sigma, side in ((0.5, 3), (1.0, 5), (2.0, 7), (4.0, 9), (8.0, 9)))
zhao = tuple(Gaussian(sigma, side) for sigma, side in ((0.5, 9), (1.0, 17), (2.0, 33), (4.0, 33), (8.0, 33)))


@pytest.fixture(autouse=True)
def short_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program takes few rows and columns: small images, enough for the interpreter, then fill several."""
    if IS_INTERPRETED:
        from lossmith.losses.structural.backends import triton_backend

        original_tile = triton_backend.tile_of
        monkeypatch.setattr(triton_backend, "LANES", 16)
        monkeypatch.setattr(
            triton_backend, "tile_of", lambda taps: {**original_tile(taps), "STRIP": max(8, len(taps))}
        )


def run_kernels(x: Tensor, y: Tensor, spec: SSIMSpec, need_grad: bool = True) -> tuple[Tensor, Tensor | None]:
    from lossmith.losses.structural.backends import (
        triton_backend,  # Triton must be imported after the choice of a device
    )

    sums, gradient = triton_backend.dissimilarity_and_grad(x.to(DEVICE), y.to(DEVICE), spec, 0.25, need_grad)
    return sums.cpu(), None if gradient is None else gradient.cpu()


def images(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(shape, generator=generator)
    return (y + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1), y


def check_agreement(
    x: Tensor, y: Tensor, spec: SSIMSpec, tolerance: float = 1e-6, gradient_tolerance: float | None = None
) -> None:
    """To `tolerance` of each sum and of the largest slope: a few roundings of float32 images and weights."""
    sums, gradient = run_kernels(x, y, spec)
    true_sums, true_gradient = (
        result.cpu()
        for result in torch_backend.dissimilarity_and_grad(
            x.to(DEVICE).double(), y.to(DEVICE).double(), spec, 0.25, True
        )
        if result is not None
    )
    assert gradient is not None
    assert sums.dtype == gradient.dtype == torch.float32
    torch.testing.assert_close(sums.double(), true_sums, rtol=tolerance, atol=0)
    atol = (gradient_tolerance or tolerance) * true_gradient.abs().max().item()
    torch.testing.assert_close(gradient.double(), true_gradient, rtol=0, atol=atol)


@pytest.mark.skipif(IS_INTERPRETED, reason="this is the interpreter")
@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_all_kernel_tests_pass_in_the_triton_interpreter(which: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", which, __file__]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr


@on_a_device
@pytest.mark.parametrize("luminance", [True, False], ids=["with luminance", "contrast only"])
@pytest.mark.parametrize("pad_same", [True, False], ids=["same", "valid"])
@pytest.mark.parametrize("windows", [small, eleven], ids=["5 wide", "11 wide"])
def test_kernels_agree_for_one_window(windows: tuple[Gaussian, ...], pad_same: bool, luminance: bool) -> None:
    check_agreement(*images(1, 13, 17), SSIMSpec(windows, luminance=luminance, same=pad_same))


@on_a_device
@pytest.mark.parametrize(
    "luminance", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["with luminance", "contrast only"]
)
def test_kernels_agree_for_five_windows(luminance: bool) -> None:
    check_agreement(*images(1, 10, 17), SSIMSpec(five, luminance=luminance, same=True))


@on_a_device
@pytest.mark.slow
def test_kernels_agree_for_the_windows_of_zhao() -> None:
    check_agreement(*images(1, 35, 37), SSIMSpec(zhao, same=True))


@on_a_device
@pytest.mark.slow
def test_kernels_agree_for_a_window_of_33() -> None:
    check_agreement(*images(1, 34, 35), SSIMSpec((Gaussian(8.0, 33),)))


@on_a_device
@pytest.mark.parametrize("pad_same", [True, False], ids=["same", "valid"])
@pytest.mark.parametrize("shape", [(3, 17, 8), (2, 5, 71), (1, 8, 64)])
def test_kernels_agree_where_blocks_are_partly_filled(shape: tuple[int, ...], pad_same: bool) -> None:
    check_agreement(*images(*shape), SSIMSpec(small, same=pad_same))


@on_a_device
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 7), (2, 4, 3)])
def test_same_padding_takes_images_smaller_than_the_window(shape: tuple[int, ...]) -> None:
    # The variance of few pixels may be all rounding: 1e-7 of squares up to 1, beside 2 C2 = 2e-3.
    check_agreement(*images(*shape), SSIMSpec(eleven, same=True), tolerance=1e-4)


@on_a_device
def test_kernels_agree_for_images_in_0_to_255() -> None:
    x, y = images(2, 9, 11)
    check_agreement(255 * x, 255 * y, SSIMSpec(small, Constants(data_range=255.0)))


@on_a_device
def test_kernels_agree_for_values_far_out_of_range() -> None:
    x, y = images(2, 9, 11)
    check_agreement(1e4 * x, -1e4 * y, SSIMSpec(small))


@on_a_device
def test_inverted_images_are_1_to_2_apart() -> None:
    _, y = images(2, 9, 11)
    check_agreement(1 - y, y, SSIMSpec(small))


@on_a_device
@pytest.mark.parametrize(
    "spec", [SSIMSpec(small), SSIMSpec(five[:2], same=True)], ids=["one window", "two windows"]
)
def test_equal_images_give_exactly_0(spec: SSIMSpec) -> None:
    _, y = images(1, 6, 7)
    sums, gradient = run_kernels(y, y, spec)
    assert gradient is not None
    assert sums.eq(0).all()
    assert gradient.eq(0).all()


@on_a_device
@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, 0.0), (0.3, 0.3), (1e4, -1e4), (1e4, 9e3)])
def test_constant_images_stay_in_bounds(values: tuple[float, float]) -> None:
    x, y = (torch.full((1, 8, 9), value) for value in values)
    sums, gradient = run_kernels(x, y, SSIMSpec(small, same=True))
    assert gradient is not None
    assert 0 <= sums.item() <= 2 * x.numel()
    assert gradient.isfinite().all()


@on_a_device
def test_nan_is_not_hidden_and_does_not_spread_to_other_images() -> None:
    x, y = images(2, 9, 11)
    x[0, 4, 5] = torch.nan
    sums, gradient = run_kernels(x, y, SSIMSpec(small, luminance=False))
    assert gradient is not None
    assert sums.isnan().tolist() == [True, False]
    assert gradient[0, 4, 5].isnan()
    assert gradient[1].isfinite().all()


@on_a_device
@pytest.mark.parametrize(
    "spec", [SSIMSpec(small), SSIMSpec(five[:2], same=True)], ids=["one window", "two windows"]
)
def test_the_value_is_the_same_bits_with_a_gradient_without_and_again(spec: SSIMSpec) -> None:
    x, y = images(1, 9, 7)
    first, gradient = run_kernels(x, y, spec)
    repeat, same_gradient = run_kernels(x, y, spec)
    value_only, no_gradient = run_kernels(x, y, spec, need_grad=False)
    assert no_gradient is None
    assert first.equal(repeat)
    assert first.equal(value_only)
    assert gradient is not None
    assert same_gradient is not None
    assert gradient.equal(same_gradient)


@on_a_device
def test_kernels_agree_at_every_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    from lossmith.losses.structural.backends import dispatch, triton_backend

    x, y = (image.to(DEVICE) for image in images(2, 15, 19))
    multi_scale = MultiScale(SSIMSpec(small), (0.3, 0.7))
    monkeypatch.setattr(dispatch, "backend_for", lambda _: torch_backend)
    true_parts, true_gradient = multi_scale.values_and_grad(x.double(), y.double(), True)
    monkeypatch.setattr(dispatch, "backend_for", lambda _: triton_backend)
    parts, gradient = multi_scale.values_and_grad(x, y, True)
    assert gradient is not None
    assert true_gradient is not None
    torch.testing.assert_close(parts.double(), true_parts, rtol=1e-6, atol=0)
    atol = 1e-6 * true_gradient.abs().max().item()
    torch.testing.assert_close(gradient.double(), true_gradient, rtol=0, atol=atol)


@on_a_gpu
@pytest.mark.parametrize(
    ("spec", "gradient_tolerance"),
    # under five windows plain PyTorch in float32 is off by 1.7e-6
    [(SSIMSpec(eleven), 1e-6), (SSIMSpec(zhao, same=True), 1e-5)],
    ids=["ssim", "ms_ssim_sigmas"],
)
@pytest.mark.parametrize("shape", [(6, 250, 333), (1, 1080, 1920)])
def test_kernels_agree_for_images_of_real_sizes(
    shape: tuple[int, ...], spec: SSIMSpec, gradient_tolerance: float
) -> None:
    check_agreement(*images(*shape), spec, gradient_tolerance=gradient_tolerance)


@on_a_gpu
def test_cuda_tensors_take_the_triton_backend() -> None:
    from lossmith.losses.structural.backends import dispatch, triton_backend

    assert dispatch.backend_for(torch.ones(1, device="cuda")) is triton_backend


@on_a_gpu
@pytest.mark.slow
def test_kernels_index_beyond_32_bits() -> None:
    planes, side = 2**15 + 1, 256
    if torch.cuda.mem_get_info()[0] < 70 * 2**30:
        pytest.skip("needs 70 GiB on the GPU")
    from lossmith.losses.structural.backends import triton_backend

    x, y = (image.cuda().expand(planes, side, side).contiguous() for image in images(1, side, side))
    sums, gradient = triton_backend.dissimilarity_and_grad(x, y, SSIMSpec(eleven), 1.0, True)
    assert gradient is not None
    assert sums[0].equal(sums[-1])
    assert gradient[0].equal(gradient[-1])
