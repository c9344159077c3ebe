"""Set5 and Set14 come out as published."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.degradations import Bicubic, from_8bit, resize, resize_8bit

needs_data = pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")


def benchmark(folder: str) -> list[Path]:
    return sorted((Path(os.environ["LOSSMITH_DATA"]) / "test" / folder).glob("*.png"))


def read_cropped(path: Path, scale: int) -> Tensor:
    from PIL import Image

    with Image.open(path) as file:
        image = torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1)
    return from_8bit(image[:, : image.shape[1] // scale * scale, : image.shape[2] // scale * scale])


@needs_data
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("folder", ["Set5", "Set14"])
def test_every_pixel_of_published_low_resolution_images_is_reproduced(folder: str, scale: int) -> None:
    images = benchmark(folder)
    assert len(images) == {"Set5": 5, "Set14": 14}[folder]
    for path in images:
        name = path.stem.removesuffix("_GT")
        expected = read_cropped(path.parent.parent / f"{folder}_LR_bicubic/X{scale}/{name}x{scale}.png", 1)
        assert torch.equal(Bicubic(scale)(read_cropped(path, scale)), expected), path.name


def luma(image: Tensor) -> Tensor:
    r, g, b = image.double()
    return 65.481 * r + 128.553 * g + 24.966 * b + 16


def scores(prediction: Tensor, target: Tensor, border: int) -> tuple[float, float]:
    """PSNR and SSIM of luma on 0-255 with the border cut off."""
    from skimage.metrics import structural_similarity

    a, b = (x[border:-border, border:-border].numpy() for x in (prediction, target))
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, ssim_map = structural_similarity(a, b, data_range=255, full=True, **gaussian)
    return 10 * math.log10(255**2 / ((a - b) ** 2).mean()), float(ssim_map[5:-5, 5:-5].mean())


PUBLISHED_SCORES = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}


@needs_data
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_meets_the_published_bicubic_row(scale: int) -> None:
    """The row was made on rounded luma alone, with MATLAB's floating-point imresize both ways."""
    rows = []
    for path in benchmark("Set5"):
        clean = luma(read_cropped(path, scale)).round()
        rows.append(scores(resize(resize(clean, 1 / scale), scale).round(), clean, scale))
    psnr, ssim = np.mean(rows, 0)
    assert (round(psnr, 2), round(ssim, 4)) == PUBLISHED_SCORES[scale]


@needs_data
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_as_8_bit_color_is_close_to_the_published_row(scale: int) -> None:
    rows = []
    for path in benchmark("Set5"):
        clean = read_cropped(path, scale)
        upsampled = resize_8bit(Bicubic(scale)(clean), scale)
        rows.append(scores(luma(upsampled), luma(clean), scale))
    psnr, ssim = np.mean(rows, 0)
    assert abs(psnr - PUBLISHED_SCORES[scale][0]) < 0.02
    assert abs(ssim - PUBLISHED_SCORES[scale][1]) < 0.001
