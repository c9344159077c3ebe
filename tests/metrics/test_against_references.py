"""Every metric agrees with an implementation that others wrote."""

import math

import piq
import pytest
import pytorch_msssim
import torch
from lossmith.evaluation.metrics import fsim as fsim_module
from lossmith.evaluation.metrics import phase_congruency
from lossmith.evaluation.metrics.fsim import fsim, fsimc
from lossmith.evaluation.metrics.gmsd import gmsd
from lossmith.evaluation.metrics.iw_ssim import iw_ssim
from lossmith.evaluation.metrics.pixel import l1, l2, psnr
from lossmith.evaluation.metrics.ssim import ms_ssim, ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def _psnr(prediction, target):
    return peak_signal_noise_ratio(target.numpy(), prediction.numpy(), data_range=1)


def _ssim(prediction, target):
    options = {"data_range": 1, "channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False}
    return structural_similarity(target.numpy(), prediction.numpy(), **options)


def _ms_ssim(prediction, target):
    window = torch.exp(-0.5 * ((torch.arange(11, dtype=torch.float64) - 5) / 1.5) ** 2)
    window = (window / window.sum()).expand(3, 1, 1, -1)  # its own is float32
    return pytorch_msssim.ms_ssim(prediction[None], target[None], data_range=1, win=window).item()


def _gmsd(prediction, target):
    return piq.gmsd(prediction[None], target[None]).item()


def _fsim(prediction, target):
    return piq.fsim(prediction[None], target[None], chromatic=False).item()


def _fsimc(prediction, target):
    return piq.fsim(prediction[None], target[None], chromatic=True).item()


def _iw_ssim(prediction, target):
    return piq.information_weighted_ssim(prediction[None], target[None]).item()


def _l1(prediction, target):
    return 1000 * torch.nn.functional.l1_loss(prediction, target).item()


def _l2(prediction, target):
    return 1000 * torch.nn.functional.mse_loss(prediction, target).item()


REFERENCES = [
    pytest.param(psnr, _psnr, 1e-10, id="psnr"),
    pytest.param(ssim, _ssim, 1e-10, id="ssim"),
    pytest.param(gmsd, _gmsd, 1e-12, id="gmsd"),
    pytest.param(fsim, _fsim, 5e-6, id="fsim"),  # it has no epsilon, another median, and x and y swapped
    # besides, it has one more digit in YIQ and takes |hue| where the authors take the real part of a power
    pytest.param(fsimc, _fsimc, 1e-4, id="fsimc"),
    # it extrapolates the pyramid differently at the border of odd sizes
    pytest.param(iw_ssim, _iw_ssim, 2e-5, id="iw_ssim"),
    pytest.param(l1, _l1, 1e-10, id="l1"),
    pytest.param(l2, _l2, 1e-10, id="l2"),
]


@pytest.mark.parametrize("size", [(256, 320), (233, 251)], ids=["even", "odd"])
@pytest.mark.parametrize(("metric", "reference", "tolerance"), REFERENCES)
def test_metric_agrees_with_its_reference(metric, reference, tolerance, photo, damage, size):
    target = photo(*size)
    prediction = damage(target)
    assert metric(prediction, target) == pytest.approx(reference(prediction, target), abs=tolerance)


def test_ms_ssim_agrees_where_all_levels_have_even_sides(photo, damage):
    """At odd sizes pytorch_msssim averages zeros in; how the authors do it is tested with the loss."""
    target = photo(256, 320)
    prediction = damage(target)
    assert ms_ssim(prediction, target) == pytest.approx(_ms_ssim(prediction, target), abs=1e-10)


def test_iw_ssim_agrees_to_rounding_where_all_levels_have_even_sides(photo, damage):
    target = photo(256, 320)
    prediction = damage(target)
    assert iw_ssim(prediction, target) == pytest.approx(_iw_ssim(prediction, target), abs=1e-10)


def test_fsim_agrees_to_rounding_once_the_conventions_are_the_same(photo, damage, monkeypatch):
    """No epsilon; an odd number of pixels, so that the median is one of them; the image transposed."""
    monkeypatch.setattr(phase_congruency, "EPSILON", torch.finfo(torch.float64).eps)
    monkeypatch.setattr(fsim_module, "IQ", ((0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
    target = photo(233, 251)
    prediction = damage(target)
    assert fsim(prediction, target) == pytest.approx(_fsim(prediction.mT, target.mT), abs=1e-10)
    # The remaining difference in FSIMc is where hues are opposite: 0.4 % of the weight there.
    assert fsimc(prediction, target) == pytest.approx(_fsimc(prediction.mT, target.mT), abs=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim, gmsd, fsim], ids=lambda f: f.__name__)
def test_gray_images_of_one_channel_score_as_rgb_ones(metric, photo, damage):
    gray = photo(64, 80)[:1]
    color = gray.expand(3, -1, -1)
    assert metric(damage(gray), gray) == pytest.approx(metric(damage(gray).expand(3, -1, -1), color), abs=1e-12)


def test_fsimc_of_gray_images_is_fsim(photo, damage):
    gray = photo(64, 80)[:1].expand(3, -1, -1)
    prediction = damage(gray[:1]).expand(3, -1, -1)
    assert fsimc(prediction, gray) == pytest.approx(fsim(prediction, gray), abs=1e-9)


def test_psnr_of_equal_images_is_finite(photo):
    image = photo(16, 16)
    almost = image.clone()
    almost[0, 0, 0] += 1e-8
    assert psnr(image, image) == psnr(almost, image) == 100
    assert psnr(image, image, ceiling=math.inf) == math.inf
