"""Numbers that others have published come out."""

import csv
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lossmith.evaluation import protocol_for, score
from lossmith.metrics import fsimc, gmsd, psnr, ssim
from lossmith.metrics.luma import full_luma


def _read(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).to(torch.float64) / 255


def _score_on_gray(metric, prediction: Tensor, target: Tensor) -> Tensor:
    """As MATLAB code does it that begins with `rgb2gray` of 8-bit images."""
    return metric(full_luma(prediction).round() / 255, full_luma(target).round() / 255)


# MS-SSIM is not among them: the official numbers are weighted sums over scales, ours is the product.
OFFICIAL = [
    pytest.param("psnr", psnr, 0.005, id="psnr"),  # printed with two digits
    pytest.param("ssim", partial(_score_on_gray, ssim), 5.1e-5, id="ssim"),  # printed with four
    pytest.param("fsim", fsimc, 5.1e-5, id="fsimc"),  # printed with four
    # MATLAB's rgb2gray has 0.2989 for 0.299, so a few pixels round the other way; and it divides by N - 1
    pytest.param("gmsd", partial(_score_on_gray, gmsd), 5e-6, id="gmsd"),
]


@pytest.mark.parametrize("image", ["I03", "I04", "I06", "I08", "I19"])
@pytest.mark.parametrize(("row", "metric", "tolerance"), OFFICIAL)
def test_official_scores_of_tid2013_pairs(row, metric, tolerance, image, benchmark_data):
    folder = benchmark_data / "iqa" / "TID2013_pairs"
    with (folder / "official_scores.csv").open() as file:
        official = {line["Method"]: float(line[f"{image}.bmp"]) for line in csv.DictReader(file)}
    prediction, target = (_read(folder / part / f"{image}.bmp") for part in ("distorted", "reference"))
    assert metric(prediction[None], target[None]).item() == pytest.approx(official[row], abs=tolerance)


def _enlarge(image: np.ndarray, scale: int, axis: int) -> np.ndarray:
    """Keys' bicubic (a = -1/2) along one axis of 8-bit values, rounded to 8 bits, as MATLAB's imresize."""
    old = image.shape[axis]
    center = (np.arange(old * scale) + 0.5) / scale - 0.5
    taps = np.floor(center).astype(int)[:, None] + np.arange(-1, 3)
    x = np.abs(center[:, None] - taps)
    weights = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)
    mirrored = np.abs(taps + 0.5) - 0.5
    mirrored = np.minimum(mirrored, 2 * old - 1 - mirrored).astype(int)
    prepared_photos = np.take(image, mirrored, axis=axis)  # the taps come after the axis
    shape = [1] * prepared_photos.ndim
    shape[axis : axis + 2] = weights.shape
    exact = (prepared_photos * weights.reshape(shape)).sum(axis + 1)
    return np.clip(np.floor(exact + 0.5), 0, 255)


PUBLISHED_SCORES = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}
"""PSNR and SSIM on Y of bicubic enlargement on Set5, as every super-resolution paper prints them."""


@pytest.mark.parametrize("scale", PUBLISHED_SCORES)
def test_bicubic_enlargement_of_set5(scale, benchmark_data):
    scores = []
    for path in sorted((benchmark_data / "test" / "Set5").glob("*_GT.png")):
        name = f"{path.stem.removesuffix('_GT')}x{scale}.png"
        small = np.array(
            Image.open(benchmark_data / "test" / "Set5_LR_bicubic" / f"X{scale}" / name).convert("RGB")
        )
        large = _enlarge(_enlarge(small.astype(float), scale, axis=0), scale, axis=1)
        prediction = torch.from_numpy(large / 255).permute(2, 0, 1)
        target = _read(path)[:, : prediction.shape[1], : prediction.shape[2]]
        scores.append(score(prediction, target, protocol_for(scale), ["psnr", "ssim"]))
    assert len(scores) == 5
    assert np.mean([s["psnr"] for s in scores]) == pytest.approx(PUBLISHED_SCORES[scale][0], abs=0.03)
    assert np.mean([s["ssim"] for s in scores]) == pytest.approx(PUBLISHED_SCORES[scale][1], abs=0.001)
