"""Writing tensors to image files."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_bytes
from lossmith.degradations import to_8bit


def write_image(path: str | Path, image: Tensor) -> None:
    """Write an image as an 8-bit PNG, atomically.

    Parameters
    ----------
    path
        A file ending in .png.
    image
        (3, H, W) RGB on any device: uint8, or floats in [0, 1], which are clipped and rounded to 8 bits.

    Raises
    ------
    LossmithError
        For any other tensor, for NaN, for another suffix, and when the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise LossmithError(f"image '{path}' must end in .png, the format that is written")
    if not (image.dtype == torch.uint8 or torch.is_floating_point(image)):
        raise LossmithError(f"image '{path}' must be uint8 or floats in [0, 1], not {image.dtype}")
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise LossmithError(f"image '{path}' must be (3, H, W), not {tuple(image.shape)}")
    if image.isnan().any():
        raise LossmithError(f"image '{path}' was not written because it holds NaN")
    from PIL import Image

    content = BytesIO()
    # the fastest level, a third of the time, for files that are a tenth larger
    Image.fromarray(to_uint8_hwc(image)).save(content, "PNG", compress_level=1)
    write_bytes(path, content.getbuffer())


def to_uint8_hwc(image: Tensor) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8, as image libraries take it, of a tensor (3, H, W) of uint8 or of floats in [0, 1].

    >>> to_uint8_hwc(torch.tensor([0.0, 0.5, 1.2])[:, None, None])
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    pixels = image.detach()
    pixels = pixels if pixels.dtype == torch.uint8 else to_8bit(pixels.float())
    return pixels.permute(1, 2, 0).contiguous().cpu().numpy()
