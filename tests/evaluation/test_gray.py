"""Gray images are degraded and scored as images of one channel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lossmith.data import PatchDataset, degraded_images
from lossmith.data import make_test_pairs as make_pairs
from lossmith.degradations import degradation, is_gray
from lossmith.evaluation import METRICS, Protocol, protocol_of, score
from lossmith.evaluation.results import Row
from lossmith.evaluation.scoring import why_nan

RNG = np.random.default_rng(0)


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    rough = RNG.integers(0, 256, (12, 12), dtype=np.uint8)
    Image.fromarray(rough).resize((170, 170)).save(tmp_path / "gray.png")
    return tmp_path / "gray.png"


@pytest.mark.parametrize(
    "degradation_text", ["noise(25)", "noise(0..50)", "shot_noise", "bicubic(2) | noise(5) | jpeg(50)", "jpeg(10)"]
)
def test_noise_on_a_gray_image_is_gray(gray: Path, degradation_text: str) -> None:
    kind = degradation(degradation_text)
    for pair in make_pairs([gray], kind):
        assert pair.gray
        assert is_gray(pair.degraded)
        assert not torch.equal(pair.degraded, pair.clean)
    degraded, _ = PatchDataset(degraded_images([gray], kind), 32).batch(0, 4)
    assert all(is_gray(image) for image in degraded)


def test_gray_noise_has_the_same_variance(gray: Path) -> None:
    (pair,) = make_pairs([gray], degradation("noise(25)"))
    assert float((pair.degraded - pair.clean).std() * 255) == pytest.approx(25, rel=0.02)


def test_noise_after_a_mosaic_is_in_color(gray: Path) -> None:
    assert str(degradation("noise(5) | mosaic | noise(5)").for_gray()) == "noise(5, gray=true) | mosaic | noise(5)"
    (pair,) = make_pairs([gray], degradation("mosaic | noise(5)"))
    assert not is_gray(pair.degraded)


def test_a_gray_place_in_a_color_image_gets_color_noise(tmp_path: Path) -> None:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[0, 0] = 0, 0, 9
    Image.fromarray(pixels).save(tmp_path / "a.png")
    degraded, _ = PatchDataset(degraded_images([tmp_path / "a.png"], degradation("noise(25)")), 32).batch(0, 4)
    assert not any(is_gray(image) for image in degraded)


def test_a_gray_image_scores_as_one_channel(gray: Path) -> None:
    (pair,) = make_pairs([gray], degradation("noise(25)"))
    names = list(METRICS)
    gray_scores = score(pair.degraded, pair.clean, Protocol(), names)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    tint = torch.tensor([0.05, -0.03, 0.0])[:, None, None]  # shifts colors, and leaves the luma nearly as it was
    tint = tint - (weights * tint).sum()
    tinted_scores = score(pair.degraded + tint, pair.clean, Protocol(), names)
    assert tinted_scores == pytest.approx(gray_scores, rel=0.02)
    assert gray_scores["fsim"] == pytest.approx(gray_scores["fsimc"], abs=1e-12)
    error = (pair.degraded[0].double().clamp(0, 1) * 255).add(0.5).floor() / 255 - pair.clean[0].double()
    assert gray_scores["psnr"] == pytest.approx(-10 * float(error.square().mean().log10()), abs=1e-6)


def test_the_protocol_mentions_gray_images(gray: Path) -> None:
    pairs = make_pairs([gray], degradation("noise(25)"))
    assert str(protocol_of(pairs)) == "RGB, no crop, rounded to 8 bits; of gray images one channel"


def test_the_reason_for_a_nan_column_is_given_once() -> None:
    nan = float("nan")
    rows = [Row(name, "l1", 0, {"psnr": 30.0, "ssim": 0.9, "ms_ssim": nan}) for name in ("a", "b", "c")]
    assert why_nan(rows) == ["MS-SSIM is nan, for these have fewer than 161 pixels to a side: 'a' and 2 more"]
    nan_rows = [Row("a", "l1", 0, {"psnr": nan, "ssim": nan, "ms_ssim": nan})]
    assert why_nan(nan_rows) == []
