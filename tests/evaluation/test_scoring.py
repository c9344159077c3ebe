"""What must hold for every metric, and for the one call that applies them."""

import math

import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.evaluation import scoring
from lossmith.evaluation.protocol import Protocol, protocol_for
from lossmith.metrics.registry import METRICS, find_metric

BEST = {"psnr": 100, "ssim": 1, "ms_ssim": 1, "iw_ssim": 1, "gmsd": 0, "fsim": 1, "fsimc": 1, "l1": 0, "l2": 0}


def score(prediction, target, protocol, metrics=METRICS):
    """By the metrics that need no weights, whichever weights are on this machine."""
    return scoring.score(prediction, target, protocol, list(metrics))


@pytest.mark.parametrize("protocol", [Protocol(), Protocol("y", 4)], ids=str)
def test_equal_images_have_the_best_score(photo, protocol):
    image = photo(176, 180)
    assert score(image, image, protocol) == pytest.approx(BEST, abs=1e-9)


@pytest.mark.parametrize("protocol", [Protocol(), Protocol("y", 4)], ids=str)
def test_stronger_degradation_scores_worse(photo, protocol):
    target = photo(176, 180)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(0), dtype=target.dtype)
    low, high = (score(target + sigma * noise, target, protocol) for sigma in (0.02, 0.08))
    for metric in METRICS.values():
        better = low[metric.name] > high[metric.name]
        assert better == metric.higher_is_better, metric.name


def test_similarities_are_symmetric(photo, degrade):
    """Not IW-SSIM, which weights by the information of the target."""
    one, other = photo(176, 180), degrade(photo(176, 180))
    forward, back = score(one, other, Protocol()), score(other, one, Protocol())
    for name in METRICS.keys() - {"iw_ssim"}:
        assert forward[name] == pytest.approx(back[name], abs=1e-10), name


def test_mirrored_images_score_the_same(photo, degrade):
    """Up to what the pyramids and reductions, which start at the first pixel, make of it."""
    target = photo(176, 192)
    prediction = degrade(target)
    upright, mirrored = (
        score(prediction, target, Protocol()),
        score(prediction.flip(2), target.flip(2), Protocol()),
    )
    assert mirrored == pytest.approx(upright, rel=2e-3)


def test_images_too_small_for_a_metric_score_nan_and_the_rest_is_scored(photo):
    image = photo(160, 400)
    scores = score(image, image, Protocol())
    assert [name for name, value in scores.items() if math.isnan(value)] == ["ms_ssim", "iw_ssim"]
    small_scores = score(image[:, :10, :10], image[:, :10, :10], Protocol())
    assert [name for name, value in small_scores.items() if math.isnan(value)] == ["ssim", "ms_ssim", "iw_ssim"]


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_have_finite_scores(level, photo):
    image = torch.full((3, 170, 170), level)
    assert score(image, image, Protocol()) == pytest.approx(BEST, abs=1e-6)
    for pair in [(photo(170, 170), image), (image, photo(170, 170))]:
        assert all(math.isfinite(value) for value in score(*pair, Protocol()).values())


def test_an_inverted_image_scores_finite_and_low(photo):
    target = photo(176, 180)
    scores = score(1 - target, target, Protocol())
    assert scores["ms_ssim"] == scores["iw_ssim"] == 0
    assert all(math.isfinite(value) for value in scores.values())


def test_a_prediction_with_nan_scores_nan_everywhere(photo):
    target = photo(176, 180)
    prediction = target.clone()
    prediction[1, 100, 100] = torch.nan
    assert all(math.isnan(value) for value in score(prediction, target, Protocol()).values())


def test_only_the_requested_metrics_are_computed_in_order(photo):
    assert list(score(photo(16, 16), photo(16, 16), Protocol(), ["gmsd", "psnr"])) == ["gmsd", "psnr"]


def test_metrics_with_a_fixed_color_space_ignore_the_protocols(photo, degrade):
    target = photo(170, 170)
    rgb = score(degrade(target), target, Protocol("rgb", 4))
    y = score(degrade(target), target, Protocol("y", 4))
    fixed_color_metrics = {name for name in METRICS if rgb[name] == y[name]}
    assert fixed_color_metrics == {"iw_ssim", "gmsd", "fsim", "fsimc"}


def test_float32_images_score_as_float64_ones(photo, degrade):
    target = photo(170, 170)
    double = score(degrade(target), target, protocol_for(2))
    assert score(degrade(target).float(), target.float(), protocol_for(2)) == double


@pytest.mark.parametrize("gray", [False, True])
def test_the_default_dtype_changes_no_score(photo, degrade, gray):
    target = photo(170, 170)
    target = target[:1].expand(3, -1, -1) if gray else target
    expected = score(degrade(target), target, Protocol(), METRICS)
    torch.set_default_dtype(torch.float64)
    try:
        assert score(degrade(target), target, Protocol(), METRICS) == expected
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("name", "complaint"), [("psrn", "did you mean 'psnr'"), ("lpips", "did you mean 'lpips_"), ("vmaf", "known")]
)
def test_unknown_metrics_are_refused_with_a_hint(name, complaint, photo):
    with pytest.raises(LossmithError, match=complaint):
        score(photo(8, 8), photo(8, 8), Protocol(), [name])
    with pytest.raises(LossmithError, match=complaint):
        find_metric(name)


def test_the_catalog_is_keyed_by_name():
    assert all(name == metric.name for name, metric in METRICS.items())
    assert [name for name, metric in METRICS.items() if not metric.higher_is_better] == ["gmsd", "l1", "l2"]
