"""Adversarial losses: closed forms, extreme logits, and the direction of their gradients."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.losses.adversarial import ADVERSARIAL, adversarial

Form = Callable[[Tensor, Tensor], Tensor]


def log_sigmoid(x: Tensor) -> Tensor:
    return torch.log(1 / (1 + torch.exp(-x)))


def ragan_discriminator(r: Tensor, f: Tensor) -> Tensor:
    """Equation 1 of the ESRGAN paper, as it is printed."""
    real, fake = torch.sigmoid(r - f.mean()), torch.sigmoid(f - r.mean())
    return -torch.log(real).mean() - torch.log(1 - fake).mean()


def ragan_generator(r: Tensor, f: Tensor) -> Tensor:
    """Equation 2."""
    real, fake = torch.sigmoid(r - f.mean()), torch.sigmoid(f - r.mean())
    return -torch.log(1 - real).mean() - torch.log(fake).mean()


FORMS: dict[str, tuple[Form, Form]] = {
    "gan": (
        lambda r, f: -log_sigmoid(r).mean() - torch.log(1 - torch.sigmoid(f)).mean(),
        lambda r, f: -log_sigmoid(f).mean(),
    ),
    "lsgan": (lambda r, f: ((r - 1) ** 2).mean() + (f**2).mean(), lambda r, f: ((f - 1) ** 2).mean()),
    "hinge": (
        lambda r, f: (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean(),
        lambda r, f: -f.mean(),
    ),
    "wgan": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "ragan": (ragan_discriminator, ragan_generator),
    "ragan_basicsr": (lambda r, f: ragan_discriminator(r, f) / 2, lambda r, f: ragan_generator(r, f) / 2),
    "ralsgan": (
        lambda r, f: ((r - f.mean() - 1) ** 2).mean() + ((f - r.mean() + 1) ** 2).mean(),
        lambda r, f: ((f - r.mean() - 1) ** 2).mean() + ((r - f.mean() + 1) ** 2).mean(),
    ),
    "rahinge": (
        lambda r, f: (1 - (r - f.mean())).clamp(min=0).mean() + (1 + (f - r.mean())).clamp(min=0).mean(),
        lambda r, f: (1 - (f - r.mean())).clamp(min=0).mean() + (1 + (r - f.mean())).clamp(min=0).mean(),
    ),
}

logits = arrays.arrays("float64", (4, 3), elements=st.floats(-8, 8)).map(torch.from_numpy)
names = pytest.mark.parametrize("name", ADVERSARIAL)


def test_every_adversarial_loss_has_its_closed_form_here() -> None:
    assert set(FORMS) == set(ADVERSARIAL)


@names
@settings(max_examples=30, deadline=None)
@given(real=logits, fake=logits)
def test_values_equal_the_papers_formulas(name: str, real: Tensor, fake: Tensor) -> None:
    loss = adversarial(name)
    discriminator, generator = FORMS[name]
    # the closed form loses digits in 1 - sigmoid(8), which is 3e-4
    torch.testing.assert_close(
        loss.discriminator_loss(real, fake), discriminator(real, fake), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(loss.generator_loss(real, fake), generator(real, fake), rtol=1e-9, atol=1e-9)


def test_gan_is_binary_cross_entropy_with_logits() -> None:
    real, fake = torch.randn(6, 1), torch.randn(6, 1)
    ones, zeros = torch.ones(6, 1), torch.zeros(6, 1)
    cross = F.binary_cross_entropy_with_logits
    expected = cross(real, ones) + cross(fake, zeros)
    torch.testing.assert_close(adversarial("gan").discriminator_loss(real, fake), expected)


def test_an_undecided_discriminator_costs_two_log_two() -> None:
    zero = torch.zeros(3, 1)
    assert adversarial("ragan").discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert adversarial("ragan").generator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert adversarial("ragan_basicsr").generator_loss(zero, zero).item() == pytest.approx(math.log(2))


@names
def test_gradients_equal_the_papers_formulas(name: str) -> None:
    loss = adversarial(name)
    # random numbers, which do not lie on the corners of a hinge
    real, fake = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    logits = [real.clone().requires_grad_(), fake.clone().requires_grad_()]
    for function, paper, sides in (
        (loss.discriminator_loss, FORMS[name][0], logits),
        (loss.generator_loss, FORMS[name][1], logits[1:]),
    ):
        actual = torch.autograd.grad(function(*logits), sides, allow_unused=True, materialize_grads=True)
        expected = torch.autograd.grad(paper(*logits), sides, allow_unused=True, materialize_grads=True)
        for gradient, expected_gradient in zip(actual, expected, strict=True):
            torch.testing.assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-9)


@names
def test_the_restorers_loss_sends_no_gradient_to_the_outputs_on_real_images(name: str) -> None:
    real, fake = torch.randn(4, 1, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    adversarial(name).generator_loss(real, fake).backward()
    assert real.grad is None
    assert fake.grad is not None
    assert fake.grad.any()


@names
def test_each_side_learns_from_its_own_loss_alone(name: str) -> None:
    """The two steps as the module's docstring writes them."""
    restorer, discriminator = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 1)
    clean, degraded = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    output, loss = restorer(degraded), adversarial(name)
    loss.discriminator_loss(discriminator(clean), discriminator(output.detach())).backward()
    assert all(p.grad is None for p in restorer.parameters())
    assert discriminator.weight.grad is not None
    assert discriminator.weight.grad.any()
    discriminator.requires_grad_(False)
    before = discriminator.weight.grad.clone()
    loss.generator_loss(discriminator(clean), discriminator(output)).backward()
    assert torch.equal(discriminator.weight.grad, before)
    assert restorer.weight.grad is not None
    assert restorer.weight.grad.any()


