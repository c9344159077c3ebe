"""Sums, terms, labels and repr of losses, and what becomes one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
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

from .samples import close, pair

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
    fixed_loss = criterion.with_target(target)
    target.zero_()  # the target was copied
    value = fixed_loss(prediction)
    actual = value, *torch.autograd.grad(value.sum(), prediction)
    assert all(map(torch.equal, actual, expected))
    assert not [name for name in fixed_loss.state_dict() if name.endswith("target")]
    with pytest.raises(LossmithError, match="differ in shape"):
        fixed_loss(prediction[..., :-1])


def test_python_operators_build_the_same_loss() -> None:
    x, y = pair()
    composition = 0.84 * SSIMLoss() + L1Loss() * 0.16 + 2 * (TVLoss() + 3 * MSELoss())
    assert str(composition) == "0.84*ssim + 0.16*l1 + 2*(tv + 3*l2)"
    assert close(composition(x, y), loss(str(composition))(x, y))
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
    sum_leaf, terms_leaf = x.clone().requires_grad_(), x.clone().requires_grad_()
    criterion(sum_leaf, y).backward()
    torch.stack(list(criterion.terms(terms_leaf, y).values())).sum().backward()
    assert sum_leaf.grad is not None
    assert terms_leaf.grad is not None
    assert close(terms_leaf.grad, sum_leaf.grad)


@pytest.mark.parametrize("expression", ["{}", "2*{}", "{} + 0.5*({} + 2*{})", "{} until 50% then l2", "mix + {}"])
def test_terms_cost_one_forward_pass(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def count_calls(name: str, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def counting(*arguments: object) -> Tensor:
            calls.append(name)
            return function(*arguments)

        return counting

    monkeypatch.setattr(L1Loss, "per_image", count_calls("l1", L1Loss.per_image))
    monkeypatch.setattr(structural, "per_plane", count_calls("mix", structural.per_plane))
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
    content = find_loss("jpeg").read_bytes()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.safetensors").write_bytes(content)
    one, other = (f"mdf({tmp_path / folder / 'mine.safetensors'}, scales=1)" for folder in ("a", "b"))
    criterion = loss(f"{one} + 2*{other} + l1")
    assert loss(one).label == "mdf(mine, scales=1)"
    x, y = torch.rand(2, 1, 3, 48, 48)
    terms = criterion.terms(x, y)
    assert list(terms) == ["mdf(mine, scales=1) scale 0", "2*mdf(mine, scales=1) scale 0", "l1"]
    torch.testing.assert_close(torch.stack(list(terms.values())).sum(), criterion(x, y))
    terms_of_both = loss(f"{one} + {other}").terms(x, y)
    assert list(terms_of_both) == ["mdf(mine, scales=1) scale 0", "mdf(mine, scales=1) scale 0'"]
    assert str(loss(str(criterion))) == str(criterion)
