"""The backends of the structural losses agree with each other, with autograd, and about every border."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith.losses import MixLoss, MSSSIMLoss, SSIMLoss, loss
from lossmith.losses.structural import backends
from lossmith.losses.structural.backends import dispatch, numba_backend, torch_backend
from lossmith.losses.structural.backends.dispatch import Backend
from lossmith.losses.structural.formulas import Constants, Gaussian, SSIMSpec
from lossmith.losses.structural.multi_scale import MultiScale
from lossmith.losses.structural.single_scale import dissimilarity_map

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


def planes(count: int, height: int, width: int, peak: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, count, height, width, generator=generator, dtype=torch.float64) * peak
    return 0.7 * y + 0.3 * x, y


def by_autograd(x: Tensor, y: Tensor, spec: SSIMSpec) -> tuple[Tensor, Tensor]:
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
    expected, slope = by_autograd(x.double(), y.double(), spec)
    sums, gradient = backend.dissimilarity_and_grad(x, y, spec, 0.25, True)
    assert gradient is not None
    expected, slope = 0.25 * expected, 0.25 * slope
    positions = (x.shape[-2] - spec.border) * (x.shape[-1] - spec.border)
    torch.testing.assert_close(sums.double(), expected, rtol=tolerance, atol=tolerance * positions)
    torch.testing.assert_close(
        gradient.double(), slope, rtol=0, atol=tolerance * (slope.abs().max().item() + 1e-9)
    )
    alone, none = backend.dissimilarity_and_grad(x, y, spec, 0.25, False)
    assert none is None
    torch.testing.assert_close(alone, sums, rtol=tolerance, atol=tolerance * positions)


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
    x, y = (each.float() for each in planes(4, 60, 50, 1.0))
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


# --- pyramids --------------------------------------------------------------------------------------------------

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
    fine, added = planes(3, *sides, 1.0)
    coarse, by = backend.downsample2x(planes(3, *sides, 1.0, seed=1)[0]), torch.tensor([0.5, 0.0, 3.0]).double()
    leaf = fine.clone().requires_grad_()
    (transposed,) = torch.autograd.grad(torch_backend.downsample2x(leaf), leaf, coarse)
    expected = added * by[:, None, None] + 4 * transposed
    torch.testing.assert_close(
        backend.upsample2x_add(coarse.clone(), added.clone(), by), expected, rtol=1e-14, atol=0
    )


@pytest.mark.parametrize("sides", [(44, 48), (45, 48), (47, 53)])
@pytest.mark.parametrize(("same", "mirror"), [(False, 0), (True, 0), (False, 5)], ids=["valid", "same", "reflect"])
@pytest.mark.parametrize("opposed", [False, True])
def test_the_multi_scale_gradient_equals_autograd(
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    sides: tuple[int, int],
    same: bool,
    mirror: int,
    opposed: bool,
) -> None:
    monkeypatch.setattr(dispatch, "backend_for", lambda x: backend)
    x, y = planes(4, *sides, 1.0)
    if opposed:  # a factor below 0 in one plane, and in the others none
        x[1] = 1 - y[1]
    multi_scale = MultiScale(SSIMSpec((Gaussian(1.5, 11),), same=same), (0.2, 0.3, 0.5), mirror)
    leaf = x.clone().requires_grad_()
    parts = multi_scale.values(leaf, y)
    (expected,) = torch.autograd.grad(parts.sum(), leaf)
    assert (parts[1] > 0.25).item() == opposed
    actual, gradient = multi_scale.values_and_grad(x, y, True)
    torch.testing.assert_close(actual, parts.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-12 * expected.abs().max().item())
    alone, none = multi_scale.values_and_grad(x, y, False)
    torch.testing.assert_close(alone, actual, rtol=1e-12, atol=0)
    assert none is None


# --- where they serve ------------------------------------------------------------------------------------------

BITS = """
import sys, torch
from lossmith.losses import loss
torch.set_num_threads(1)
x = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0), requires_grad=True)
value = loss("mix")(x, x.detach().flip(-1))
value.backward()
print(value.item().hex(), *(number.hex() for number in x.grad.flatten().tolist()))
"""


def test_fresh_and_cached_compiled_code_agree_exactly(tmp_path: Path) -> None:
    # else a run that is taken up again would end elsewhere: its first part compiled, its second did not
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    outputs = []
    for _ in ("compiled", "cached"):
        outputs.append(subprocess.check_output([sys.executable, "-c", BITS], env=environment, text=True))
        assert list(tmp_path.rglob("numba_kernels.strip-*.nbc")), "no compiled code is cached"
    assert outputs[0] == outputs[1]


def test_the_torch_backend_is_used_where_numba_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (each[None].float() for each in planes(3, 40, 40, 1.0))
    expected = SSIMLoss()(x, y)
    assert dispatch.backend_for(x) is numba_backend
    dispatch._numba.cache_clear()
    monkeypatch.delattr(backends, "numba_backend")
    monkeypatch.setitem(sys.modules, "lossmith.losses.structural.backends.numba_backend", None)
    try:
        assert dispatch.backend_for(x) is torch_backend
        torch.testing.assert_close(SSIMLoss()(x, y), expected, rtol=1e-6, atol=0)
    finally:
        dispatch._numba.cache_clear()


class _Broken:
    """A backend whose compiler is missing."""

    downsample2x, upsample2x_add = (
        staticmethod(torch_backend.downsample2x),
        staticmethod(torch_backend.upsample2x_add),
    )

    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        raise RuntimeError("first line\nFailed to find C compiler")


class _Wrong(_Broken):
    def dissimilarity_and_grad(
        self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        sums, gradient = torch_backend.dissimilarity_and_grad(x, y, spec, scale, need_grad)
        return sums, gradient if gradient is None else -gradient


def test_failing_kernels_are_detected_before_use() -> None:
    cpu_device = torch.device("cpu")
    assert dispatch.self_test(numba_backend, cpu_device)
    for backend, reason in [(_Broken(), "Failed to find C compiler"), (_Wrong(), "their results are wrong")]:
        with pytest.warns(UserWarning, match=reason):
            assert not dispatch.self_test(backend, cpu_device)


def test_tensors_without_data_take_the_torch_backend() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.rand(2, 3, 32, 32, requires_grad=True)
        value = loss("mix")(x, torch.rand(2, 3, 32, 32))
        value.backward()
        assert x.grad is not None
        assert x.grad.shape == x.shape


def _value_in_a_child(queue: "multiprocessing.Queue[float]", x: Tensor, y: Tensor) -> None:
    torch.set_num_threads(2)
    queue.put(SSIMLoss()(x, y).item())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    x, y = (each[None].float() for each in planes(3, 40, 40, 1.0))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    expected = SSIMLoss()(x, y).item()
    torch.set_num_threads(before)
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[float] = context.Queue()
    child = context.Process(target=_value_in_a_child, args=(queue, x, y))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join()


def slope(x: Tensor, y: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(SSIMLoss()(leaf, y), leaf)
    return gradient


def test_several_threads_can_call_at_once() -> None:
    pairs = [tuple(each[None] for each in planes(3, 40, 44, 1.0, seed)) for seed in range(8)]
    expected = [slope(*pair) for pair in pairs]
    torch.set_num_threads(3)  # each of which computes some of the planes
    with ThreadPoolExecutor(4) as pool:
        actual = list(pool.map(lambda pair: slope(*pair), pairs))
    torch.set_num_threads(1)
    assert all(map(torch.equal, actual, expected))


def test_without_a_numba_cache_folder_the_torch_backend_is_used() -> None:
    program = (
        "import numba.core.caching as caching, torch\n"
        "(getattr(caching, 'CacheImpl', None) or caching._CacheImpl)._locator_classes = []\n"  # by Numba's release
        "from lossmith.losses import SSIMLoss\n"
        "print(float(SSIMLoss()(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0.0\n"
    assert "structural losses run in plain PyTorch; set NUMBA_CACHE_DIR" in done.stderr


@pytest.mark.parametrize("again", ["a second time", "to be differentiated"])
def test_the_gradient_is_in_full_precision_under_autocast(again: str) -> None:
    x, y = (each[None].float() for each in planes(3, 40, 44, 1.0))
    expected = slope(x, y)
    leaf = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = SSIMLoss()(leaf, y)
        if again == "a second time":
            torch.autograd.grad(value, leaf, retain_graph=True)
        (actual,) = torch.autograd.grad(value, leaf, create_graph=again == "to be differentiated")
    torch.testing.assert_close(actual.detach(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


# --- borders, constants, maps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [6, 11, 30])
def test_padding_reflect_equals_ssim_of_reflected_images(height: int) -> None:
    x, y = (each[None] for each in planes(3, height, 17, 1.0))
    mirrored = [torch.nn.functional.pad(each, (5, 5, 5, 5), mode="reflect") for each in (x, y)]
    assert SSIMLoss(padding="reflect")(x, y).item() == pytest.approx(SSIMLoss()(*mirrored).item(), rel=1e-14)
    assert SSIMLoss(padding="reflect").loss_map(x, y).shape == x.shape


def test_all_paddings_agree_away_from_the_border() -> None:
    x, y = (each[None] for each in planes(2, 40, 30, 1.0))
    valid = SSIMLoss().loss_map(x, y)
    for padding in ("same", "reflect"):
        inside = SSIMLoss(padding=padding).loss_map(x, y)[..., 5:-5, 5:-5]
        torch.testing.assert_close(inside, valid, rtol=0, atol=1e-12)


def test_data_range_255_equals_data_range_1() -> None:
    x, y = (each[None] for each in planes(3, 64, 64, 1.0))
    for name in ("ssim", "ms_ssim(levels=2)", "ms_ssim_sigmas", "mix"):
        inner = name.removesuffix(")") + (", " if name.endswith(")") else "(")
        bytes_ = loss(f"{inner}data_range=255)")
        assert bytes_(255 * x, 255 * y).item() == pytest.approx(loss(name)(x, y).item(), rel=1e-10)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: SSIMLoss(), (30, 22)),
        (lambda: SSIMLoss(padding="same"), (40, 32)),
        (lambda: loss("ms_ssim_sigmas"), (40, 32)),
        (lambda: loss("ms_ssim_sigmas(form=center)"), (1, 1)),
        (lambda: loss("mix"), (40, 32)),
        (lambda: loss("mix(form=center)"), (1, 1)),
    ],
)
def test_the_loss_is_the_mean_of_its_map(make: Callable[[], SSIMLoss], shape: tuple[int, int]) -> None:
    x, y = (each[None] for each in planes(3, 40, 32, 1.0))
    if shape == (1, 1):
        x, y = x[..., :39, :31], y[..., :39, :31]
    actual = make().loss_map(x, y)
    assert actual.shape == (1, 3, *shape)
    assert make()(x, y).item() == pytest.approx(actual.mean().item(), rel=1e-12)
    with pytest.raises(ValueError, match="differ in shape"):
        make().loss_map(x, y[..., 1:])


def test_custom_level_weights_are_used() -> None:
    x, y = (each[None] for each in planes(3, 64, 64, 1.0))
    from_numbers, from_text = MSSSIMLoss(2, weights=(0.4, 0.6)), loss('ms_ssim(2, weights="0.4 0.6")')
    assert from_numbers(x, y) == from_text(x, y) != MSSSIMLoss(2)(x, y)
    assert loss(str(from_text))(x, y) == from_text(x, y)
    six = MSSSIMLoss(6, window=3, weights="1 1 1 1 1 1")
    assert six.min_side == 65
    one = loss('ms_ssim_sigmas(sigmas="1.5", window=11)')
    assert one(x, y).item() == pytest.approx(SSIMLoss(padding="same")(x, y).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ssim(padding=full)", "ssim: padding must be one of valid, same, reflect, not 'full'"),
        ("ssim(k1=0)", "ssim: k1 must be above 0, not 0"),
        ("mix(data_range=-1)", "mix: data_range must be above 0, not -1"),
        ('ms_ssim(weights="1 2")', "ms_ssim: 5 levels need 5 weights, not 2"),
        (
            'ms_ssim(weights="a b")',
            "ms_ssim: weights must be numbers separated by spaces, such as \"1 2 4\", not 'a b'",
        ),
        ('ms_ssim(weights="1 -2")', "ms_ssim: weights must be above 0, not -2.0"),
        ('mix(sigmas="2 1")', "mix: sigmas must rise, not (2.0, 1.0)"),
    ],
)
def test_structural_options_out_of_range_are_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 (its text is compared)
        loss(expression)
    assert str(refused.value) == message


# --- second derivatives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "ssim(window=5)",
        "ms_ssim(levels=2, window=3)",
        "ms_ssim(levels=2, window=3, padding=reflect)",
        "ms_ssim_sigmas",
        "mix",
    ],
)
def test_second_derivatives_equal_finite_differences_of_the_first(expression: str) -> None:
    x, y = (each[None] for each in planes(1, 7, 8, 1.0))
    criterion = loss(expression)
    assert torch.autograd.gradgradcheck(lambda p: criterion(p, y), x.requires_grad_(), fast_mode=True, atol=1e-6)


def test_no_gradient_is_computed_where_none_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    class Watched(_Broken):
        def dissimilarity_and_grad(
            self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
        ) -> tuple[Tensor, Tensor | None]:
            requests.append(need_grad)
            return torch_backend.dissimilarity_and_grad(x, y, spec, scale, need_grad)

    monkeypatch.setattr(dispatch, "backend_for", lambda x: Watched())
    x, y = (each[None] for each in planes(1, 20, 20, 1.0))
    SSIMLoss()(x, y)
    with torch.no_grad():
        SSIMLoss()(x.clone().requires_grad_(), y)
    SSIMLoss()(x.requires_grad_(), y)
    assert requests == [False, False, True]
