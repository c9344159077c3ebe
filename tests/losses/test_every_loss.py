"""Properties of every loss, and of sums: gradients, invariances, precision, and never NaN."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lossmith.losses import LOSSES, PRESETS, Schedule, loss

SINGLE_LOSSES = [
    "l1",
    "l2",
    "charbonnier",
    "tv",
    "tv(exponent=2)",
    "ssim",
    "ssim(window=5, sigma=0.8)",
    "ms_ssim(levels=2)",
    "ms_ssim(levels=1, window=7)",
    "ms_ssim_sigmas",
    "ms_ssim_sigmas(form=center)",
    "mix",
    "mix(form=center)",
    "mix_pl4nn",
    "texture(levels=2, window=2, period=4)",
    "texture(levels=1, period=2)",
]
TOGETHER = ["0.84*ms_ssim_sigmas + 0.16*l1", "2*(ssim + 0.5*tv) + l2", "l1 until 50% then 2*ssim + l2"]
EXPRESSIONS = SINGLE_LOSSES + TOGETHER
DISTANCES = [expression for expression in EXPRESSIONS if "tv" not in expression]
COMPILED_EXPRESSIONS = [*LOSSES, "mix(form=center)", *TOGETHER]
SIMILARITIES = [expression for expression in SINGLE_LOSSES if "ssim" in expression]


def side_of(expression: str) -> int:
    """A side that the loss takes and that its halving and its center leave symmetric."""
    return 24 if "ms_ssim(" in expression or "texture" in expression else 23


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def pair(
    expression: str, batch: int = 2, channels: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """A target and a prediction that resembles it, no pixel of which is where a loss has a kink."""
    side = side_of(expression)
    target = rand(batch, channels, side, side, seed=1)
    noise = rand(batch, channels, side, side, seed=2)
    return (0.7 * target + 0.3 * noise).to(dtype), target.to(dtype)


def value_and_gradient(criterion: nn.Module, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


def test_every_name_of_the_catalog_is_tested_here() -> None:
    assert {*LOSSES, *PRESETS} <= {expression.split("(")[0] for expression in SINGLE_LOSSES}


# --- gradients -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradients_equal_finite_differences(expression: str, reduction: str) -> None:
    prediction, target = pair(expression, channels=2)
    criterion = loss(expression, reduction=reduction)
    assert torch.autograd.gradcheck(
        lambda x: criterion(x, target), prediction.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-6
    )


@pytest.mark.parametrize("expression", SINGLE_LOSSES)
def test_gradients_equal_finite_differences_pixel_by_pixel(expression: str) -> None:
    criterion = loss(expression)
    side = max(criterion.min_side, 5)
    prediction, target = rand(1, 1, side, side, seed=3), rand(1, 1, side, side, seed=4)
    assert torch.autograd.gradcheck(lambda x: criterion(x, target), prediction.requires_grad_(), atol=1e-6)


def test_the_full_ms_ssim_gradient_equals_finite_differences() -> None:
    criterion, target = loss("ms_ssim"), rand(1, 1, 161, 165)
    prediction = (0.7 * target + 0.3 * rand(1, 1, 161, 165, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: criterion(x, target), prediction, fast_mode=True, atol=1e-6)


@pytest.mark.parametrize("expression", SIMILARITIES)
def test_gradients_hold_where_contrast_is_negative(expression: str) -> None:
    _, target = pair(expression, channels=1)
    criterion, prediction = loss(expression), (1 - target).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: criterion(x, target), prediction, fast_mode=True, atol=1e-6)
    assert value_and_gradient(criterion, prediction, target)[1].norm() > 1e-6


# --- invariances -----------------------------------------------------------------------------------------------

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "channels permuted": lambda x: x[:, [2, 0, 1]],
    "flipped sideways": lambda x: x.flip(-1),
    "flipped upside down": lambda x: x.flip(-2),
    "turned by 90 degrees": lambda x: x.rot90(1, (-2, -1)),
    "turned by 180 degrees": lambda x: x.rot90(2, (-2, -1)),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("move", MOVES)
def test_values_are_invariant_to_flips_and_transposition(expression: str, move: str) -> None:
    prediction, target = pair(expression)
    moved_pair = MOVES[move](prediction), MOVES[move](target)
    # float64 sums in another order; the variances behind cs lose three digits more
    torch.testing.assert_close(
        loss(expression)(*moved_pair), loss(expression)(prediction, target), rtol=1e-11, atol=0
    )


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_image_of_a_batch_has_its_own_value(expression: str) -> None:
    prediction, target = pair(expression, batch=3)
    per_image = loss(expression, reduction="none")
    together = per_image(prediction, target)
    assert together.shape == (3,)
    values = [per_image(prediction[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(values), rtol=1e-11, atol=0)
    order = [2, 0, 1]
    torch.testing.assert_close(per_image(prediction[order], target[order]), together[order], rtol=1e-11, atol=0)
    torch.testing.assert_close(loss(expression)(prediction, target), together.mean(), rtol=1e-14, atol=0)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every second pixel": lambda x: x.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., ::2, ::2],
    "transposed": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "cut out": lambda x: nn.functional.pad(x, (3, 2, 1, 4))[..., 1:-4, 3:-2],
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 4),
    height=st.integers(0, 6),
    width=st.integers(0, 6),
    layouts=st.tuples(*[st.sampled_from(sorted(LAYOUTS))] * 2),
    seed=st.integers(0, 99),
)
def test_memory_layout_does_not_matter(
    expression: str, batch: int, channels: int, height: int, width: int, layouts: tuple[str, str], seed: int
) -> None:
    criterion = loss(expression)
    side = max(criterion.min_side, 5)
    step = 2 if "center" in expression else 1
    shape = (batch, channels, side + step * height, side + step * width)
    prediction, target = rand(*shape, seed=seed), rand(*shape, seed=seed + 100)
    expected = value_and_gradient(criterion, prediction, target)
    actual = value_and_gradient(criterion, LAYOUTS[layouts[0]](prediction), LAYOUTS[layouts[1]](target))
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(actual[1], expected[1], rtol=1e-9, atol=1e-11)


# --- equal images, extreme images --------------------------------------------------------------------------

IMAGES: dict[str, Callable[[int, int], Tensor]] = {
    "random": lambda channels, side: rand(2, channels, side, side, dtype=torch.float32),
    "constant": lambda channels, side: torch.full((2, channels, side, side), 0.37),
    "black": lambda channels, side: torch.zeros(2, channels, side, side),
    "white": lambda channels, side: torch.ones(2, channels, side, side),
    "far too bright": lambda channels, side: torch.full((2, channels, side, side), 1e4 + 7 / 9),
}


@pytest.mark.parametrize("expression", DISTANCES)
@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equal_images_give_exactly_zero_in_float32(
    expression: str, kind: str, layout: torch.memory_format
) -> None:
    # 7 channels: 35 maps are no multiple of a vector register, so channels_last sums some in another order
    for channels, side in [(1, 0), (3, 0), (7, 10)]:
        image = IMAGES[kind](channels, side_of(expression) + side).to(memory_format=layout)
        assert loss(expression)(image, image.clone()).item() == 0


def extremes(side: int) -> dict[str, tuple[Tensor, Tensor]]:
    white, noise = torch.ones(2, 3, side, side), rand(2, 3, side, side, dtype=torch.float32)
    checker = (torch.arange(side)[:, None] + torch.arange(side)).remainder(2).float().expand(2, 3, side, side)
    half = (torch.arange(side) < side // 2).float().expand(2, 3, side, side)
    return {
        "flat and flat": (0.3 * white, 0.7 * white),
        "equal": (noise, noise.clone()),
        "both black": (0 * white, 0 * white),
        "black and white": (0 * white, white),
        "white and black": (white, 0 * white),
        "flat and textured": (0.5 * white, noise),
        "textured and flat": (noise, 0.5 * white),
        "opposite": (1 - noise, noise),
        "opposite checkers": (1 - checker, checker),
        "negative": (-noise, noise),
        "very bright": (1e4 * noise, noise),
        "both very bright": (1e4 * noise, 1e4 * (1 - noise)),
        "very bright and flat": (1e4 * white, 1e4 * white + 100 * noise),
        "very bright and hardly textured": (1e4 * white + 0.01 * noise, 1e4 * white - 0.01 * noise),
        "very bright by half": (1e4 * half, 1e4 * half.flip(-1)),
        "very bright and very dark": (1e4 * white, -1e4 * white),
    }


@pytest.mark.parametrize("expression", [e for e in SIMILARITIES if "mix" not in e])
@pytest.mark.parametrize("kind", extremes(1))
def test_similarities_stay_within_bounds_for_extreme_predictions(expression: str, kind: str) -> None:
    value = loss(expression)(*extremes(side_of(expression))[kind]).item()
    # Rounding may carry each of five factors 1 % beyond its bound; see contrast_structure.
    assert -0.06 < value < 2.06
    if "very" not in kind:
        assert -1e-6 < value < 2 + 1e-6


# --- precision -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_float32_is_close_to_float64(expression: str) -> None:
    prediction, target = pair(expression)
    float32_value = loss(expression)(prediction.float(), target.float())
    assert float32_value.dtype == torch.float32
    # Rounding of squared means of 0.25 against C2 = 9e-4
    torch.testing.assert_close(float32_value.double(), loss(expression)(prediction, target), rtol=0, atol=3e-6)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_the_float32_value_of_the_rounded_images(expression: str, dtype: torch.dtype) -> None:
    prediction, target = pair(expression, dtype=dtype)
    criterion = loss(expression)
    value, gradient = value_and_gradient(criterion, prediction, target)
    expected = value_and_gradient(criterion, prediction.float(), target.float())
    assert value.dtype == torch.float32
    assert torch.equal(value, expected[0])
    # Each part of a sum rounds its own gradient to the prediction's type.
    slack = 0 if expression in SINGLE_LOSSES else 4 * torch.finfo(dtype).eps * expected[1].abs().max().item()
    torch.testing.assert_close(gradient, expected[1].to(dtype), rtol=0, atol=slack)
    assert torch.equal(criterion(prediction, target.float()), expected[0])  # one of them in half


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_autocast_changes_nothing(expression: str) -> None:
    prediction, target = pair(expression, dtype=torch.float32)
    expected = value_and_gradient(loss(expression), prediction, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = value_and_gradient(loss(expression), prediction, target)
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_gpu_gives_the_cpus_value(expression: str) -> None:
    """Convolutions may use TF32 there by default, whose ten bits would ruin variances."""
    for channels, layout in [(3, torch.contiguous_format), (3, torch.channels_last), (1, torch.contiguous_format)]:
        images = pair(expression, channels=channels, dtype=torch.float32)
        prediction, target = (image.to(memory_format=layout) for image in images)
        actual = value_and_gradient(loss(expression), prediction.cuda(), target.cuda())
        expected = value_and_gradient(loss(expression), prediction, target)
        torch.testing.assert_close(actual[0].cpu(), expected[0], rtol=0, atol=5e-6)
        torch.testing.assert_close(actual[1].cpu(), expected[1], rtol=1e-3, atol=1e-6)


# --- a module like any other -----------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", COMPILED_EXPRESSIONS)
def test_every_loss_compiles_without_graph_breaks(expression: str) -> None:
    torch.compiler.reset()
    criterion = loss(expression)
    side = max(criterion.min_side, 15)
    prediction, target = (rand(1, 3, side, side, seed=n).float() for n in (0, 1))
    compiled = torch.compile(criterion, fullgraph=True, backend="eager")
    actual = value_and_gradient(compiled, prediction, target)
    expected = value_and_gradient(criterion, prediction, target)
    # a compiler gets the formulas in a form that it can fuse, which rounds differently
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(actual[1], expected[1], rtol=0, atol=1e-5 * expected[1].abs().max().item())


def test_a_schedule_is_not_recompiled_at_every_step() -> None:
    torch.compiler.reset()
    compilations = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Tensor]:
        compilations.append(graph)
        return graph.forward

    schedule = loss("l1 until 50% then l2")
    assert isinstance(schedule, Schedule)
    compiled = torch.compile(schedule, fullgraph=True, backend=backend)
    prediction, target = pair("l1")
    for step in range(20):
        schedule.progress = step / 20
        expected = loss("l1" if step < 10 else "l2")(prediction, target)
        assert torch.equal(compiled(prediction, target), expected)
    assert len(compilations) <= 3  # the first, again with `progress` as a variable, and the second stage


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_losses_have_no_state_and_can_be_moved_copied_and_pickled(expression: str) -> None:
    prediction, target = pair(expression)
    criterion = loss(expression)
    assert not criterion.state_dict()
    assert not list(criterion.parameters())
    criterion.load_state_dict({})
    expected = criterion(prediction, target)
    for twin in (criterion.double(), criterion.to("cpu"), copy.deepcopy(criterion)):
        assert torch.equal(twin(prediction, target), expected)
    copy_of_it = pickle.loads(pickle.dumps(criterion))
    assert torch.equal(copy_of_it(prediction, target), expected)
    assert str(copy_of_it) == str(criterion)


@pytest.mark.parametrize("expression", SINGLE_LOSSES)
def test_losses_have_formula_bounds_and_docstring(expression: str) -> None:
    criterion = loss(expression)
    assert criterion.formula
    assert criterion.bounds
    assert type(criterion).__doc__
