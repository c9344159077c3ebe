"""Masks of pictures: which pixels count."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, and_more
from lossmith.data.folders import SUFFIXES
from lossmith.data.pictures import read_values
from lossmith.data.reading import image_error

MASK = "a mask is black, where pixels do not count, and white"


def read_mask(path: str | Path) -> Tensor:
    """The mask in a file, bool (1, H, W): true where a viewer shows it white and the pixel counts.

    Black is 0, and white is any other number, such as 1 or 255, that all white pixels have.

    Raises LossmithError for a file that cannot be read, and for a mask of more than two values or of colors.
    """
    path = Path(path)
    values = read_values(path)
    if not (values == values[..., :1]).all():
        raise image_error(path, f"has colors; {MASK}")
    plane = values[..., 0]
    levels = np.unique(plane)
    if len(levels) > 2:
        raise image_error(path, f"has {len(levels)} gray values; {MASK}")
    if len(levels) == 2 and 0 not in levels:
        raise image_error(path, f"has no black, 0; {MASK}")
    return torch.from_numpy(np.ascontiguousarray(plane != 0))[None]


def mask_of(image: str | Path, masks: str | Path) -> Path:
    """The file in a folder of masks that has the name of an image, whatever its suffix.

    Raises LossmithError where there is none, or several.
    """
    image, masks = Path(image), Path(masks)
    if not masks.is_dir():
        raise LossmithError(f"`mask` is a folder of masks, and '{masks}' is none")
    files = sorted(path for path in masks.glob("*") if path.stem == image.stem and path.suffix.lower() in SUFFIXES)
    if not files:
        raise LossmithError(f"'{masks}' holds no mask for '{image.name}'; it would be called '{image.stem}.png'")
    if len(files) > 1:
        raise LossmithError(f"'{masks}' holds several masks for '{image.name}': {and_more(files)}; remove one")
    return files[0]
