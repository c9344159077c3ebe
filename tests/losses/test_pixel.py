"""l1, l2, charbonnier and tv against their formulas in NumPy, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import CharbonnierLoss, TVLoss, loss

Formula = Callable[[np.ndarray, np.ndarray], float]


def charbonnier(epsilon: float) -> Formula:
    return lambda x, y: float(np.mean(np.hypot(x - y, epsilon) - epsilon))


def tv(exponent: float) -> Formula:
    def formula(x: np.ndarray, y: np.ndarray) -> float:
        down, right = np.diff(x, axis=-2), np.diff(x, axis=-1)
        return float(np.mean(np.abs(down) ** exponent) + np.mean(np.abs(right) ** exponent))

    return formula


FORMULAS: dict[str, Formula] = {
    "l1": lambda x, y: float(np.mean(np.abs(x - y))),
    "l2": lambda x, y: float(np.mean((x - y) ** 2)),
    "charbonnier": charbonnier(1e-3),
    "charbonnier(epsilon=0.1)": charbonnier(0.1),
    "tv": tv(1),
    "tv(exponent=1.5)": tv(1.5),
    "tv(exponent=2)": tv(2),
}


def pair(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, *shape, generator=generator, dtype=torch.float64).to(dtype)
    return x, y


@pytest.mark.parametrize("expression", FORMULAS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 12), st.integers(2, 12)),
    seed=st.integers(0, 1000),
)
def test_pixel_losses_equal_their_formulas(expression: str, shape: tuple[int, ...], seed: int) -> None:
    x, y = pair(*shape, seed=seed)
    expected = FORMULAS[expression](x.numpy(), y.numpy())
    # A mean of at most a thousand numbers of size 1: some ulps of float64.
    assert loss(expression)(x, y).item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("expression", FORMULAS)
def test_pixel_losses_in_float32_equal_float64_of_the_same_numbers(expression: str) -> None:
    x, y = pair(2, 3, 40, 40, dtype=torch.float32)
    expected = FORMULAS[expression](x.double().numpy(), y.double().numpy())
    assert loss(expression)(x, y).item() == pytest.approx(expected, rel=1e-6)


def test_charbonnier_is_quadratic_near_zero_and_l1_far_from_it() -> None:
    near, far, zero = torch.full((1, 1, 2, 2), 1e-5), torch.full((1, 1, 2, 2), 0.9), torch.zeros(1, 1, 2, 2)
    criterion = CharbonnierLoss(epsilon=1e-2)
    assert criterion(near.double(), zero.double()).item() == pytest.approx((1e-5) ** 2 / (2 * 1e-2), rel=1e-5)
    assert criterion(far, zero).item() == pytest.approx(0.9 - 1e-2, abs=1e-4)


@pytest.mark.parametrize("epsilon", [0.1, 0.3, 1e-2, 1e-3, 3e-4, 7e-4, 1e-6, 1e-8, 1e-22, 1e-30])
def test_charbonnier_is_exactly_zero_for_equal_images_at_any_epsilon(epsilon: float) -> None:
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    value = CharbonnierLoss(epsilon)(x, x.detach())
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_tv_depends_on_the_prediction_alone() -> None:
    x, y = pair(2, 3, 9, 7)
    assert TVLoss()(x, y) == TVLoss()(x, x) == TVLoss()(x, 5 * y)
    assert TVLoss()(torch.full_like(x, 0.3), y) == 0


def test_tv_of_a_ramp_is_its_slope() -> None:
    ramp = torch.linspace(0, 1, 11, dtype=torch.float64).expand(1, 3, 4, 11)
    assert TVLoss()(ramp, ramp).item() == pytest.approx(0.1, rel=1e-12)
    assert TVLoss(exponent=2)(ramp, ramp).item() == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 1e-40, float("inf"), float("nan")])
def test_charbonnier_needs_an_epsilon_that_float32_can_hold(epsilon: float) -> None:
    with pytest.raises(LossmithError, match=r"^charbonnier: epsilon must be above 0 .* not "):
        CharbonnierLoss(epsilon)


@pytest.mark.parametrize("exponent", [0.99, -1.0, float("inf"), float("nan")])
def test_tv_needs_an_exponent_with_a_gradient(exponent: float) -> None:
    with pytest.raises(LossmithError, match=r"^tv: exponent must be at least 1, not "):
        TVLoss(exponent)
