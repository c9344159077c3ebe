"""JPEG is libjpeg's, in memory."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.degradations import JPEG, from_8bit, to_8bit


def smooth(height: int = 40, width: int = 56) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack((y, x, (y * 9).sin() ** 2))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [1, 10, 75, 100])
def test_jpeg_degradation_equals_a_saved_file(tmp_path: Path, quality: int, subsampling: str) -> None:
    clean = smooth()
    path = tmp_path / "image.jpg"
    number = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}[subsampling]
    image = Image.fromarray(to_8bit(clean).permute(1, 2, 0).numpy())
    image.save(path, quality=quality, subsampling=number)
    with Image.open(path) as file:
        expected = np.array(file)
    assert np.array_equal(to_8bit(JPEG(quality, subsampling)(clean)).permute(1, 2, 0).numpy(), expected)


def test_jpeg_degradation_gives_8_bit_values() -> None:
    degraded = JPEG(30)(smooth())
    assert torch.equal(degraded, from_8bit(to_8bit(degraded)))


def test_gray_compresses_luma_and_gives_three_equal_channels() -> None:
    gray = smooth()[:1].expand(3, -1, -1)
    degraded = JPEG(10, "gray")(gray)
    assert torch.equal(degraded[0], degraded[1])
    assert torch.equal(degraded[0], degraded[2])
    assert float((degraded - gray).abs().mean()) < 0.02


def test_a_lower_quality_is_a_larger_error() -> None:
    clean = smooth()
    errors = [float((JPEG(quality)(clean) - clean).square().mean()) for quality in (5, 20, 50, 95)]
    assert errors == sorted(errors, reverse=True)
    color = [float((JPEG(95, s)(clean) - clean).square().mean()) for s in ("4:2:0", "4:2:2", "4:4:4")]
    assert color == sorted(color, reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 17)])
def test_jpeg_degradation_keeps_any_size(size: tuple[int, int]) -> None:
    assert JPEG(10)(torch.rand(3, *size)).shape == (3, *size)


@pytest.mark.parametrize("quality", [0, 101, -3, 50.5, "high", None, True])
def test_qualities_outside_1_to_100_are_refused(quality: object) -> None:
    with pytest.raises(LossmithError, match=rf"^jpeg: quality must be 1 to 100, not {quality}$"):
        JPEG(quality)  # type: ignore[arg-type]


def test_an_unknown_subsampling_is_refused() -> None:
    with pytest.raises(
        LossmithError, match=r"^jpeg: subsampling must be one of 4:4:4, 4:2:2, 4:2:0, gray, not 411$"
    ):
        JPEG(10, "411")


@pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")
@pytest.mark.parametrize(("quality", "psnr"), [(10, 27.82), (20, 30.12), (30, 31.48), (40, 32.43)])
def test_classic5_meets_its_published_psnr(quality: int, psnr: float) -> None:
    values = []
    for path in sorted((Path(os.environ["LOSSMITH_DATA"]) / "test/classic5").iterdir()):
        with Image.open(path) as file:
            clean = from_8bit(torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1))
        error = (JPEG(quality, "gray")(clean) - clean).double().square().mean()
        values.append(-10 * math.log10(error))
    assert np.mean(values) == pytest.approx(psnr, abs=0.006)
