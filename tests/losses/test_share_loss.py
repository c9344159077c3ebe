"""Percentages in expressions: shares of the gradient, whose factors are measured in the first training steps."""

import io
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lossmith import LossmithError
from lossmith.losses import (
    L1Loss,
    Loss,
    MSELoss,
    ShareLoss,
    SSIMLoss,
    TVLoss,
    as_numbers,
    for_channels,
    gradient_shares,
    loss,
    term_gradients,
)
from lossmith.losses.share_loss import WARM_UP_STEPS, end_warm_up, shares_found, shares_kept

from .samples import pair


def close(actual: Tensor, expected: Tensor) -> bool:
    """Equal to the rounding of float32."""
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-9)
    return True


def batches(seed: int = 0, error: float = 0.1) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as of a run whose restorer changes little: fresh patches, with errors of one size."""
    generator = torch.Generator().manual_seed(seed)
    coarse = nn.Upsample(scale_factor=4, mode="bicubic")
    while True:
        clean = coarse(torch.rand(8, 3, 6, 6, generator=generator)).clamp(0, 1)
        noise = error * torch.randn(clean.shape, generator=generator)
        yield (clean + noise).requires_grad_(), clean


def warmed_up(expression: str, error: float = 0.1) -> Loss:
    criterion = loss(expression)
    for _, (x, y) in zip(range(WARM_UP_STEPS), batches(1, error), strict=False):
        criterion(x, y)
    return criterion


def mean_shares(criterion: Loss, count: int = 50, error: float = 0.1) -> list[float]:
    """The shares of terms on fresh patches: mean norms over the sum of them."""
    norms = [
        list(gradient_shares(criterion, x, y).norms.values())
        for _, (x, y) in zip(range(count), batches(2, error), strict=False)
    ]
    means = torch.tensor(norms).mean(0)
    return (means / means.sum()).tolist()


@pytest.mark.parametrize(
    ("expression", "shares"),
    [
        ("50%*l1 + 50%*ssim", [0.5, 0.5]),
        ("80%*l1 + 20%*ms_ssim(levels=2)", [0.8, 0.2]),
        ("20%*l2 + 30%*tv + 50%*charbonnier", [0.2, 0.3, 0.5]),
        ("10%*7*l1 + 90%*-0.01*ssim", [0.1, 0.9]),
    ],
)
def test_after_the_warm_up_terms_pull_as_they_should_on_fresh_patches(
    expression: str, shares: list[float]
) -> None:
    assert mean_shares(warmed_up(expression)) == pytest.approx(shares, rel=0.02)


def test_a_group_in_parentheses_has_one_share() -> None:
    criterion = warmed_up("70%*(l1 + 2*ssim) + 30%*tv")
    x, y = next(batches())
    assert list(criterion.terms(x, y)) == ["70%*(l1 + 2*ssim)", "30%*tv"]
    assert mean_shares(criterion) == pytest.approx([0.7, 0.3], rel=0.02)


def test_the_factor_of_the_first_term_is_its_share() -> None:
    criterion = warmed_up("80%*l1 + 20%*ssim")
    assert isinstance(criterion, ShareLoss)
    norms, factors = criterion.norms, criterion.factors
    assert factors[0].item() == pytest.approx(0.8, rel=1e-7)
    assert factors[1].item() == pytest.approx(0.2 * (norms[0] / norms[1]).item(), rel=1e-6)
    x, y = next(batches())
    assert close(criterion.eval()(x, y), factors[0] * L1Loss()(x, y) + factors[1] * SSIMLoss()(x, y))


def test_the_means_are_bias_corrected_running_means() -> None:
    criterion = ShareLoss([L1Loss(), MSELoss()], [0.5, 0.5])
    norms = []
    for _, (x, y) in zip(range(7), batches(), strict=False):
        norms.append(torch.stack([g.norm() for g in _gradients([L1Loss(), MSELoss()], x, y)]))
        criterion(x, y)
        weights = torch.tensor([0.05 * 0.95**age for age in range(len(norms))][::-1])
        mean = (weights[:, None] * torch.stack(norms)).sum(0) / (1 - 0.95 ** len(norms))
        torch.testing.assert_close(criterion.norms, mean, rtol=1e-5, atol=0)


def _gradients(losses: list[Loss], x: Tensor, y: Tensor) -> list[Tensor]:
    return [torch.autograd.grad(each(x, y), x)[0] for each in losses]


def test_from_the_first_step_on_the_factors_are_those_of_the_running_means() -> None:
    criterion, (x, y) = loss("50%*l1 + 50%*l2"), next(batches())
    terms = criterion.terms(x, y)
    one, other = (gradient.norm().item() for gradient in term_gradients(terms, x).values())
    assert one == pytest.approx(other, rel=1e-5)


def test_after_the_warm_up_the_factors_stay() -> None:
    criterion = warmed_up("50%*l1 + 50%*l2")
    factors, steps = criterion.factors.clone(), criterion.steps.clone()
    for _, (x, y) in zip(range(20), batches(3, 0.5), strict=False):
        criterion(x, y)
    assert torch.equal(criterion.factors, factors)
    assert criterion.steps == steps == 100


def test_always_keeps_the_shares_where_the_errors_shrink() -> None:
    """The gradient of l2 falls with the error, and that of l1 does not."""
    frozen, followed = warmed_up("50%*l1 + 50%*l2", 0.2), warmed_up("50%*l1 + 50%*l2 always", 0.2)
    for error in torch.linspace(0.2, 0.02, 60).tolist() + [0.02] * 120:
        x, y = next(batches(int(1e4 * error), error))
        for criterion in (frozen, followed):
            criterion(x, y)
    assert mean_shares(followed.eval(), error=0.02) == pytest.approx([0.5, 0.5], rel=0.02)
    assert mean_shares(frozen, error=0.02)[1] < 0.15  # a tenth of the error, so a tenth of l2's gradient


def test_the_gradient_is_that_of_the_numbers() -> None:
    criterion = warmed_up("60%*l1 + 40%*ssim")
    x, y = next(batches())
    numbers = as_numbers(criterion)
    (gradient,) = torch.autograd.grad(criterion(x, y), x)
    (expected,) = torch.autograd.grad(loss(str(numbers))(x, y), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-9)
    assert x.grad is None


@pytest.mark.parametrize(
    "expression",
    [
        "80%*l1 + 20%*ssim",
        "33.3%*l1 + 33.3%*l2 + 33.4%*tv always",
        "l1 + 0.1*(50%*ssim + 50%*tv)",
        "50%*(50%*l1 + 50%*l2) + 50%*0.5*tv",
        "100%*l1",
        "l1 until 50% then 20%*ssim + 80%*l1",
        "50%*(l1 until 20% then tv) + 50%*l2",
    ],
)
def test_the_expression_of_numbers_gives_the_same_value(expression: str) -> None:
    criterion = warmed_up(expression)
    text = str(as_numbers(criterion))
    assert "%*" not in text
    assert "always" not in text
    x, y = next(batches())
    torch.testing.assert_close(loss(text)(x, y), criterion.eval()(x, y), rtol=1e-6, atol=0)
    assert str(criterion) == expression  # and is left as it is


def test_a_loss_without_percentages_is_its_own_numbers() -> None:
    criterion = loss("l1 + 0.5*tv until 50% then l2")
    assert as_numbers(criterion) is criterion


@pytest.mark.parametrize(
    "expression",
    [
        "80%*l1 + 20%*tv",
        "80%*l1 + 20%*tv always",
        "0.1*(50%*ssim + 50%*tv) + l1",
        "l1 + (50%*ssim + 50%*tv always)",
        "50%*(80%*l1 + 20%*l2) + 50%*tv",
        "33.33%*l1 + 33.33%*l2 + 33.33%*tv",
        "12.5%*2*l1 + 87.5%*-1*tv",
        "100%*l1",
        "50%*l1 + 50%*l2 always until 50% then 20%*tv + 80%*l2",
        "50%*(l1 until 50% then l2) + 50%*tv",
    ],
)
def test_expressions_round_trip(expression: str) -> None:
    assert str(loss(expression)) == expression
    assert loss(str(loss(expression))).min_side == loss(expression).min_side


@pytest.mark.parametrize("percent", [0.01, 0.1, 7, 14, 28, 29, 33.3, 55, 56, 57, 58, 99.99])
def test_percentages_round_trip(percent: float) -> None:
    text = f"{percent:g}%*l1 + {100 - percent:g}%*l2"
    assert str(loss(text)) == text


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("20%*ssim(sigma=2) + rest*l1", "20%*ssim(sigma=2) + 80%*l1"),
        ("rest*l1 + 33.3%*tv + 33.3%*l2 always", "33.4%*l1 + 33.3%*tv + 33.3%*l2 always"),
        ("99.99%*l1 + tv*0.5*rest", "99.99%*l1 + 0.01%*0.5*tv"),
        ("0.1%*l1 + rest*(12.3%*tv + rest*l2)", "0.1%*l1 + 99.9%*(12.3%*tv + 87.7%*l2)"),
        ("l1 until 50% then 1%*tv + rest *l1", "l1 until 50% then 1%*tv + 99%*l1"),
    ],
)
def test_the_rest_is_what_is_left_of_100_percent(expression: str, numbers: str) -> None:
    assert str(loss(expression)) == str(loss(numbers)) == numbers


def test_names_that_begin_with_rest_are_names() -> None:
    for name in ("restored", "rest:Loss", "rest.losses:Loss", "rest_of"):
        with pytest.raises(LossmithError, match=f"'{name}"):
            loss(f"20%*tv + 80%*{name}")


def test_numbers_and_spaces_may_stand_anywhere() -> None:
    assert str(loss(" 80 % * l1+l2*20%*0.5  always ")) == "80%*l1 + 20%*0.5*l2 always"


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("l1 + 20%*tv", "either all terms of a sum have percentages or none"),
        ("80%*l1 + 20*tv", "either all terms of a sum have percentages or none"),
        ("80%*l1 + 30%*tv", "add up to 100%, not to 110%"),
        ("80%*l1", "add up to 100%, not to 80%"),
        ("33.3%*l1 + 33.3%*l2 + 33.38%*tv", "add up to 100%, not to 99.98%"),
        ("0.1*50%*l1 + 50%*(20%*tv + 20%*l2)", "add up to 100%, not to 40%"),
        ("100%*l1 + 0%*tv", "a percentage must be above 0%, not 0%"),
        ("110%*l1 + -10%*tv", "a percentage must be above 0%, not -10%"),
        ("50%*50%*l1 + 50%*tv", "a product has one percentage at most"),
        ("l1 always", "`always` keeps percentages"),
        ("l1 + tv always", "`always` keeps percentages"),
        ("(80%*l1 + 20%*tv) always", "`always` keeps percentages"),
        ("80%*l1 always + 20%*tv", "add up to 100%"),
        ("80%*l1 + 20%", "ends where '*' and a loss was expected"),
        ("80% + 20%*l1", "has '+ 20%*l1' where '*' and a loss was expected"),
        ("80%l1 + 20%tv", "has 'l1 + 20%tv' where '*' and a loss was expected"),
        ("%*l1", "has '%*l1' where the name of a loss was expected"),
        ("l1*%", "has '%' where a number was expected"),
        ("1e400%*l1", "is too large"),
        ("20%*tv + rest*l1 + rest*l2", "one term of a sum may have the `rest`, not several"),
        ("60%*tv + 40%*l2 + rest*l1", "percentages of 100% leave no `rest`"),
        ("60%*tv + 70%*l2 + rest*l1", "percentages of 130% leave no `rest`"),
        ("33.3%*tv + 33.3%*l2 + 33.4%*l1 + rest*ssim", "percentages of 100% leave no `rest`"),
        ("0%*tv + rest*l1", "a percentage must be above 0%, not 0%"),
        ("-20%*tv + rest*l1", "a percentage must be above 0%, not -20%"),
        ("rest*l1", "`rest` is what other percentages leave of 100%"),
        ("l1 + rest*tv", "`rest` is what other percentages leave of 100%"),
        ("rest*l1 + rest*tv", "`rest` is what other percentages leave of 100%"),
        ("20%*tv + (rest*l1 + l2)", "`rest` is what other percentages leave of 100%"),
        ("l1 + 20%*tv + rest*l2", "either all terms of a sum have percentages or none"),
        ("20%*tv + rest*30%*l1", "a product has one percentage at most"),
        ("20%*tv + rest*rest*l1", "a product has one percentage at most"),
        ("20%*tv + rest", "ends where '*' and a loss was expected"),
        ("rest + 20%*tv", "has '+ 20%*tv' where '*' and a loss was expected"),
    ],
)
def test_what_is_wrong_with_percentages_is_said_in_a_sentence(expression: str, why: str) -> None:
    with pytest.raises(LossmithError) as error:
        loss(expression)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("losses", "shares"),
    [
        ([], []),
        ([L1Loss()], [0.5]),
        ([L1Loss(), TVLoss()], [1.0]),
        ([L1Loss(), TVLoss()], [0.5, 0.4998]),
        ([L1Loss(), TVLoss()], [1.5, -0.5]),
        ([L1Loss(), TVLoss()], [1.0, 0.0]),
        ([L1Loss(), L1Loss("none")], [0.5, 0.5]),
        ([L1Loss(), TVLoss()], [float("nan"), 0.5]),
    ],
)
def test_shares_that_are_none_are_refused(losses: list[Loss], shares: list[float]) -> None:
    with pytest.raises(LossmithError):
        ShareLoss(losses, shares)


def test_a_call_that_is_no_training_step_measures_nothing() -> None:
    criterion, (x, y) = loss("80%*l1 + 20%*l2"), next(batches())
    plain = 0.8 * L1Loss()(x, y) + 0.2 * MSELoss()(x, y)
    with torch.no_grad():
        assert close(criterion(x, y), plain)
    assert close(criterion(x.detach(), y), plain)
    assert close(criterion.eval()(x, y), plain)
    with shares_kept(criterion.train()):
        assert close(criterion(x, y), plain)
    torch.func.grad(lambda each: criterion(each, y))(x.detach())
    assert criterion.steps == 0
    assert criterion.training


def test_compiled_code_measures_nothing() -> None:
    criterion, (x, y) = loss("80%*l1 + 20%*l2").eval(), next(batches())
    torch.compiler.reset()
    compiled = torch.compile(criterion, backend="eager", fullgraph=True)
    assert close(compiled(x, y), 0.8 * L1Loss()(x, y) + 0.2 * MSELoss()(x, y))
    assert criterion.steps == 0


@pytest.mark.parametrize("expression", ["80%*l1 + 20%*l2", "l1 + 0.1*(80%*l1 + 20%*l2)", "50%*l1 + 50%*l2 always"])
def test_a_compiled_step_that_would_measure_is_refused(expression: str) -> None:
    """Otherwise the percentages of a loop that is compiled from its first step would count as plain factors."""
    criterion, network, (x, y) = loss(expression), nn.Conv2d(3, 3, 1), next(batches())
    torch.compiler.reset()
    for compiled in (torch.compile(criterion, backend="eager"), _compiled_step(criterion, network)):
        with pytest.raises(LossmithError, match=r"torch\.compile cannot do: leave these uncompiled") as error:
            compiled(x, y)
        assert "\n" not in str(error.value)
    torch.compiler.reset()
    with pytest.raises(Exception, match="refuse_to_compile_training_steps"):
        _compiled_step(criterion, network, fullgraph=True)(x, y)


def _compiled_step(criterion: Loss, network: nn.Module, **options: Any) -> Any:
    return torch.compile(lambda x, y: criterion(network(x), y), backend="eager", **options)


@pytest.mark.parametrize("made", ["warmed up", "loaded", "copied", "told"])
def test_after_its_warm_up_a_loss_can_be_compiled(made: str) -> None:
    criterion = warmed_up("80%*l1 + 20%*l2")
    if made == "loaded":
        state, criterion = criterion.state_dict(), loss("80%*l1 + 20%*l2")
        criterion.load_state_dict(state)
    elif made == "copied":
        criterion = deepcopy(criterion)
    elif made == "told":
        end_warm_up(criterion := loss("80%*l1 + 20%*l2"))
    x, y = next(batches())
    torch.compiler.reset()
    assert close(torch.compile(criterion, backend="eager", fullgraph=True)(x, y), as_numbers(criterion)(x, y))
    criterion.load_state_dict(loss("80%*l1 + 20%*l2").state_dict())  # a warm-up begins again
    with pytest.raises(LossmithError, match=r"torch\.compile"):
        torch.compile(criterion, backend="eager")(x, y)


def test_a_warm_up_that_ended_in_another_process_is_noticed() -> None:
    criterion, (x, y) = loss("80%*l1 + 20%*l2"), next(batches())
    assert isinstance(criterion, ShareLoss)
    criterion.steps.fill_(WARM_UP_STEPS)  # as the broadcast of buffers does
    criterion(x, y)
    assert criterion.steps == WARM_UP_STEPS


def test_shapes_without_numbers_are_not_measured() -> None:
    criterion = loss("80%*l1 + 20%*l2").to("meta")
    x, y = torch.rand(2, 1, 3, 8, 8, device="meta")
    assert criterion(x.requires_grad_(), y).is_meta


@pytest.mark.parametrize("default", [torch.float64, torch.float16])
def test_the_default_data_type_changes_nothing(default: torch.dtype) -> None:
    usual, (x, y), before = loss("80%*l1 + 20%*l2"), next(batches()), torch.get_default_dtype()
    usual(x, y)
    torch.set_default_dtype(default)
    try:
        criterion = loss("80%*l1 + 20%*l2")
        criterion(x, y)
        numbers = str(as_numbers(criterion))
    finally:
        torch.set_default_dtype(before)
    assert {criterion.means.dtype, criterion.factors.dtype} == {torch.float32}
    assert torch.equal(criterion.factors, usual.factors)
    assert numbers == str(as_numbers(usual))


def test_a_checkpointed_loss_has_the_gradient_of_its_numbers() -> None:
    criterion, (x, y) = loss("80%*l1 + 20%*l2"), next(batches())
    checkpoint(criterion, x, y, use_reentrant=False).backward()
    (expected,) = torch.autograd.grad(as_numbers(criterion)(x, y), x)
    torch.testing.assert_close(x.grad, expected)


def test_a_step_without_a_gradient_does_not_count_for_a_term() -> None:
    flat = torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    criterion = loss("50%*l1 + 50%*tv")
    assert isinstance(criterion, ShareLoss)
    criterion(flat, torch.zeros(1, 1, 8, 8))
    assert criterion.factors.tolist() == [0.5, 0.5]  # tv has no gradient yet
    x, y = next(batches())
    criterion(x, y)
    once = loss("50%*tv + 50%*l1")
    once(x, y)
    assert criterion.norms[1] == once.norms[0]
    criterion(flat, torch.zeros(1, 1, 8, 8))
    assert criterion.norms[1] == once.norms[0]


def test_a_step_with_an_infinite_gradient_does_not_count() -> None:
    def root(prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.abs().sqrt().sum()

    criterion = ShareLoss([L1Loss(), L1Loss() + root], [0.5, 0.5])
    x, y = next(batches())
    criterion(x, y)
    factors = criterion.factors.clone()
    criterion(torch.zeros_like(y).requires_grad_(), y)
    assert torch.isfinite(criterion.factors).all()
    assert criterion.factors[1] != 0.5
    assert criterion.factors[0] == factors[0]


def test_equal_terms_are_one_in_the_log_and_have_both_shares() -> None:
    criterion, (x, y) = loss("50%*l1 + 50%*l1"), next(batches())
    assert {name: close(value, L1Loss()(x, y)) for name, value in criterion.terms(x, y).items()} == {
        "50%*l1": True
    }


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_other_reductions_have_the_same_factors(reduction: str) -> None:
    mean, other = loss("80%*l1 + 20%*l2"), loss("80%*l1 + 20%*l2", reduction=reduction)
    assert isinstance(mean, ShareLoss)
    assert isinstance(other, ShareLoss)
    x, y = next(batches())
    value = other(x, y)
    assert value.shape == ((8,) if reduction == "none" else ())
    torch.testing.assert_close(value.sum(), 8 * mean(x, y))
    torch.testing.assert_close(other.factors, mean.factors)


def test_the_sum_of_the_terms_is_the_loss() -> None:
    criterion, (x, y) = warmed_up("50%*l1 + 30%*l2 + 20%*tv"), next(batches())
    assert list(criterion.terms(x, y)) == ["50%*l1", "30%*l2", "20%*tv"]
    assert torch.equal(torch.stack(list(criterion.terms(x, y).values())).sum(0), criterion(x, y))


def test_against_a_fixed_target_it_measures_as_well() -> None:
    usual, fixed = loss("70%*l1 + 30%*ssim"), loss("70%*l1 + 30%*ssim")
    x, y = next(batches())
    against = fixed.with_target(y)
    assert torch.equal(against(x), usual(x, y))
    assert torch.equal(fixed.factors, usual.factors)
    assert fixed.steps == 1


def test_a_saved_and_a_copied_loss_go_on_alike() -> None:
    criterion = loss("50%*l1 + 50%*l2")
    for _, (x, y) in zip(range(60), batches(), strict=False):
        criterion(x, y)
    copied, loaded, file = deepcopy(criterion), loss("50%*l1 + 50%*l2"), io.BytesIO()
    torch.save(criterion.state_dict(), file)
    loaded.load_state_dict(torch.load(io.BytesIO(file.getvalue())))
    for _, (x, y) in zip(range(60), batches(4), strict=False):
        values = {each(x, y).item() for each in (criterion, copied, loaded)}
        assert len(values) == 1
    assert torch.equal(criterion.factors, loaded.factors)
    loaded.load_state_dict(loss("50%*l1 + 50%*l2").state_dict())  # a fresh state begins a warm-up again
    loaded(x, y)
    assert loaded.steps == 1


def test_in_half_precision_the_factors_are_those_of_full_precision() -> None:
    full, half = loss("50%*l1 + 50%*ssim"), loss("50%*l1 + 50%*ssim").half()
    x, y = next(batches())
    x, y = x.detach().half().float(), y.half().float()
    full(x.requires_grad_(), y)
    half(x.detach().half().requires_grad_(), y.half())
    assert half.means.dtype == torch.float32
    assert torch.equal(half.factors, full.factors)


def test_the_graph_of_the_step_is_left_for_the_backward_pass() -> None:
    weight = torch.ones((), requires_grad=True)
    x, y = next(batches())
    calls = []
    prediction = weight * x.detach()
    prediction.register_hook(lambda gradient: calls.append(gradient))
    loss("50%*l1 + 50%*l2")(prediction, y).backward()
    assert weight.grad is not None
    assert len(calls) == 1  # the user's own hook sees the gradient once


def test_asking_for_shares_leaves_no_trace() -> None:
    criterion, (x, y) = loss("80%*l1 + 20%*ssim"), next(batches())
    assert list(gradient_shares(criterion, x, y).shares.values()) == pytest.approx([0.8, 0.2], abs=1e-6)
    assert criterion.steps == 0
    measured = warmed_up("80%*l1 + 20%*ssim always")
    state = deepcopy(measured.state_dict())
    shares = gradient_shares(measured, x, y).shares
    expected = term_gradients(measured.eval().terms(x, y), x)
    norms = [gradient.norm().item() for gradient in expected.values()]
    assert list(shares.values()) == pytest.approx([norm / sum(norms) for norm in norms], rel=1e-5)
    assert all(torch.equal(value, state[name]) for name, value in measured.state_dict().items())


def test_only_what_is_unmeasured_is_measured() -> None:
    criterion = loss("l1 + (50%*l1 + 50%*tv)") + warmed_up("50%*l1 + 50%*l2")
    x, y = next(batches())
    fresh, measured = (part for part in criterion.modules() if isinstance(part, ShareLoss))
    with shares_found(criterion):
        criterion(x, y)
    assert (fresh.steps, measured.steps) == (1, WARM_UP_STEPS)
    end_warm_up(criterion)
    criterion(x, y)
    assert fresh.steps == WARM_UP_STEPS


def test_gray_images_reach_the_losses_within() -> None:
    criterion = for_channels(loss("80%*l1 + 20%*mdf(jpeg)"), 1)
    assert str(criterion) == "80%*l1 + 20%*mdf(jpeg, gray=repeat)"
    with pytest.raises(LossmithError, match="takes images of 3 channels"):
        for_channels(loss("80%*l1 + 20%*mdf(jpeg)"), 8)


def test_images_are_checked_before_anything_is_measured() -> None:
    criterion = loss("80%*l1 + 20%*ssim")
    x, y = pair()
    with pytest.raises(LossmithError, match="differ in shape"):
        criterion(x, y[..., 1:])
    with pytest.raises(LossmithError, match=r"80%\*l1 \+ 20%\*ssim needs at least"):
        criterion(x[..., :2], y[..., :2])
