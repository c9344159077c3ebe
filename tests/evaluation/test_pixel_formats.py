"""Scores of images of any depth and number of channels, and of images with invalid pixels."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
)
from torchmetrics.functional.image import (
    peak_signal_noise_ratio as torchmetrics_psnr,
)

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.evaluation import (
    Protocol,
    Row,
    Targets,
    default_metrics,
    protocol_for,
    score,
    scores_one_channel,
    tournament_metrics,
    why_nan,
)
from lossmith.evaluation.invalid_pixels import filled
from lossmith.metrics.registry import METRICS, find_metric

GRAY_16BIT = PixelFormat(1, "uint16", 0, 65535)
FLOAT = PixelFormat(8, "float32", -100, 300)
FORMATS = [
    PixelFormat(1),
    GRAY_16BIT,
    PixelFormat(1, "uint16", 0, 4095),
    PixelFormat(3, "uint16", 0, 65535),
    FLOAT,
]


def pictures(pixels: PixelFormat, side: int = 176) -> tuple[Tensor, Tensor]:
    """(prediction, target) on the scale of the range, with values on both sides of it."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, pixels.channels, 24, 24, generator=generator) * 1.4 - 0.2
    target = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[0]
    return target + 0.03 * torch.randn(target.shape, generator=generator), target


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (Protocol(pixels=PixelFormat(1)), "gray, no crop, rounded to 8 bits"),
        (Protocol(pixels=PixelFormat(8), border=2), "8 channels, 2 px cropped from each side, rounded to 8 bits"),
        (Protocol(pixels=GRAY_16BIT), "gray, 16 bits, 0 to 65535, no crop"),
        (Protocol(pixels=PixelFormat(1, "uint8", 0, 100)), "gray, 8 bits, 0 to 100, no crop"),
        (Protocol(pixels=FLOAT), "8 channels, 32-bit floats, -100 to 300, no crop"),
        (
            protocol_for(2, pixels=PixelFormat(3, "int16", -5, 5)),
            "Y (BT.601 studio swing), 16 bits, signed, -5 to 5, 2 px cropped from each side",
        ),
        (protocol_for(4, pixels=GRAY_16BIT), "gray, 16 bits, 0 to 65535, 4 px cropped from each side"),
    ],
)
def test_a_protocol_names_its_pixels(protocol: Protocol, words: str) -> None:
    assert str(protocol) == words


@pytest.mark.parametrize("pixels", [RGB_8BIT, *FORMATS], ids=str)
def test_a_receipt_gives_the_protocol_back(pixels: PixelFormat) -> None:
    protocol = protocol_for(2, ["noise(0.1)", "noise(0.2)"], pixels=pixels)
    assert Protocol.from_receipt(protocol.receipt) == protocol
    assert ("pixels" in protocol.receipt) == (pixels != RGB_8BIT)


def test_luma_is_of_rgb_alone() -> None:
    with pytest.raises(LossmithError, match="`color='y'` is the luma of RGB images, and these are gray"):
        Protocol("y", pixels=GRAY_16BIT)


