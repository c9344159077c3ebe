"""Small pictures that are not 8-bit RGB, in files made by other programs than ours."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter


def soft_field(seed: int, channels: int, height: int = 48, width: int = 56) -> NDArray[np.float64]:
    """(channels, height, width) of soft random blobs that reach from 0 to 1."""
    noise = np.random.default_rng(seed).standard_normal((channels, height, width))
    soft = gaussian_filter(noise, (0, 3, 3), mode="wrap")
    low, high = soft.min(), soft.max()
    return np.asarray((soft - low) / (high - low))


def write_gray16(path: Path, unit: NDArray[np.float64]) -> None:
    """A PNG of (1, H, W) in [0, 1], in 16 bits."""
    Image.fromarray((unit[0] * 65535).round().astype(np.uint16)).save(path)


def write_tiff(path: Path, values: NDArray[np.generic]) -> None:
    """A TIFF of (C, H, W), interleaved, in the type of the values."""
    pixels = values.transpose(1, 2, 0) if len(values) > 1 else values[0]
    options = {"planarconfig": "contig"} if len(values) > 1 else {}
    tifffile.imwrite(path, pixels, photometric="minisblack", **options)


def gray16_folder(folder: Path, count: int = 4, brightness: float = 1.0) -> Path:
    """Gray PNGs of 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write_gray16(folder / f"{seed}.png", brightness * soft_field(seed, 1))
    return folder


def float_folder(folder: Path, channels: int = 8, count: int = 4) -> Path:
    """TIFFs of floats from -1 to 2."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write_tiff(folder / f"{seed}.tif", (3 * soft_field(seed, channels) - 1).astype(np.float32))
    return folder


def signed_folder(folder: Path, count: int = 4) -> Path:
    """Gray TIFFs of signed 16 bits, from -1000 to 1000."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        write_tiff(folder / f"{seed}.tif", (2000 * soft_field(seed, 1) - 1000).round().astype(np.int16))
    return folder
