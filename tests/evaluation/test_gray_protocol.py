"""The field's gray benchmarks, on a part of them; `benchmarks/gray_protocol.py` takes all."""

import os
from pathlib import Path

import pytest

import lossmith
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import find_images, make_test_pairs
from lossmith.data.picture_reader import PictureReader
from lossmith.degradations import degradation
from lossmith.evaluation import protocol_of, score

pytestmark = pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")

DENOISED = {"01": 30.18, "02": 33.06}
"""The PSNR of DnCNN-S at sigma 25 in table III of Zhang et al., IEEE TIP 26(7), 2017."""


def data() -> Path:
    return Path(os.environ["LOSSMITH_DATA"])


def test_dncnn_denoises_as_published() -> None:
    model = data() / "weights/sr/dncnn_25.pth"
    if not model.is_file():
        pytest.skip("the weights of DnCNN are not there")
    files = [data() / f"test/Set12/{name}.png" for name in DENOISED]
    evaluation = lossmith.evaluate(model, test=files, degradation="noise(25)")
    assert str(evaluation.protocol) == "gray, no crop, rounded to 8 bits"
    restored = {name: scores["psnr"] for name, scores in evaluation.scores.items()}
    assert restored == pytest.approx(DENOISED, abs=0.1)  # the noise is another drawing than theirs


def test_jpeg_of_quality_10_scores_as_published() -> None:
    pixels = PixelFormat(1)
    reader = PictureReader(pixels)
    pairs = make_test_pairs(find_images([data() / "test/classic5"]), degradation("jpeg(10)"), reader=reader)
    scores = [score(pair.degraded, pair.clean, protocol_of(pairs, pixels), ["psnr", "ssim"]) for pair in pairs]
    means = {name: sum(each[name] for each in scores) / len(scores) for name in ("psnr", "ssim")}
    assert means["psnr"] == pytest.approx(27.82, abs=0.005)
    assert means["ssim"] == pytest.approx(0.7595, abs=0.00005)
