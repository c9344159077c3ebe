"""Each function of losses.functional is its class, and an independent implementation, in value and gradient."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import kornia.losses
import pytest
import pytorch_msssim
import torch
import torch.nn.functional
from torch import Tensor

import lossmith.losses.functional as F
from lossmith import LossmithError
from lossmith.losses import (
    CharbonnierLoss,
    L1Loss,
    Loss,
    MixLoss,
    MSELoss,
    MSSSIMLoss,
    MSSSIMSigmasLoss,
    SSIMLoss,
    TextureLoss,
    TVLoss,
)
from lossmith.losses.adversarial import ADVERSARIAL, adversarial

LossFunction = Callable[..., Tensor]

OPTIONS: list[tuple[LossFunction, type[Loss], dict[str, Any]]] = [
    (F.l1_loss, L1Loss, {}),
    (F.mse_loss, MSELoss, {}),
    (F.charbonnier_loss, CharbonnierLoss, {"epsilon": 0.1}),
    (F.tv_loss, TVLoss, {"exponent": 2}),
    (F.ssim_loss, SSIMLoss, {"sigma": 2.0, "padding": "same"}),
    (F.ms_ssim_loss, MSSSIMLoss, {"levels": 2, "weights": [0.4, 0.6]}),
    (F.ms_ssim_sigmas_loss, MSSSIMSigmasLoss, {"window": 9}),
    (F.mix_loss, MixLoss, {"alpha": 0.5, "form": "center"}),
    (F.texture_loss, TextureLoss, {"levels": 2, "period": 2}),
]
SIMILARITIES = [(F.ssim, F.ssim_loss, {}), (F.ms_ssim, F.ms_ssim_loss, {"levels": 2})]


def pair(side: int = 33) -> tuple[Tensor, Tensor]:
    """Smooth targets and noisy predictions, in float64."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(2, 3, 5, 5, generator=generator, dtype=torch.float64)
    target = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    noise = torch.randn(target.shape, generator=generator, dtype=torch.float64)
    return (0.9 * target + 0.03 + 0.05 * noise).clamp(0, 1), target


def value_and_gradient(function: LossFunction, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.clone().requires_grad_()
    value = function(leaf, target)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("function", "loss", "options"), OPTIONS, ids=[cls.__name__ for _, cls, _ in OPTIONS])
def test_a_function_is_its_class_with_the_same_options(
    function: LossFunction, loss: type[Loss], options: dict[str, Any], reduction: str
) -> None:
    criterion = loss(**options, reduction=reduction)
    expected = value_and_gradient(criterion, *pair())
    actual = value_and_gradient(lambda x, y: function(x, y, **options, reduction=reduction), *pair())
    assert all(map(torch.equal, actual, expected))


@pytest.mark.parametrize(("function", "loss", "options"), OPTIONS, ids=[cls.__name__ for _, cls, _ in OPTIONS])
def test_a_function_has_the_options_defaults_and_docstring_of_its_class(
    function: LossFunction, loss: type[Loss], options: dict[str, Any]
) -> None:
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:2] == ["prediction", "target"]
    defaults = {name: parameter.default for name, parameter in list(parameters.items())[2:]}
    assert defaults == {name: parameter.default for name, parameter in inspect.signature(loss).parameters.items()}
    assert inspect.cleandoc(loss.__doc__ or "") in (function.__doc__ or "")
    assert torch.equal(function(*pair(161)), loss()(*pair(161)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("similarity", "loss", "options"), SIMILARITIES, ids=["ssim", "ms_ssim"])
def test_a_similarity_is_1_minus_the_loss_of_each_image(
    similarity: LossFunction, loss: LossFunction, options: dict[str, Any], reduction: str
) -> None:
    value, gradient = value_and_gradient(lambda x, y: similarity(x, y, **options, reduction=reduction), *pair())
    per_image = 1 - loss(*pair(), **options, reduction="none")
    expected = {"mean": per_image.mean(), "sum": per_image.sum(), "none": per_image}[reduction]
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-14)
    _, of_loss = value_and_gradient(lambda x, y: loss(x, y, **options, reduction=reduction), *pair())
    assert torch.equal(gradient, -of_loss)
    _, target = pair()
    assert similarity(target, target, **options).item() == 1


def charbonnier(x: Tensor, y: Tensor) -> Tensor:
    """kornia's, whose epsilon is 1."""
    return kornia.losses.charbonnier_loss(x, y, reduction="mean")


def total_variation(x: Tensor, _: Tensor) -> Tensor:
    return kornia.losses.total_variation(x, reduction="mean").mean()


def ssim_package(x: Tensor, y: Tensor) -> Tensor:
    return pytorch_msssim.ssim(x, y, data_range=1, win_size=11, win_sigma=1.5)


def ms_ssim_package(x: Tensor, y: Tensor) -> Tensor:
    return pytorch_msssim.ms_ssim(x, y, data_range=1, win_size=11, win_sigma=1.5)


def ms_ssim_sigmas_at_the_center(x: Tensor, y: Tensor) -> Tensor:
    """Equations 8 to 11 of Zhao et al. at the middle pixel, with covariances about the means."""
    similarity = torch.ones(x.shape[:2], dtype=x.dtype)
    for sigma in (0.5, 1, 2, 4, 8):
        w = gaussian(x, sigma)
        mean_x, mean_y = (w * x).sum((2, 3), keepdim=True), (w * y).sum((2, 3), keepdim=True)
        dx, dy = x - mean_x, y - mean_y
        covariance, variances = ((w * z).sum((2, 3)) for z in (dx * dy, dx.square() + dy.square()))
        similarity = similarity * (2 * covariance + 0.03**2) / (variances + 0.03**2)
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x.square() + mean_y.square() + 0.01**2)
    return 1 - (similarity * luminance[..., 0, 0]).mean()


