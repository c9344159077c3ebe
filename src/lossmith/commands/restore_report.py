"""What models have made of the same images, on one page."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lossmith.report.data import Pixels
from lossmith.report.images import MAX_SIDE
from lossmith.report.pages.side_by_side import RestoredImage, write_restored
from lossmith.restoration import decode, look_at, to_levels

MAX_IMAGES = 24
"""Images on a page, which would otherwise be too heavy to open."""


Rows = dict[Path, tuple[str, dict[str, Path]]]
"""By image: its name, and the results by their models."""


def write_side_by_side(page: Path, results: Rows) -> None:
    """Write the page of images and results; the middle of what is larger than a screen.

    Results of different scales are shown at the largest one's size.
    """
    with TemporaryDirectory(prefix=".page-", dir=page.parent) as folder:
        room = Path(folder) / "pixels"
        shown = [_shown(image, name, of, room) for image, (name, of) in list(results.items())[:MAX_IMAGES]]
    write_restored(page, shown, left_out=len(results) - len(shown))


def _shown(image: Path, name: str, results: Mapping[str, Path], room: Path) -> RestoredImage:
    sizes = {model: look_at(path).size for model, path in results.items()}
    height, width = max(sizes.values())
    given_height, given_width = look_at(image).size
    tall, wide = min(1.0, MAX_SIDE / height), min(1.0, MAX_SIDE / width)
    # the same middle part of all of them, in parts of the image
    part = (tall, wide)
    size = (round(height * tall), round(width * wide))
    versions = {"input": middle_of(image, part, size, room)}
    versions |= {model: middle_of(path, part, size, room) for model, path in results.items()}
    cropped = " (the middle of it is shown)" if min(tall, wide) < 1 else ""
    note = f"{given_width} × {given_height} pixels, restored {width} × {height}{cropped}"
    return RestoredImage(name, versions, note)


def middle_of(path: Path, part: tuple[float, float], size: tuple[int, int], room: Path) -> Pixels:
    """The nearest 8-bit colors of the middle part of an image, (height, width) of it, in a size (height, width).

    Its pixels are decoded at `room`.
    """
    raster = decode(path, room).raster
    rows, columns = (
        (length * ((1 - share) / 2 + share * (np.arange(count) + 0.5) / count)).astype(int)
        for length, share, count in zip((raster.height, raster.width), part, size, strict=True)
    )
    pixels = raster.mapped()[rows][:, columns, : 1 if raster.channels < 3 else 3]
    colors: Pixels = np.broadcast_to(to_levels(pixels / np.float32(raster.levels), "uint8"), (*size, 3))
    return colors
