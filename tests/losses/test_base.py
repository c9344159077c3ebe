"""Sums, schedules, terms, repr and expressions of losses."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.losses import (
    L1Loss,
    Loss,
    LossLike,
    MixLoss,
    MSELoss,
    Schedule,
    SSIMLoss,
    SumLoss,
    TVLoss,
    as_loss,
    loss,
)
from lossmith.losses.adversarial import adversarial
from lossmith.losses.mdf.loss_file import find_loss
from lossmith.losses.structural import mix as structural


def pair(batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    x, y = torch.rand(2, batch, 3, 23, 23, generator=generator, dtype=torch.float64)
    return x, y


def close(actual: Tensor, expected: Tensor | float) -> bool:
    torch.testing.assert_close(actual, torch.as_tensor(expected, dtype=actual.dtype), rtol=1e-12, atol=1e-14)
    return True


# --- sums ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_sum_is_the_weighted_sum_of_its_parts(reduction: str) -> None:
    x, y = pair()
    l1, ssim, tv = (loss(name, reduction=reduction)(x, y) for name in ("l1", "ssim", "tv"))
    assert close(loss("0.84*ssim + 0.16*l1", reduction=reduction)(x, y), 0.84 * ssim + 0.16 * l1)
    assert close(loss("2*(l1 + 0.5*(ssim + tv))*3 + tv", reduction=reduction)(x, y), 6 * l1 + 3 * ssim + 4 * tv)
    assert close(loss("-1e-1*l1 + .5*ssim", reduction=reduction)(x, y), 0.5 * ssim - 0.1 * l1)


@pytest.mark.parametrize("expression", ["ssim", "2*(l1 + 0.3*ssim)", "l1 + 0.5*mdf(jpeg)", "l1 until 50% then l2"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_every_loss_can_keep_its_target(expression: str, reduction: str) -> None:
    prediction, target = (torch.tile(image, (2, 2)) for image in pair())
    prediction.requires_grad_()
    criterion = loss(expression, reduction=reduction)
    value = criterion(prediction, target)
    expected = value, *torch.autograd.grad(value.sum(), prediction)
    fixed = criterion.with_target(target)
    target.zero_()  # the target was copied
    value = fixed(prediction)
    actual = value, *torch.autograd.grad(value.sum(), prediction)
    assert all(map(torch.equal, actual, expected))
    assert not [name for name in fixed.state_dict() if name.endswith("target")]
    with pytest.raises(LossmithError, match="differ in shape"):
        fixed(prediction[..., :-1])


def test_python_operators_build_the_same_loss() -> None:
    x, y = pair()
    built = 0.84 * SSIMLoss() + L1Loss() * 0.16 + 2 * (TVLoss() + 3 * MSELoss())
    assert str(built) == "0.84*ssim + 0.16*l1 + 2*(tv + 3*l2)"
    assert close(built(x, y), loss(str(built))(x, y))
    assert str(sum([L1Loss(), MSELoss(), TVLoss()])) == "l1 + l2 + tv"  # the built-in sum starts from 0
    assert close((L1Loss() + nn.MSELoss())(x, y), L1Loss()(x, y) + MSELoss()(x, y))
    assert close((nn.MSELoss() + L1Loss())(x, y), L1Loss()(x, y) + MSELoss()(x, y))


def test_a_sum_has_the_largest_min_side_of_its_terms() -> None:
    for expression in ("l1 + ms_ssim", "2*ms_ssim", "l1 + 3*(tv + ms_ssim)", "l1 until 5% then ms_ssim"):
        assert loss(expression).min_side == 161


@pytest.mark.parametrize("progress", [0.0, 0.9])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("l1", ["l1"]),
        ("ssim(window=7)", ["ssim(window=7)"]),
        ("0.5*l1 + ssim", ["0.5*l1", "ssim"]),
        ("2*(l1 + 0.5*tv)", ["2*l1", "2*0.5*tv"]),
        ("mix", ["0.84*ms_ssim_sigmas", "0.16*gaussian_l1"]),
        ("10*mix_pl4nn + tv", ["10*0.025*ms_ssim_sigmas", "10*0.975*gaussian_l1", "tv"]),
        ("l1 + l1 + 2*l1", ["l1", "2*l1"]),
        ("l1 until 100e-2% then l1", ["l1"]),
    ],
)
def test_the_terms_sum_to_the_loss_and_carry_their_names(
    expression: str, names: list[str], reduction: str, progress: float
) -> None:
    x, y = pair()
    criterion = loss(expression, reduction=reduction)
    for module in criterion.modules():
        if isinstance(module, Schedule):
            module.progress = progress
    terms = criterion.terms(x, y)
    assert [name.replace('(reduction="none")', "").replace(', reduction="none")', ")") for name in terms] == names
    assert close(sum(terms.values(), torch.zeros((), dtype=torch.float64)), criterion(x, y))


def test_terms_carry_gradients() -> None:
    x, y = pair()
    criterion = loss("0.5*mix + tv")
    composed, parts = x.clone().requires_grad_(), x.clone().requires_grad_()
    criterion(composed, y).backward()
    torch.stack(list(criterion.terms(parts, y).values())).sum().backward()
    assert composed.grad is not None
    assert parts.grad is not None
    assert close(parts.grad, composed.grad)


@pytest.mark.parametrize("expression", ["{}", "2*{}", "{} + 0.5*({} + 2*{})", "{} until 50% then l2", "mix + {}"])
def test_terms_cost_one_forward_pass(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def counting(*arguments: object) -> Tensor:
            calls.append(name)
            return function(*arguments)

        return counting

    monkeypatch.setattr(L1Loss, "per_image", counted("l1", L1Loss.per_image))
    monkeypatch.setattr(structural, "per_plane", counted("mix", structural.per_plane))
    criterion, (x, y) = loss(expression.replace("{}", "l1")), pair()
    value = criterion(x, y)
    of_a_forward_pass = calls.copy()
    calls.clear()
    terms = criterion.terms(x, y)
    assert close(torch.as_tensor(sum(terms.values())), value)
    assert calls == of_a_forward_pass != []


@pytest.mark.parametrize("factor", ["2", None, True, torch.tensor(2.0), L1Loss()])
def test_a_loss_is_multiplied_by_numbers_only(factor: object) -> None:
    with pytest.raises(LossmithError, match=r"^a loss can be multiplied by a number, not by "):
        L1Loss() * factor  # type: ignore[operator]


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_is_finite(weight: float) -> None:
    with pytest.raises(LossmithError, match=r"^a loss's weight must be a finite number, not "):
        weight * L1Loss()


@pytest.mark.parametrize("other", [1, "l1", None, 0.5])
def test_only_losses_are_added(other: object) -> None:
    with pytest.raises(LossmithError, match=r"^a loss is a function of \(prediction, target\), not "):
        L1Loss() + other


def test_a_sum_shares_one_reduction() -> None:
    with pytest.raises(LossmithError, match=r"^losses that are added must share one reduction$"):
        L1Loss() + MSELoss("none")
    with pytest.raises(LossmithError, match=r"^reduction must be 'mean', 'sum' or 'none', not 'total'$"):
        loss("l1", reduction="total")


# --- schedules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "current"),
    [
        (0, "l1"),
        (0.2499, "l1"),
        (0.25, "l2 + tv"),
        (0.5, "l2 + tv"),
        (0.75, "2*ssim"),
        (0.9, "2*ssim"),
        (1, "2*ssim"),
    ],
)
def test_a_schedule_switches_where_it_says(progress: float, current: str) -> None:
    x, y = pair()
    schedule = loss("l1 until 25% then l2 + tv until 75% then 2*ssim")
    assert isinstance(schedule, Schedule)
    schedule.progress = progress
    assert str(schedule.current) == current
    assert torch.equal(schedule(x, y), loss(current)(x, y))
    assert list(schedule.terms(x, y)) == list(loss(current).terms(x, y))


def test_a_schedule_starts_with_its_first_loss() -> None:
    x, y = pair()
    assert torch.equal(loss("l1 until 1% then l2")(x, y), L1Loss()(x, y))


def test_a_schedule_can_be_a_term() -> None:
    x, y = pair()
    composed = loss("0.1*tv + 2*(l1 until 50% then l2)")
    (schedule,) = (module for module in composed.modules() if isinstance(module, Schedule))
    assert close(composed(x, y), 0.1 * TVLoss()(x, y) + 2 * L1Loss()(x, y))
    schedule.progress = 0.5
    assert close(composed(x, y), 0.1 * TVLoss()(x, y) + 2 * MSELoss()(x, y))


@pytest.mark.parametrize("ends", [[0.0], [1.0], [-0.1], [1.5], [], [0.2, 0.6]])
def test_a_schedule_rises_between_its_losses(ends: list[float]) -> None:
    with pytest.raises(LossmithError, match=r"^a schedule needs one rising fraction between 0 and 1 "):
        Schedule([L1Loss(), MSELoss()], ends)
    with pytest.raises(LossmithError, match=r"^a schedule needs one rising fraction between 0 and 1 "):
        Schedule([L1Loss(), MSELoss(), TVLoss()], [0.6, 0.5])


# --- written down ----------------------------------------------------------------------------------------------

CALLS = [
    "l1",
    "l2",
    "charbonnier",
    "charbonnier(epsilon=0.01)",
    "tv",
    "tv(exponent=1.5)",
    "ssim",
    "ssim(window=7)",
    "ssim(window=7, sigma=1.25)",
    "ms_ssim(levels=2)",
    "ms_ssim(levels=1, window=5, sigma=1)",
    "ms_ssim_sigmas(form=center)",
    "mix(alpha=0.025, form=center)",
    "mix(form=center)",
    "torch.nn:L1Loss",
    "torch.nn:SmoothL1Loss(beta=0.5)",
    "torch.nn.functional:huber_loss(delta=0.1)",
]

# Small enough in number of digits and size that sums of them stay comparable in float64
weights = st.floats(-100, 100).map(lambda weight: f"{weight:.3g}") | st.sampled_from(["1e-6", "0.1", ".5", "3."])


def products(of: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}*{}".format, weights, of),
        st.builds("{} * {}".format, of, weights),
        st.builds("{}*{}*{}".format, weights, of, weights),
    )


def expressions() -> st.SearchStrategy[str]:
    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        brackets = inner.map("({})".format)
        part = st.sampled_from(CALLS) | brackets | products(brackets) | products(st.sampled_from(CALLS))
        sums = st.lists(part, min_size=1, max_size=3).map(" + ".join)
        turns = st.integers(1, 9999).map(lambda n: f"{n / 100:g}")
        return sums | st.builds("{} until {}% then {}".format, sums, turns, sums)

    return st.recursive(st.sampled_from(CALLS), larger, max_leaves=6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(expression=expressions(), progress=st.floats(0, 1))
def test_loss_expressions_round_trip(expression: str, progress: float) -> None:
    x, y = pair(1)
    original = loss(expression)
    again = loss(str(original))
    assert str(again) == str(original)
    assert again.min_side == original.min_side
    for criterion in (original, again):
        for module in criterion.modules():
            if isinstance(module, Schedule):
                module.progress = progress
    value = original(x, y)
    # Weights that are multiplied beforehand round differently; cancelling terms leave that behind.
    size = sum(term.abs().item() for term in original.terms(x, y).values())
    torch.testing.assert_close(again(x, y), value, rtol=0, atol=1e-12 * size)
    total = sum(original.terms(x, y).values(), torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(total, value, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize(
    ("built", "written"),
    [
        (2 * (3 * L1Loss()), "6*l1"),
        (2 * (L1Loss() + (MSELoss() + TVLoss())), "2*(l1 + l2 + tv)"),
        (2 * Schedule([L1Loss(), MSELoss()], [0.5]), "2*(l1 until 50% then l2)"),
        (Schedule([L1Loss(), MSELoss()], [0.5]) + TVLoss(), "(l1 until 50% then l2) + tv"),
        (Schedule([L1Loss() + TVLoss(), MSELoss()], [0.07]), "l1 + tv until 7% then l2"),
        (
            Schedule([Schedule([L1Loss(), MSELoss()], [0.5]), TVLoss()], [0.125]),
            "(l1 until 50% then l2) until 12.5% then tv",
        ),
        (
            Schedule([TVLoss(), Schedule([L1Loss(), MSELoss()], [0.5])], [0.29]),
            "tv until 29% then (l1 until 50% then l2)",
        ),
        (1e-7 * L1Loss() + -1 * MSELoss(), "1e-07*l1 + -1*l2"),
        (0.1 * 0.2 * L1Loss(), "0.020000000000000004*l1"),
        (SSIMLoss(window=7, sigma=2.0), "ssim(window=7, sigma=2)"),
        (MixLoss(), "mix"),
        (L1Loss("none"), 'l1(reduction="none")'),
        (2 * L1Loss("none") + TVLoss(2, "none"), '2*l1(reduction="none") + tv(exponent=2, reduction="none")'),
    ],
)
def test_losses_built_in_python_round_trip(built: Loss, written: str) -> None:
    assert str(built) == written
    again = loss(written)
    assert str(again) == written
    x, y = pair()
    assert close(again(x, y), built(x, y))


@pytest.mark.parametrize("percent", [0.1, 1, 7, 14, 28, 29, 33.3, 55, 56, 57, 58, 99.99])
def test_percentages_round_trip(percent: float) -> None:
    assert str(loss(f"l1 until {percent:g}% then l2")) == f"l1 until {percent:g}% then l2"


@pytest.mark.parametrize(
    "candidate",
    ["l1", L1Loss(), nn.L1Loss(), nn.functional.l1_loss, lambda a, b: (a - b).abs().mean()],
    ids=["expression", "loss", "module", "function", "lambda"],
)
def test_as_loss_takes_expressions_losses_modules_and_functions(candidate: LossLike) -> None:
    x, y = pair()
    criterion = as_loss(candidate)
    assert isinstance(criterion, Loss)
    assert close(criterion(x, y), L1Loss()(x, y))
    assert isinstance(2 * criterion + MSELoss(), SumLoss)


def test_as_loss_leaves_a_loss_as_it_is() -> None:
    assert as_loss(criterion := L1Loss()) is criterion


def test_as_loss_refuses_what_cannot_be_called() -> None:
    with pytest.raises(LossmithError, match=r"^a loss is a function of \(prediction, target\), not int$"):
        as_loss(3)  # type: ignore[arg-type]


# --- repr ------------------------------------------------------------------------------------------------------


def test_repr_shows_every_option() -> None:
    assert repr(loss("ssim(sigma=2, padding=same)")) == (
        "SSIMLoss(window=11, sigma=2, padding='same', k1=0.01, k2=0.03, data_range=1.0, reduction='mean')"
    )
    assert repr(MixLoss(sigmas=[1, 2], reduction="sum")) == (
        "MixLoss(alpha=0.84, form='dense', window=33, sigmas=(1.0, 2.0), k1=0.01, k2=0.03, data_range=1.0, "
        "reduction='sum')"
    )
    assert repr(adversarial("ragan")) == "RaGANLoss()"
    assert "ends=[0.25, 0.5]" in repr(loss("l1 until 25% then tv until 50% then l2"))


def test_repr_nests_as_modules_do() -> None:
    assert (
        repr(loss("l1 + 0.5*tv"))
        == """SumLoss(
  (losses): ModuleList(
    (0): L1Loss(reduction='mean')
    (1): WeightedLoss(
      weight=0.5
      (loss): TVLoss(exponent=1.0, reduction='mean')
    )
  )
)"""
    )
    assert repr(as_loss(nn.L1Loss())).splitlines()[1:3] == [
        "  expression='object of torch.nn.modules.loss:L1Loss'",
        "  (function): L1Loss()",
    ]


# --- labels and other people's loops ---------------------------------------------------------------------------


def test_terms_are_named_by_the_stems_of_loss_files(tmp_path: Path) -> None:
    shipped = find_loss("jpeg").read_bytes()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.safetensors").write_bytes(shipped)
    one, other = (f"mdf({tmp_path / folder / 'mine.safetensors'}, scales=1)" for folder in ("a", "b"))
    criterion = loss(f"{one} + 2*{other} + l1")
    assert loss(one).label == "mdf(mine, scales=1)"
    x, y = torch.rand(2, 1, 3, 48, 48)
    terms = criterion.terms(x, y)
    assert list(terms) == ["mdf(mine, scales=1) scale 0", "2*mdf(mine, scales=1) scale 0", "l1"]
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), criterion(x, y))
    both = loss(f"{one} + {other}").terms(x, y)
    assert list(both) == ["mdf(mine, scales=1) scale 0", "mdf(mine, scales=1) scale 0'"]
    assert str(loss(str(criterion))) == str(criterion)


@pytest.mark.parametrize("inside", ["l1 until 50% then l2", "0.5*(l1 until 50% then l2) + tv"])
def test_a_schedule_without_progress_warns_once(inside: str) -> None:
    criterion = loss(inside)
    x, y = torch.rand(2, 1, 1, 8, 8)
    x.requires_grad_()

    def train() -> None:
        for _ in range(1000):
            criterion(x, y)

    with pytest.warns(UserWarning, match=r"still at its beginning after 300 steps.*set loss\.progress") as warned:
        train()
    assert len(warned) == 1


def test_a_schedule_with_progress_does_not_warn() -> None:
    criterion = loss("l1 until 50% then l2")
    x, y = torch.rand(2, 1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(1000):
            criterion.progress = step / 1000
            criterion(x.requires_grad_(), y)
        scored = loss("l1 until 50% then l2")
        for _ in range(400):  # scoring is no step
            scored(x.detach(), y)
