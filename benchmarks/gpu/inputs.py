"""The device, and the images of the parts: photographs that scikit-image ships, and what is made of them."""

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.data import sample_images

DEVICE = best_device()
ON_GPU = DEVICE.type == "cuda"
TINY_SIDE = 96


def pair(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """A target in [0, 1] and a noisy prediction of it, on the CPU."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(shape, generator=generator)
    prediction = (target + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1)
    return prediction.to(dtype), target.to(dtype)


def photographs(folder: Path, tiny: bool) -> tuple[Path, Path]:
    """Folders of images to train on and to test with.

    The images are those of BSDS500 in the folder LOSSMITH_DATA, where there is one, and otherwise scikit-image's;
    tiny, small pieces of two.
    """
    data = Path(os.environ.get("LOSSMITH_DATA", ""))
    train, test = data / "BSDS500_train", data / "BSDS500_test"
    if train.is_dir() and test.is_dir() and not tiny:
        return train, test
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for path in sample_images(split)[: 2 if tiny else None]:
            image = Image.open(path).convert("RGB")  # some are gray
            piece = image.crop((80, 80, 80 + TINY_SIDE, 80 + TINY_SIDE)) if tiny else image
            piece.save(folder / split / f"{path.stem}.png", compress_level=1)
    return folder / "train", folder / "test"


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """A photograph (height, width, 3) of a size, with noise, so that no place is like another."""
    astronaut = Image.open(next(path for path in sample_images("color") if path.stem == "astronaut"))
    side = max(width, height)
    pixels = np.asarray(astronaut.resize((side, side), Image.Resampling.BICUBIC))[:height, :width].astype(np.int16)
    pixels += np.random.default_rng(0).integers(-4, 5, pixels.shape, dtype=np.int16)
    return pixels.clip(0, 255).astype(np.uint8)
