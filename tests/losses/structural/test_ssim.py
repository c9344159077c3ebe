"""ssim and ms_ssim against scikit-image, pytorch-msssim and plain NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import pytorch_msssim
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import MSSSIMLoss, SSIMLoss
from lossmith.losses.structural.formulas import Constants, dissimilarity

Similarity = Callable[[Tensor, Tensor], float]


def images(side: int, batch: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Smooth targets with some texture, and noisy, faded predictions of them."""
    generator = torch.Generator().manual_seed(side)
    coarse = torch.rand(batch, 3, 6, 6, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    noise = torch.randn(2, *smooth.shape, generator=generator, dtype=torch.float64)
    target = (smooth + 0.02 * noise[0]).clamp(0, 1)
    return (0.9 * target + 0.03 + 0.05 * noise[1]).clamp(0, 1).to(dtype), target.to(dtype)


# --- ssim ------------------------------------------------------------------------------------------------------


def skimage_map(x: np.ndarray, y: np.ndarray, sigma: float) -> np.ndarray:
    """scikit-image's SSIM map of one channel, where its window lies inside the image."""
    _, full = structural_similarity(
        x, y, data_range=1.0, gaussian_weights=True, sigma=sigma, use_sample_covariance=False, full=True
    )
    edge = int(3.5 * sigma + 0.5)
    return full[edge:-edge, edge:-edge]


# scikit-image's window follows from sigma: 2 int(3.5 sigma + 0.5) + 1 pixels
WINDOWS = {1.0: 9, 1.5: 11, 2.0: 15}


@pytest.mark.parametrize(("sigma", "window"), WINDOWS.items())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ssim_equals_scikit_image(sigma: float, window: int, dtype: torch.dtype) -> None:
    x, y = images(64, dtype=dtype)
    # In float32 the weights' sum is off by up to 1e-7, and variances by that much of the squared mean: against
    # a C2 of 9e-4, some 1e-6, depending on the window. For the usual one it is less.
    tolerance = 1e-12 if dtype == torch.float64 else 3e-7 if window == 11 else 3e-6
    planes = zip(x.double().flatten(0, 1).numpy(), y.double().flatten(0, 1).numpy(), strict=True)
    expected = np.mean([skimage_map(a, b, sigma) for a, b in planes])
    assert SSIMLoss(window, sigma)(x, y).item() == pytest.approx(1 - expected, abs=tolerance)


def test_the_ssim_map_equals_scikit_image() -> None:
    x, y = images(40)
    planes = zip(x.flatten(0, 1).numpy(), y.flatten(0, 1).numpy(), strict=True)
    expected = np.array([skimage_map(a, b, 1.5) for a, b in planes])
    actual = SSIMLoss().loss_map(x, y)
    assert actual.shape == (2, 3, 30, 30)
    np.testing.assert_allclose(actual.flatten(0, 1).numpy(), 1 - expected, rtol=0, atol=1e-12)


def test_ssim_equals_pytorch_msssim() -> None:
    x, y = images(64)
    expected = 1 - pytorch_msssim.ssim(x, y, data_range=1, win_size=11, win_sigma=1.5).item()
    assert SSIMLoss()(x, y).item() == pytest.approx(expected, abs=5e-6)  # its window is float32, made and summed


def test_ssim_of_opposite_images_is_near_two() -> None:
    stripes = torch.arange(32).remainder(2).double().expand(1, 3, 32, 32)
    assert 1.99 < SSIMLoss()(stripes, 1 - stripes).item() <= 2


def test_ssim_of_flat_images_is_their_luminance() -> None:
    a, b, c1 = 0.2, 0.6, 0.01**2
    expected = 1 - (2 * a * b + c1) / (a**2 + b**2 + c1)
    actual = SSIMLoss()(torch.full((1, 3, 16, 16), a).double(), torch.full((1, 3, 16, 16), b).double())
    assert actual.item() == pytest.approx(expected, abs=1e-7)  # 0.2 and 0.6 are float32's


def test_flat_areas_keep_their_gradient_in_float32() -> None:
    """There a variance is smaller than the rounding of the squares it is made of, and cs 1 give or take that."""
    target = torch.ones(1, 1, 40, 40)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    prediction = (target + 2e-5 * noise).requires_grad_()
    double_prediction = prediction.detach().double().requires_grad_()
    (float_gradient,) = torch.autograd.grad(SSIMLoss()(prediction, target), prediction)
    (double_gradient,) = torch.autograd.grad(SSIMLoss()(double_prediction, target.double()), double_prediction)
    likeness = torch.cosine_similarity(float_gradient.double().flatten(), double_gradient.flatten(), dim=0)
    assert likeness > 0.99


@pytest.mark.parametrize("of_sum", [-0.4 * 0.03**2, -0.5 * 0.03**2, -(0.03**2), -1.0])
@pytest.mark.parametrize("of_difference", [-1.0, -1e-6, 0.0, 1e-6, 1.0])
def test_variances_that_rounding_made_negative_reward_nothing(of_sum: float, of_difference: float) -> None:
    means, center = torch.tensor([0, 0, of_sum, of_difference]).double(), torch.zeros(2).double()
    contrast = dissimilarity([means], center, Constants(), luminance=False).item()
    assert 0 <= contrast <= 2
    assert (contrast == 0) is (of_difference <= 0)


# --- ms_ssim ---------------------------------------------------------------------------------------------------

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def plain_ms_ssim(x: Tensor, y: Tensor, levels: int = 5) -> float:
    """Wang et al. 2003 for factors above 0, channel by channel in NumPy; odd sides repeat their last line."""
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    weights = np.array(WEIGHTS[:levels]) / (sum(WEIGHTS[:levels]) if levels < 5 else 1)

    def mean(plane: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(plane, window, 0), window, 1)[5:-5, 5:-5]

    def halve(plane: np.ndarray) -> np.ndarray:
        even = np.pad(plane, [(0, side % 2) for side in plane.shape], mode="edge")
        return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4

    def similarity(a: np.ndarray, b: np.ndarray) -> float:
        product = 1.0
        for level in range(levels):
            mean_a, mean_b = mean(a), mean(b)
            var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
            factor = (2 * (mean(a * b) - mean_a * mean_b) + 0.03**2) / (var_a + var_b + 0.03**2)
            if level == levels - 1:
                factor = factor * (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
            product *= factor.mean() ** weights[level]
            a, b = halve(a), halve(b)
        return product

    planes = zip(x.flatten(0, 1).numpy(), y.flatten(0, 1).numpy(), strict=True)
    return float(np.mean([similarity(a, b) for a, b in planes]))


def msssim_package(x: Tensor, y: Tensor) -> float:
    return float(pytorch_msssim.ms_ssim(x, y, data_range=1))


@pytest.mark.parametrize(
    ("reference", "side", "tolerance"),
    [
        (plain_ms_ssim, 176, 1e-12),
        (plain_ms_ssim, 161, 1e-12),  # the least; odd at every level
        (plain_ms_ssim, 187, 1e-12),
        (msssim_package, 176, 2e-6),  # even at every level: at odd sides it pads with zeros; float32 window
        (msssim_package, 192, 2e-6),
    ],
)
def test_ms_ssim_equals_its_references(reference: Similarity, side: int, tolerance: float) -> None:
    x, y = images(side)
    assert MSSSIMLoss()(x, y).item() == pytest.approx(1 - reference(x, y), abs=tolerance)
    assert MSSSIMLoss()(x.float(), y.float()).item() == pytest.approx(MSSSIMLoss()(x, y).item(), abs=3e-7)


@pytest.mark.parametrize(("levels", "side"), [(2, 21), (3, 41), (4, 81), (4, 90)])
def test_fewer_levels_rescale_the_weights(levels: int, side: int) -> None:
    x, y = images(side)
    assert MSSSIMLoss(levels)(x, y).item() == pytest.approx(1 - plain_ms_ssim(x, y, levels), abs=1e-12)


def test_one_level_is_ssim_whatever_its_sign() -> None:
    x, y = images(32)
    for prediction in (x, 1 - y):
        assert MSSSIMLoss(levels=1)(prediction, y).item() == pytest.approx(
            SSIMLoss()(prediction, y).item(), abs=1e-12
        )


@pytest.mark.parametrize("sides", [(levels, 10 * 2 ** (levels - 1) + 1) for levels in range(1, 6)])
def test_the_min_side_is_the_smallest_that_works(sides: tuple[int, int]) -> None:
    levels, side = sides
    criterion = MSSSIMLoss(levels)
    assert criterion.min_side == side
    x = torch.rand(1, 1, side, side)
    assert criterion(x, x).item() == 0
    with pytest.raises(LossmithError, match=rf"needs at least {side} x {side} pixels, not {side - 1} x {side}"):
        criterion(x[:, :, 1:], x[:, :, 1:])


def opposite(side: int = 44) -> tuple[Tensor, Tensor]:
    """A prediction whose contrast is the target's turned around at every scale."""
    _, y = images(side)
    return (1 - y).requires_grad_(), y


def test_negative_contrast_has_a_gradient_that_leads_out() -> None:
    x, y = opposite()
    criterion = MSSSIMLoss(levels=3)
    value = criterion(x, y)
    (gradient,) = torch.autograd.grad(value, x)
    assert 1 < value.item() <= 2
    assert gradient.norm() > 0
    step = 1e-3 / gradient.norm()
    change = criterion(x - step * gradient, y) - value
    assert change.item() == pytest.approx(-1e-3 * gradient.norm().item(), rel=0.05)  # as steep as it says


def test_the_loss_is_continuous_where_contrast_changes_its_sign() -> None:
    _, y = images(44, batch=1)
    texture = y - y.mean((-2, -1), keepdim=True)
    blend = torch.linspace(-1, 1, 201, dtype=torch.float64)
    values = torch.stack([MSSSIMLoss(levels=2)(0.5 + t * texture, y) for t in blend])
    assert values[0] > 1 > values[-1]
    # Between, factor^0.14 is steep but continuous: it falls everywhere, in no step by more than 0.6.
    assert values.diff().max() < 0.01
    assert values.diff().min() > -0.6


@pytest.mark.parametrize("levels", [0, 6, -1])
def test_invalid_levels_are_refused(levels: int) -> None:
    with pytest.raises(LossmithError, match=f"^ms_ssim: levels must be 1 to 5, not {levels}$"):
        MSSSIMLoss(levels)


@pytest.mark.parametrize("kind", [SSIMLoss, MSSSIMLoss])
def test_windows_must_be_odd_and_positive(kind: type[SSIMLoss]) -> None:
    with pytest.raises(LossmithError, match=rf"^{kind.name}: window must be an odd number of pixels, not 10$"):
        kind(window=10)
    with pytest.raises(LossmithError, match=rf"^{kind.name}: window must be an odd number of pixels, not -1$"):
        kind(window=-1)
    with pytest.raises(LossmithError, match=rf"^{kind.name}: sigma must be above 0, not 0$"):
        kind(sigma=0)
    with pytest.raises(LossmithError, match=rf"^{kind.name}: sigma must be above 0, not nan$"):
        kind(sigma=float("nan"))


def test_a_subclass_of_ssim_is_reduced_after_its_own_per_image() -> None:
    class SquaredSSIM(SSIMLoss):
        def per_image(self, prediction: Tensor, target: Tensor) -> Tensor:
            return super().per_image(prediction, target).square()

    x, y = torch.rand(2, 3, 3, 16, 16)
    torch.testing.assert_close(SquaredSSIM()(x, y), SSIMLoss(reduction="none")(x, y).square().mean())


@pytest.mark.parametrize("factor", [1.0, 0.3], ids=["the mean itself", "a part of it"])
def test_the_gradient_is_scaled_by_the_incoming_one(factor: float) -> None:
    x, y = torch.rand(2, 2, 3, 16, 16, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    (factor * SSIMLoss()(leaf, y)).backward()
    other = x.clone().requires_grad_()
    (factor * SSIMLoss().loss_map(other, y).mean()).backward()  # by autograd
    torch.testing.assert_close(leaf.grad, other.grad, rtol=0, atol=1e-12)
