"""Which term of a loss pulls how much: shares and cosines of the terms' gradients."""

import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.losses import L1Loss, Loss, MSELoss, TVLoss, gradient_shares, loss, term_gradients


class Quadratic(Loss):
    """scale/2 times the sum of (x - center)^2, whose gradient is scale*(x - center)."""

    name = "quadratic"

    def __init__(self, scale: float, center: float, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.scale, self.center = scale, center

    def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.scale / 2 * (prediction - self.center * target).square().sum((1, 2, 3))


@pytest.fixture
def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 3, 2, 16, 16, dtype=torch.float64, generator=generator).unbind()
    return x, y


def test_shares_and_cosines_of_quadratics_are_those_of_the_closed_form(images: tuple[Tensor, Tensor]) -> None:
    x, y = images
    criterion = Quadratic(2, 1) + 0.25 * Quadratic(4, 0) + -3 * Quadratic(1, 2)
    gradients = [g / len(x) for g in (2 * (x - y), 0.25 * 4 * x, -3 * (x - 2 * y))]
    norms = [g.norm().item() for g in gradients]
    result = gradient_shares(criterion, x, y)
    assert list(result.norms.values()) == pytest.approx(norms, rel=1e-6)
    assert list(result.shares.values()) == pytest.approx([norm / sum(norms) for norm in norms], rel=1e-6)
    assert sum(result.shares.values()) == pytest.approx(1, abs=1e-12)
    names = list(result.shares)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        cosine = (gradients[i] * gradients[j]).sum().item() / (norms[i] * norms[j])
        assert result.cosines[names[i], names[j]] == pytest.approx(cosine, abs=1e-6)
    assert len(result.cosines) == 3


def test_of_single_precision_they_are_the_same_to_its_rounding(images: tuple[Tensor, Tensor]) -> None:
    x, y = images
    exact = gradient_shares("l1 + 3*l2 + ssim", x, y)
    rounded = gradient_shares("l1 + 3*l2 + ssim", x.float(), y.float())
    assert list(rounded.shares.values()) == pytest.approx(list(exact.shares.values()), abs=1e-5)
    assert list(rounded.cosines.values()) == pytest.approx(list(exact.cosines.values()), abs=1e-5)


def test_a_negative_weight_turns_the_gradient_and_keeps_the_share(images: tuple[Tensor, Tensor]) -> None:
    positive, negative = gradient_shares("l1 + 2*l2", *images), gradient_shares("l1 + -2*l2", *images)
    assert list(negative.shares.values()) == list(positive.shares.values())
    assert list(negative.cosines.values()) == pytest.approx([-c for c in positive.cosines.values()])


def test_equal_terms_are_one(images: tuple[Tensor, Tensor]) -> None:
    assert gradient_shares("l1 + l1", *images).shares == {"l1": 1.0}
    assert gradient_shares("l1 + l2 + l1", *images).norms["l1"] == pytest.approx(
        2 * gradient_shares("l1", *images).norms["l1"]
    )


def test_a_term_without_a_gradient_has_the_share_0_and_no_cosine() -> None:
    flat, target = torch.full((1, 3, 8, 8), 0.25), torch.rand(1, 3, 8, 8)
    result = gradient_shares("l1 + tv", flat, target)
    assert result.shares == {"l1": 1.0, "tv": 0.0}
    assert result.cosines == {}
    assert gradient_shares("l1 + tv", flat, flat).shares == {"l1": 0.0, "tv": 0.0}


def test_a_term_that_does_not_depend_on_the_prediction_has_the_share_0(images: tuple[Tensor, Tensor]) -> None:
    def constant(prediction: Tensor, target: Tensor) -> Tensor:
        return target.mean()

    assert list(gradient_shares(L1Loss() + constant, *images).shares.values()) == [1.0, 0.0]


def test_a_weighted_sum_within_a_sum_is_taken_term_by_term(images: tuple[Tensor, Tensor]) -> None:
    nested = gradient_shares("l1 + 0.1*(l2 + 2*tv)", *images)
    assert list(nested.shares) == ["l1", "0.1*l2", "0.1*2*tv"]
    plain = gradient_shares("l1 + 0.1*l2 + 0.2*tv", *images)
    assert list(nested.norms.values()) == pytest.approx(list(plain.norms.values()))


