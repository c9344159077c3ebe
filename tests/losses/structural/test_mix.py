"""ms_ssim_sigmas and mix against Zhao et al.'s equations written out in NumPy, and their closed-form gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import MixLoss, MSSSIMSigmasLoss, loss

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)
C1, C2 = 0.01**2, 0.03**2


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (0.8 * target + 0.1 + 0.05 * noise), target


def weights_around(row: int, column: int, shape: tuple[int, int], sigma: float, reach: int) -> np.ndarray:
    """Gaussian weights of an image's pixels around one of them, none beyond `reach`, summing to 1."""
    rows, columns = np.arange(shape[0])[:, None] - row, np.arange(shape[1]) - column
    weights = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    weights[(abs(rows) > reach) | (abs(columns) > reach)] = 0
    return weights / weights.sum()


def plain_l_and_cs(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    """Equations 8 and 9 for one channel under the weights `w`, with variances about their means."""
    mean_x, mean_y = (w * x).sum(), (w * y).sum()
    var_x, var_y = (w * (x - mean_x) ** 2).sum(), (w * (y - mean_y) ** 2).sum()
    covariance = (w * (x - mean_x) * (y - mean_y)).sum()
    l = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return l, (2 * covariance + C2) / (var_x + var_y + C2)


def plain_terms(x: np.ndarray, y: np.ndarray, row: int, column: int, reach: int) -> tuple[float, float]:
    """1 - MS-SSIM and the Gaussian L1 error of one channel at one pixel."""
    windows = [weights_around(row, column, x.shape, sigma, reach) for sigma in SIGMAS]
    pairs = [plain_l_and_cs(x, y, w) for w in windows]
    return 1 - pairs[-1][0] * np.prod([cs for _, cs in pairs]), (windows[-1] * abs(x - y)).sum()


def plain_mix(x: Tensor, y: Tensor, alpha: float, window: int, center: bool) -> float:
    height, width = x.shape[-2:]
    spots = [(height // 2, width // 2)] if center else list(np.ndindex(height, width))
    reach = max(height, width) if center else window // 2
    planes = list(zip(x.flatten(0, 1).numpy(), y.flatten(0, 1).numpy(), strict=True))
    terms = np.array([plain_terms(a, b, *spot, reach) for a, b in planes for spot in spots])
    return float(terms.mean(0) @ (alpha, 1 - alpha))


@pytest.mark.parametrize("alpha", [0.84, 0.025, 0.0, 1.0])
@pytest.mark.parametrize(("shape", "window"), [((2, 3, 11, 14), 33), ((1, 2, 9, 20), 7), ((1, 1, 1, 5), 33)])
def test_the_dense_form_equals_the_papers_equations_at_every_pixel(
    alpha: float, shape: tuple[int, ...], window: int
) -> None:
    x, y = pair(*shape)
    expected = plain_mix(x, y, alpha, window, center=False)
    assert MixLoss(alpha, window=window)(x, y).item() == pytest.approx(expected, abs=1e-12)
    if alpha == 1:
        assert MSSSIMSigmasLoss(window=window)(x, y).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.84, 0.025, 0.0, 1.0])
@pytest.mark.parametrize("shape", [(2, 3, 31, 31), (1, 2, 9, 21), (1, 1, 1, 1)])
def test_the_center_form_equals_the_papers_equations_at_the_center(alpha: float, shape: tuple[int, ...]) -> None:
    x, y = pair(*shape)
    expected = plain_mix(x, y, alpha, 33, center=True)
    assert MixLoss(alpha, form="center")(x, y).item() == pytest.approx(expected, abs=1e-12)
    if alpha == 1:
        assert MSSSIMSigmasLoss(form="center")(x, y).item() == pytest.approx(expected, abs=1e-12)


def closed_form_gradient(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """The paper's gradient of the mix at the middle of one channel, with respect to x."""
    middle = (x.shape[0] // 2, x.shape[1] // 2)
    windows = [weights_around(*middle, x.shape, sigma, max(x.shape)) for sigma in SIGMAS]
    sum_of_cs_terms, product = np.zeros_like(x), 1.0
    for w in windows:
        mean_x, mean_y = (w * x).sum(), (w * y).sum()
        var_x, var_y = (w * (x - mean_x) ** 2).sum(), (w * (y - mean_y) ** 2).sum()
        l, cs = plain_l_and_cs(x, y, w)
        d_cs = 2 * w * ((y - mean_y) - cs * (x - mean_x)) / (var_x + var_y + C2)
        sum_of_cs_terms, product = sum_of_cs_terms + d_cs / cs, product * cs
    d_l = 2 * windows[-1] * (mean_y - mean_x * l) / (mean_x**2 + mean_y**2 + C1)  # of the widest
    structure = -(d_l + l * sum_of_cs_terms) * product
    return alpha * structure + (1 - alpha) * windows[-1] * np.sign(x - y)


@pytest.mark.parametrize("alpha", [0.84, 0.025, 1.0])
def test_the_gradient_equals_the_papers_closed_form(alpha: float) -> None:
    x, y = pair(2, 3, 31, 31)
    x.requires_grad_()
    MixLoss(alpha, form="center")(x, y).backward()
    planes = zip(x.detach().flatten(0, 1).numpy(), y.flatten(0, 1).numpy(), strict=True)
    expected = np.array([closed_form_gradient(a, b, alpha) for a, b in planes]).reshape(x.shape) / 6
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=0, atol=1e-12 * abs(expected).max() + 1e-15)


@pytest.mark.parametrize("shape", [(2, 3, 31, 31), (1, 1, 15, 27)])
def test_the_dense_form_read_at_the_middle_is_the_center_form(shape: tuple[int, ...]) -> None:
    x, y = pair(*shape)
    dense_map = MSSSIMSigmasLoss(window=33).loss_map(x, y)
    center = MSSSIMSigmasLoss(form="center").loss_map(x, y)
    assert dense_map.shape == shape
    assert center.shape == (*shape[:2], 1, 1)
    middle = dense_map[:, :, shape[2] // 2, shape[3] // 2, None, None]
    torch.testing.assert_close(middle, center, rtol=0, atol=1e-12)


def test_a_window_smaller_than_the_patch_is_another_loss_at_its_middle() -> None:
    x, y = pair(1, 3, 31, 31)
    small = MSSSIMSigmasLoss(window=9).loss_map(x, y)[:, :, 15, 15, None, None]
    assert (small - MSSSIMSigmasLoss(form="center").loss_map(x, y)).abs().max() > 1e-3


def test_far_from_the_border_nothing_is_rescaled() -> None:
    """An image inside a larger one: 16 pixels from its border the similarity is the larger one's."""
    x, y = pair(1, 2, 60, 50)
    inner = MSSSIMSigmasLoss().loss_map(x[:, :, 5:55, 4:46], y[:, :, 5:55, 4:46])
    outer = MSSSIMSigmasLoss().loss_map(x, y)[:, :, 5:55, 4:46]
    torch.testing.assert_close(inner[:, :, 16:-16, 16:-16], outer[:, :, 16:-16, 16:-16], rtol=0, atol=1e-12)
    assert (inner - outer).abs().max() > 1e-4


def test_luminance_comes_from_the_widest_gaussian() -> None:
    """For flat images every cs is 1, so what is left is l of their values."""
    a, b = torch.full((1, 3, 9, 9), 0.2).double(), torch.full((1, 3, 9, 9), 0.7).double()
    l = (2 * 0.2 * 0.7 + C1) / (0.2**2 + 0.7**2 + C1)
    assert MSSSIMSigmasLoss()(a, b).item() == pytest.approx(1 - l, abs=1e-7)  # 0.2 and 0.7 are float32's
    assert loss("mix(alpha=0)")(a, b).item() == pytest.approx(0.5, abs=1e-7)


def test_mix_has_the_papers_alpha_and_pl4nn_the_published_codes() -> None:
    x, y = pair(1, 3, 15, 15)
    assert isinstance(mix := loss("mix"), MixLoss)
    assert isinstance(pl4nn := loss("mix_pl4nn"), MixLoss)
    assert (mix.alpha, pl4nn.alpha) == (0.84, 0.025)
    assert loss("mix_pl4nn")(x, y) == loss("mix(alpha=0.025)")(x, y) != loss("mix")(x, y)


@pytest.mark.parametrize("name", ["ms_ssim_sigmas", "mix"])
def test_the_former_spelling_of_the_center_form_is_understood(name: str) -> None:
    assert str(loss(f"{name}(form=centre)")) == f"{name}(form=center)"


@pytest.mark.parametrize("form", ["dense", "center"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_terms_of_the_mix_carry_their_weights(form: str, reduction: str) -> None:
    x, y = pair(3, 3, 15, 15)
    criterion = MixLoss(form=form, reduction=reduction)
    terms = criterion.terms(x, y)
    assert list(terms) == ["0.84*ms_ssim_sigmas", "0.16*gaussian_l1"]
    torch.testing.assert_close(sum(terms.values()), criterion(x, y), rtol=0, atol=1e-14)
    torch.testing.assert_close(
        terms["0.84*ms_ssim_sigmas"], 0.84 * MSSSIMSigmasLoss(form=form, reduction=reduction)(x, y)
    )


@pytest.mark.parametrize("sides", [(30, 31), (31, 30), (30, 30)])
@pytest.mark.parametrize("name", ["ms_ssim_sigmas", "mix"])
def test_the_center_form_needs_a_center(name: str, sides: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *sides)
    message = rf"^{name}\(form=center\): the patch needs odd sides to have a center, not {sides[0]} x {sides[1]}$"
    with pytest.raises(LossmithError, match=message):
        loss(f"{name}(form=center)")(x, x)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ms_ssim_sigmas(form=middle)", "ms_ssim_sigmas: form must be 'dense' or 'center', not 'middle'"),
        ("mix(form=middle)", "mix: form must be 'dense' or 'center', not 'middle'"),
        ("mix(window=32)", "mix: window must be an odd number of pixels, not 32"),
        ("ms_ssim_sigmas(window=0)", "ms_ssim_sigmas: window must be an odd number of pixels, not 0"),
        ("mix(alpha=1.01)", "mix: alpha must be 0 to 1, not 1.01"),
        ("mix(alpha=-0.5)", "mix: alpha must be 0 to 1, not -0.5"),
    ],
)
def test_zhao_parameters_out_of_range_are_refused(expression: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        loss(expression)
    assert str(error.value) == message