def mix_at_the_center(x: Tensor, y: Tensor) -> Tensor:
    """Equation 12 of Zhao et al."""
    l1 = (gaussian(x, 8) * (x - y).abs()).sum((2, 3)).mean()
    return 0.84 * ms_ssim_sigmas_at_the_center(x, y) + 0.16 * l1


def gaussian(image: Tensor, sigma: float) -> Tensor:
    """(H, W) weights around the middle that sum to 1."""
    rows, columns = (torch.arange(side, dtype=image.dtype) - side // 2 for side in image.shape[-2:])
    weights = torch.exp(-(rows[:, None] ** 2 + columns**2) / (2 * sigma**2))
    return weights / weights.sum()


REFERENCES: dict[str, tuple[LossFunction, LossFunction, int, float]] = {
    "l1_loss": (F.l1_loss, torch.nn.functional.l1_loss, 33, 1e-13),
    "mse_loss": (F.mse_loss, torch.nn.functional.mse_loss, 33, 1e-13),
    "charbonnier_loss": (lambda x, y: F.charbonnier_loss(x, y, epsilon=1.0), charbonnier, 33, 1e-13),
    "tv_loss": (F.tv_loss, total_variation, 33, 1e-13),
    # pytorch-msssim's windows are float32
    "ssim": (F.ssim, ssim_package, 33, 1e-5),
    "ms_ssim": (F.ms_ssim, ms_ssim_package, 176, 1e-5),
    "ms_ssim_sigmas_loss": (
        lambda x, y: F.ms_ssim_sigmas_loss(x, y, form="center"), ms_ssim_sigmas_at_the_center, 33, 1e-12,
    ),
    "mix_loss": (lambda x, y: F.mix_loss(x, y, form="center"), mix_at_the_center, 33, 1e-12),
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
def test_value_and_gradient_are_those_of_an_independent_implementation(name: str) -> None:
    function, reference, side, tolerance = REFERENCES[name]
    actual, expected = value_and_gradient(function, *pair(side)), value_and_gradient(reference, *pair(side))
    torch.testing.assert_close(actual[0], expected[0], rtol=0, atol=tolerance)
    scale = expected[1].abs().max().item()
    torch.testing.assert_close(actual[1], expected[1], rtol=0, atol=10 * tolerance * scale)


def test_ssim_is_1_for_identical_images_and_ssim_loss_0() -> None:
    image, _ = pair()
    assert F.ssim(image, image) == 1
    assert F.ssim_loss(image, image) == 0


def test_ms_ssim_has_a_gradient_where_images_are_anti_correlated() -> None:
    stripes = torch.arange(32).remainder(2).double().expand(1, 3, 32, 32)
    value, gradient = value_and_gradient(lambda x, y: F.ms_ssim(x, y, levels=2), stripes, 1 - stripes)
    assert value < 0
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_adversarial_functions_are_the_methods_of_the_class(kind: str) -> None:
    real, fake = torch.randn(2, 4, 1, 3, 3, dtype=torch.float64)
    assert F.discriminator_loss(real, fake, kind=kind) == adversarial(kind).discriminator_loss(real, fake)
    assert F.generator_loss(real, fake, kind=kind) == adversarial(kind).generator_loss(real, fake)


def test_gan_losses_of_undecided_logits_are_logarithms_of_2() -> None:
    zeros = torch.zeros(4, 1)
    assert F.discriminator_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert F.generator_loss(zeros, zeros).item() == pytest.approx(math.log(2))


def test_functions_refuse_what_their_classes_refuse() -> None:
    x, y = pair()
    with pytest.raises(LossmithError, match=r"^ssim: window must be an odd number of pixels, not 4$"):
        F.ssim(x, y, window=4)
    with pytest.raises(LossmithError, match=r"^ms_ssim needs at least 161 x 161 pixels, not 33 x 33$"):
        F.ms_ssim(x, y)
    with pytest.raises(TypeError, match="sigmas"):
        F.ssim_loss(x, y, sigmas=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        F.ssim_loss(x, y, 11)


def test_no_more_losses_are_kept_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "MAX_INSTANCES", 3)
    monkeypatch.setattr(F, "_INSTANCES", {})
    x, y = pair()
    for epsilon in torch.linspace(0.1, 1, 10).tolist():
        assert F.charbonnier_loss(x, y, epsilon=epsilon) == CharbonnierLoss(epsilon)(x, y)
    assert len(F._INSTANCES) <= 3


@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "ssim", "ssim_loss"])
def test_functions_compile_without_graph_breaks(name: str) -> None:
    function, (x, y) = getattr(F, name), (image.float() for image in pair())
    compiled = torch.compile(function, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, y), function(x, y))


def test_functions_compile_with_options_that_were_used_before() -> None:
    x, y = (image.float() for image in pair())

    def two_windows(x: Tensor, y: Tensor) -> Tensor:
        return F.ssim(x, y, sigma=1.25) + F.ssim_loss(x, y, window=7)

    expected = two_windows(x, y)
    torch.testing.assert_close(torch.compile(two_windows, backend="eager", fullgraph=True)(x, y), expected)


def test_every_function_is_listed() -> None:
    public = {
        name for name, value in vars(F).items() if inspect.isfunction(value) and value.__module__ == F.__name__
    }
    assert {name for name in public if not name.startswith("_")} == set(F.__all__)
