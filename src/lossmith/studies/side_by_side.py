"""What models have made of the same pictures, on one page."""

from collections.abc import Mapping
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np

from lossmith.report.contents import Pixels
from lossmith.report.exhibits import LARGEST
from lossmith.report.restored import RestoredPicture, write_restored

MOST = 24
"""Pictures on a page, which would otherwise be too heavy to open."""


Rows = dict[Path, tuple[str, dict[str, Path]]]
"""By picture: its name, and the results by their models."""


def write_side_by_side(page: Path, results: Rows) -> None:
    """Write the page of pictures and results; the middle of what is larger than a screen.

    Results of different scales are shown at the largest one's size.
    """
    shown = [_shown(picture, name, of) for picture, (name, of) in list(results.items())[:MOST]]
    write_restored(page, shown, left_out=len(results) - len(shown))


def _shown(picture: Path, name: str, results: Mapping[str, Path]) -> RestoredPicture:
    sizes = {model: _size(path) for model, path in results.items()}
    height, width = max(sizes.values())
    given_height, given_width = _size(picture)
    tall, wide = min(1.0, LARGEST / height), min(1.0, LARGEST / width)
    # the same middle part of all of them, in parts of the picture
    part = ((1 - wide) / 2, (1 - tall) / 2, (1 + wide) / 2, (1 + tall) / 2)
    size = (round(width * wide), round(height * tall))
    versions = {"input": _middle(picture, part, size)}
    versions |= {model: _middle(path, part, size) for model, path in results.items()}
    cropped = " (the middle of it is shown)" if min(tall, wide) < 1 else ""
    note = f"{given_width} × {given_height} pixels, restored {width} × {height}{cropped}"
    return RestoredPicture(name, versions, note)


def _size(path: Path) -> tuple[int, int]:
    from lossmith.images.reading import picture_size

    with catch_warnings():
        simplefilter("ignore")
        return picture_size(path)


def _middle(path: Path, part: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    from PIL import Image, ImageOps

    with catch_warnings():
        simplefilter("ignore")  # Pillow warns of large pictures, which are welcome
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
    left, top, right, bottom = part
    box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    resample = Image.Resampling.NEAREST
    middle = image.convert("RGB").resize(size, resample, box=box)
    return np.asarray(middle)