def test_of_a_schedule_the_loss_in_force_counts(images: tuple[Tensor, Tensor]) -> None:
    schedule = loss("l1 + tv until 50% then l2")
    assert list(gradient_shares(schedule, *images).shares) == ["l1", "tv"]
    schedule.progress = 0.5
    assert gradient_shares(schedule, *images).shares == {"l2": 1.0}


@pytest.mark.parametrize("single", [nn.MSELoss(), nn.functional.mse_loss, MSELoss(), "l2"])
def test_what_is_no_sum_has_one_term(single: object, images: tuple[Tensor, Tensor]) -> None:
    x, y = images
    result = gradient_shares(single, x, y)
    assert list(result.shares.values()) == [1.0]
    assert list(result.norms.values()) == pytest.approx([(2 * (x - y) / x.numel()).norm().item()])


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_values_of_single_images_are_added_up(reduction: str, images: tuple[Tensor, Tensor]) -> None:
    mean = gradient_shares("l1 + 0.5*l2", *images)
    other = gradient_shares(loss("l1 + 0.5*l2", reduction=reduction), *images)
    assert list(other.norms.values()) == pytest.approx([len(images[0]) * norm for norm in mean.norms.values()])
    assert list(other.shares.values()) == pytest.approx(list(mean.shares.values()))


def test_nothing_is_touched(images: tuple[Tensor, Tensor]) -> None:
    x, y = (image.float() for image in images)
    weight = nn.Parameter(torch.ones(()))
    prediction = weight * x
    learned = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))

    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = learned

        def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
            return (self.features(prediction) - self.features(target)).square().mean()

    criterion = L1Loss() + Learned()
    before, state = prediction.clone(), deepcopy(criterion.state_dict())
    gradient_shares(criterion, prediction, y)
    assert weight.grad is None
    assert all(parameter.grad is None for parameter in criterion.parameters())
    assert torch.equal(prediction, before)
    assert all(torch.equal(value, state[name]) for name, value in criterion.state_dict().items())
    criterion(prediction, y).backward()  # the graph of the prediction is still there
    assert weight.grad is not None


def test_gradients_off_makes_no_difference(images: tuple[Tensor, Tensor]) -> None:
    usual = gradient_shares("l1 + tv", *images)
    with torch.no_grad():
        assert gradient_shares("l1 + tv", *images) == usual
    with torch.inference_mode():
        assert gradient_shares("l1 + tv", images[0] + 0, images[1] + 0) == usual
        for measured in ("60%*l1 + 40%*tv", loss("60%*l1 + 40%*tv")):
            shares = gradient_shares(measured, images[0] + 0, images[1] + 0).shares
            assert list(shares.values()) == pytest.approx([0.6, 0.4], abs=1e-6)


def test_gradients_of_terms_leave_the_graph_for_the_backward_pass(images: tuple[Tensor, Tensor]) -> None:
    x, y = images
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    restored = weight * x
    terms = (L1Loss() + 0.1 * TVLoss()).terms(restored, y)
    gradients = term_gradients(terms, restored)
    assert weight.grad is None
    assert not any(gradient.requires_grad for gradient in gradients.values())
    sum(terms.values()).backward()
    assert weight.grad is not None
    total = sum((gradient * x).sum() for gradient in gradients.values())
    assert weight.grad.item() == pytest.approx(float(total))


def test_what_is_wrong_is_said_in_a_sentence(images: tuple[Tensor, Tensor]) -> None:
    x, y = images
    with pytest.raises(LossmithError, match="did you mean 'l1'"):
        gradient_shares("l11", x, y)
    with pytest.raises(LossmithError, match="differ in shape"):
        gradient_shares("l1", x, y[..., 1:])
    with pytest.raises(LossmithError, match="must be floating point"):
        gradient_shares("l1", (255 * x).byte(), (255 * y).byte())
    with pytest.raises(LossmithError, match="images must be tensors"):
        gradient_shares("l1", x.numpy(), y.numpy())  # type: ignore[arg-type]
    assert gradient_shares("l1", x, y.clone().requires_grad_()) == gradient_shares("l1", x, y)


def test_infinite_gradients_are_not_hidden() -> None:
    x = torch.zeros(1, 1, 4, 4)
    shares = gradient_shares(L1Loss() + (lambda p, t: p.sqrt().sum()), x, torch.ones_like(x)).shares
    assert any(math.isnan(share) for share in shares.values())