@names
@pytest.mark.parametrize("size", [1e4, 1e12])
@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_extreme_outputs_give_finite_losses_and_gradients(name: str, size: float, signs: tuple[int, int]) -> None:
    for side in ("discriminator_loss", "generator_loss"):
        real, fake = (torch.full((3, 1), sign * size, requires_grad=True) for sign in signs)
        value = getattr(adversarial(name), side)(real, fake)
        value.backward()
        assert value.isfinite()
        for outputs in (real, fake):
            assert outputs.grad is None or outputs.grad.isfinite().all()


@names
def test_half_precision_outputs_are_computed_in_float32(name: str) -> None:
    real, fake = torch.full((2, 1), 300.0), torch.full((2, 1), -300.0)  # 600 squared is no float16
    for side in ("discriminator_loss", "generator_loss"):
        actual = getattr(adversarial(name), side)(real.half(), fake.half())
        assert actual.dtype == torch.float32
        assert actual == getattr(adversarial(name), side)(real, fake)


@names
def test_a_better_restorer_lowers_its_loss_and_raises_the_discriminators(name: str) -> None:
    real = torch.tensor([[0.3], [0.5]])
    worse, better = torch.tensor([[-0.6], [-0.4]]), torch.tensor([[0.1], [0.0]])
    loss = adversarial(name)
    assert loss.generator_loss(real, better) < loss.generator_loss(real, worse)
    if name != "lsgan":  # whose discriminator wants zero for restored images, not less
        assert loss.discriminator_loss(real, better) > loss.discriminator_loss(real, worse)


def test_wasserstein_needs_no_relativistic_form() -> None:
    real, fake = torch.randn(5, 1), torch.randn(3, 1)
    relativistic = -(real - fake.mean()).mean() + (fake - real.mean()).mean()
    torch.testing.assert_close(relativistic, 2 * adversarial("wgan").discriminator_loss(real, fake))


@names
def test_per_pixel_outputs_and_unequal_batches_are_taken(name: str) -> None:
    real, fake = torch.randn(2, 1, 6, 6), torch.randn(3, 1, 5, 5)
    loss = adversarial(name)
    torch.testing.assert_close(
        loss.discriminator_loss(real, fake), loss.discriminator_loss(real.flatten(), fake.flatten())
    )
    assert loss.generator_loss(real, fake).shape == ()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ragn", "adversarial loss 'ragn' is not known; did you mean 'ragan'?"),
        ("ragan(weight=2)", "option of adversarial loss ragan: 'weight' is not known; there is none"),
        (
            "builtins:list",
            "adversarial loss 'builtins:list' must have the methods discriminator_loss and generator_loss",
        ),
    ],
)
def test_invalid_adversarial_losses_are_refused(expression: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        adversarial(expression)
    assert str(error.value) == message


@names
@pytest.mark.parametrize(
    "wrong", [torch.zeros(0, 1), torch.ones(2, 1, dtype=torch.int64), [torch.ones(2, 1)], None]
)
def test_invalid_discriminator_outputs_are_refused(name: str, wrong: Any) -> None:
    fine, loss = torch.zeros(2, 1), adversarial(name)
    for side in (loss.discriminator_loss, loss.generator_loss):
        with pytest.raises(LossmithError, match=r"output on real images must be a tensor of floats, not "):
            side(wrong, fine)
        with pytest.raises(LossmithError, match=r"output on restored images must be a tensor of floats, not "):
            side(fine, wrong)
        with pytest.raises(LossmithError, match=r"are on meta \(real\) and cpu \(restored\); move one of them"):
            side(fine.to("meta"), fine)


@names
def test_the_default_dtype_changes_no_adversarial_loss(name: str) -> None:
    real, fake = torch.randn(2, 4, 1, generator=torch.Generator().manual_seed(0))
    expected = adversarial(name).discriminator_loss(real, fake), adversarial(name).generator_loss(real, fake)
    torch.set_default_dtype(torch.float64)
    try:
        actual = adversarial(name).discriminator_loss(real, fake), adversarial(name).generator_loss(real, fake)
    finally:
        torch.set_default_dtype(torch.float32)
    assert actual == expected
    assert actual[0].dtype == torch.float32
