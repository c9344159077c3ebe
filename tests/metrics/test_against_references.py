"""Every metric agrees with an implementation that others wrote."""

import math

import piq
import pytest
import pytorch_msssim
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr

from lossmith.metrics import (
    feature_similarity,
    fsim,
    fsimc,
    gmsd,
    iw_ssim,
    l1,
    l2,
    ms_ssim,
    phase_congruency,
    psnr,
    ssim,
)


def _psnr(prediction, target):
    return peak_signal_noise_ratio(target[0].numpy(), prediction[0].numpy(), data_range=1)


def _ssim(prediction, target):
    options = {"data_range": 1, "channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False}
    return structural_similarity(target[0].numpy(), prediction[0].numpy(), **options)


def _torchmetrics_psnr(prediction, target):
    return torchmetrics_psnr(prediction, target, data_range=1.0)


def _piq_ssim(prediction, target):
    return piq.ssim(prediction, target, downsample=False)


def _pytorch_msssim_ssim(prediction, target):
    return pytorch_msssim.ssim(prediction, target, data_range=1, win=_window())


def _ms_ssim(prediction, target):
    return pytorch_msssim.ms_ssim(prediction, target, data_range=1, win=_window())


def _window():
    """That of pytorch_msssim is in float32."""
    window = torch.exp(-0.5 * ((torch.arange(11, dtype=torch.float64) - 5) / 1.5) ** 2)
    return (window / window.sum()).expand(3, 1, 1, -1)


def _gmsd(prediction, target):
    return piq.gmsd(prediction, target)


def _fsim(prediction, target):
    return piq.fsim(prediction, target, chromatic=False)


def _fsimc(prediction, target):
    return piq.fsim(prediction, target, chromatic=True)


def _iw_ssim(prediction, target):
    return piq.information_weighted_ssim(prediction, target)


def _l1(prediction, target):
    return 1000 * torch.nn.functional.l1_loss(prediction, target)


def _l2(prediction, target):
    return 1000 * torch.nn.functional.mse_loss(prediction, target)


REFERENCES = [
    pytest.param(psnr, _psnr, 1e-10, id="psnr"),
    pytest.param(ssim, _ssim, 1e-10, id="ssim"),
    pytest.param(psnr, _torchmetrics_psnr, 1e-5, id="psnr-torchmetrics"),  # the logarithm of 10 is in float32
    pytest.param(ssim, _piq_ssim, 1e-10, id="ssim-piq"),
    pytest.param(ssim, _pytorch_msssim_ssim, 1e-10, id="ssim-pytorch_msssim"),
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
def test_metric_agrees_with_its_reference(metric, reference, tolerance, photo, degrade, size):
    target = photo(*size)
    prediction = degrade(target)
    assert metric(prediction, target).item() == pytest.approx(float(reference(prediction, target)), abs=tolerance)


def test_ms_ssim_agrees_where_all_levels_have_even_sides(photo, degrade):
    """At odd sizes pytorch_msssim averages zeros in; how the authors do it is tested with the loss."""
    target = photo(256, 320)
    prediction = degrade(target)
    assert ms_ssim(prediction, target).item() == pytest.approx(float(_ms_ssim(prediction, target)), abs=1e-10)


def test_iw_ssim_agrees_to_rounding_where_all_levels_have_even_sides(photo, degrade):
    target = photo(256, 320)
    prediction = degrade(target)
    assert iw_ssim(prediction, target).item() == pytest.approx(float(_iw_ssim(prediction, target)), abs=1e-10)


def test_fsim_agrees_to_rounding_once_the_conventions_are_the_same(photo, degrade, monkeypatch):
    """No epsilon; an odd number of pixels, so that the median is one of them; the image transposed."""
    monkeypatch.setattr(phase_congruency, "EPSILON", torch.finfo(torch.float64).eps)
    monkeypatch.setattr(feature_similarity, "IQ_ROWS", ((0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)))
    target = photo(233, 251)
    prediction = degrade(target)
    assert fsim(prediction, target).item() == pytest.approx(float(_fsim(prediction.mT, target.mT)), abs=1e-10)
    # The remaining difference in FSIMc is where hues are opposite: 0.4 % of the weight there.
    assert fsimc(prediction, target).item() == pytest.approx(float(_fsimc(prediction.mT, target.mT)), abs=1e-4)


@pytest.mark.parametrize("metric", [psnr, ssim, gmsd, fsim], ids=lambda f: f.__name__)
def test_gray_images_of_one_channel_score_as_rgb_ones(metric, photo, degrade):
    gray = photo(64, 80)[:, :1]
    prediction = degrade(gray)
    in_rgb = metric(prediction.expand(-1, 3, -1, -1), gray.expand(-1, 3, -1, -1))
    assert metric(prediction, gray).item() == pytest.approx(in_rgb.item(), abs=1e-12)


def test_fsimc_of_gray_images_is_fsim(photo, degrade):
    gray = photo(64, 80)[:, :1]
    prediction = degrade(gray)
    in_rgb = fsimc(prediction.expand(-1, 3, -1, -1), gray.expand(-1, 3, -1, -1))
    assert in_rgb.item() == pytest.approx(fsim(prediction, gray).item(), abs=1e-9)
    assert fsimc(prediction, gray).item() == fsim(prediction, gray).item()


def test_psnr_of_equal_images_is_finite(photo):
    image = photo(16, 16)
    almost = image.clone()
    almost[0, 0, 0, 0] += 1e-8
    assert psnr(image, image) == psnr(almost, image) == 100
    assert psnr(image, image, ceiling=math.inf) == math.inf