@pytest.mark.parametrize("pixels", FORMATS[1:], ids=str)
def test_scores_are_those_of_others_in_the_unit_of_the_files(pixels: PixelFormat) -> None:
    """Unclipped and unrounded; scikit-image and torchmetrics are given the values of the files and their range."""
    pair = pictures(pixels)
    names = ["psnr", "ssim", "ms_ssim", "l1", "l2"]
    scores = score(*pair, Protocol(pixels=pixels), names)
    x, y = (image.double().numpy() * pixels.span + pixels.low for image in pair)
    # both are float64; only the order of operations differs
    assert scores["psnr"] == pytest.approx(peak_signal_noise_ratio(y, x, data_range=pixels.span), abs=1e-9)
    theirs = torchmetrics_psnr(torch.from_numpy(x), torch.from_numpy(y), data_range=pixels.span).item()
    assert scores["psnr"] == pytest.approx(theirs, abs=1e-5)  # it takes logarithms in float32
    similarity = structural_similarity(
        x - pixels.low,  # SSIM's luminance is relative to the low end of the range
        y - pixels.low,
        data_range=pixels.span,
        channel_axis=0,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert scores["ssim"] == pytest.approx(similarity, abs=2e-3)  # theirs looks at the border, too
    assert scores["l1"] == pytest.approx(1000 * np.abs(x - y).mean() / pixels.span, rel=1e-9)
    assert scores["l2"] == pytest.approx(1000 * np.square(x - y).mean() / pixels.span**2, rel=1e-9)


def test_ssim_of_a_float_picture_is_scikit_images_inside() -> None:
    x, y = pictures(FLOAT)
    *_, theirs = structural_similarity(
        x.double().numpy(),
        y.double().numpy(),
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    inside = theirs[:, 5:-5, 5:-5].mean()
    assert score(x, y, Protocol(pixels=FLOAT), ["ssim"])["ssim"] == pytest.approx(inside, abs=1e-12)


def test_ms_ssim_of_a_16_bit_picture_is_that_of_torchmetrics() -> None:
    x, y = (image.double()[None] for image in pictures(GRAY_16BIT))
    theirs = multiscale_structural_similarity_index_measure(x, y, data_range=1.0, kernel_size=11, sigma=1.5).item()
    ours = score(x[0], y[0], Protocol(pixels=GRAY_16BIT), ["ms_ssim"])["ms_ssim"]
    assert ours == pytest.approx(theirs, abs=2e-3)  # theirs pads the images


def test_8_bits_are_rounded_and_16_are_not() -> None:
    target = torch.full((1, 32, 32), 0.25 + 0.1 / 255)
    faint = target + 0.1 / 255
    assert score(faint, target, Protocol(pixels=PixelFormat(1)), ["l1"]) == {"l1": 0}
    deep = score(faint, target, Protocol(pixels=GRAY_16BIT), ["l1"])
    assert deep["l1"] == pytest.approx(1000 * 0.1 / 255, rel=1e-3)


def test_a_gray_study_scores_as_gray_targets_of_an_rgb_study_do() -> None:
    names = default_metrics(PixelFormat(1))
    x, y = pictures(PixelFormat(1))
    in_rgb = score(x.expand(3, -1, -1), y.expand(3, -1, -1), Protocol(), names)
    assert score(x, y, Protocol(pixels=PixelFormat(1)), names) == in_rgb


def test_studies_are_scored_by_the_metrics_that_take_their_images() -> None:
    assert default_metrics(RGB_8BIT)[: len(METRICS)] == list(METRICS)
    assert "fsimc" not in default_metrics(PixelFormat(1))
    assert {*default_metrics(FLOAT)} == {"psnr", "ssim", "ms_ssim", "l1", "l2"}
    assert "niqe" in tournament_metrics(["l1"], pixels=PixelFormat(1))
    assert "niqe" not in tournament_metrics(["l1"], pixels=GRAY_16BIT)
    assert [*score(*pictures(FLOAT, 16), Protocol(pixels=FLOAT))] == default_metrics(FLOAT)


@pytest.mark.parametrize(
    ("name", "pixels", "sentence"),
    [
        ("fsim", FLOAT, "'fsim' is for gray and RGB images; these are 8 channels, 32-bit floats, -100 to 300"),
        ("fsimc", PixelFormat(1), "'fsimc' is for RGB images; these are gray, 8 bits"),
        ("niqe", GRAY_16BIT, "'niqe' is for gray and RGB images of 8 bits; these are gray, 16 bits, 0 to 65535"),
    ],
)
def test_a_metric_by_name_that_does_not_take_the_images_is_refused(name, pixels, sentence) -> None:
    with pytest.raises(LossmithError, match=sentence):
        find_metric(name, pixels)
    with pytest.raises(LossmithError, match=sentence):
        score(*pictures(pixels, 16), Protocol(pixels=pixels), [name])


def test_images_of_other_channels_than_the_protocols_are_refused() -> None:
    x, y = pictures(GRAY_16BIT, 16)
    with pytest.raises(LossmithError, match=r"the prediction must be \(8, H, W\), not \(1, 16, 16\)"):
        score(x, y, Protocol(pixels=FLOAT))


@pytest.mark.parametrize("pixels", [RGB_8BIT, *FORMATS], ids=str)
def test_what_lies_in_invalid_pixels_changes_no_score(pixels: PixelFormat) -> None:
    x, y = pictures(pixels)
    y[:, 40:60, 30:90] = torch.nan
    names, protocol = default_metrics(pixels), Protocol(pixels=pixels, border=3)
    scores = score(x, y, protocol, names)
    assert all(math.isfinite(value) for value in scores.values())
    for other in (torch.nan, 7.0):
        x[:, 40:60, 30:90] = other
        assert score(x, y, protocol, names) == scores


def test_errors_are_means_over_valid_pixels_and_ssim_over_windows_without_an_invalid_one() -> None:
    x, y = (image.double() for image in pictures(FLOAT, 64))
    left, right = y.clone(), y.clone()
    left[..., 20:], right[..., :20] = torch.nan, torch.nan
    protocol, names = Protocol(pixels=FLOAT), ["psnr", "ssim", "l1", "l2"]
    part = score(x[..., :20], y[..., :20], protocol, names)
    assert score(x, left, protocol, names) == pytest.approx(part, abs=1e-12)
    part = score(x[..., 20:], y[..., 20:], protocol, names)
    assert score(x, right, protocol, names) == pytest.approx(part, abs=1e-12)


def test_ssim_without_a_valid_window_is_nan_and_the_errors_are_scored() -> None:
    x, y = pictures(GRAY_16BIT, 16)
    y[:, ::8, ::8] = torch.nan
    scores = score(x, y, Protocol(pixels=GRAY_16BIT), ["psnr", "ssim"])
    assert math.isnan(scores["ssim"])
    assert math.isfinite(scores["psnr"])
    (sentence,) = why_nan([Row("a", "l1", 0, scores)], masked=True)
    assert sentence == "SSIM is nan, for these have fewer than 11 pixels to a side without invalid ones: 'a'"


def test_a_prediction_with_nan_where_the_target_is_valid_scores_nan() -> None:
    x, y = pictures(GRAY_16BIT)
    y[:, :50], x[:, 100, 100] = torch.nan, torch.nan
    assert all(math.isnan(value) for value in score(x, y, Protocol(pixels=GRAY_16BIT)).values())


def test_a_gray_rgb_target_stays_gray_with_invalid_pixels() -> None:
    x, y = (image.expand(3, -1, -1).clone() for image in pictures(PixelFormat(1)))
    y[:, :9] = torch.nan
    (color, gray) = (score(x, y, Protocol(), [name])[name] for name in ("fsimc", "fsim"))
    assert color == gray
    assert scores_one_channel(y, RGB_8BIT)
    assert not scores_one_channel(y + torch.linspace(0, 1, 3)[:, None, None], RGB_8BIT)


def test_invalid_pixels_are_filled_with_the_nearest_valid_ones() -> None:
    y = torch.arange(35.0).reshape(1, 5, 7)
    holes = y.clone()
    holes[0, 2, 3] = torch.nan
    complete, invalid = filled(holes)
    assert invalid is not None
    assert invalid.nonzero().tolist() == [[2, 3]]
    assert complete[0, 2, 3].item() in {y[0, 1, 3].item(), y[0, 3, 3].item(), y[0, 2, 2].item(), y[0, 2, 4].item()}
    assert torch.equal(complete[:, ~invalid], y[:, ~invalid])


def test_equal_targets_with_invalid_pixels_are_looked_at_once() -> None:
    _, y = pictures(GRAY_16BIT, 16)
    y[:, 3, 3] = torch.nan
    targets, protocol = Targets(), Protocol(pixels=GRAY_16BIT)
    assert targets.view(y, protocol) is targets.view(y.clone(), protocol)
    other = y.clone()
    other[:, 5, 5] = torch.nan
    assert targets.view(other, protocol) is not targets.view(y, protocol)
