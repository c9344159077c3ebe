"""The page that shows images and their results side by side."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lossmith.report.data import Pixels
from lossmith.report.images import MAX_SIDE
from lossmith.report.pages.side_by_side import RestoredImage, write_restored
from lossmith.restoration import decode, read_header, to_levels

MAX_IMAGES = 24
"""Images on a page, which more would make too large to open."""

Rows = dict[Path, tuple[str, dict[str, Path]]]
"""Image to its name and its results, by model."""


def write_side_by_side(page: Path, results: Rows, verb: str = "restored") -> None:
    """Write the page of images and results; large ones are cropped to their center.

    Results of different scales are shown at the size of the largest. `verb` says what was done to the images.
    """
    with TemporaryDirectory(prefix=".page-", dir=page.parent) as folder:
        scratch = Path(folder) / "pixels"
        shown = [
            _restored_image(image, name, files, scratch, verb)
            for image, (name, files) in list(results.items())[:MAX_IMAGES]
        ]
    write_restored(page, shown, left_out=len(results) - len(shown))


def _restored_image(
    image: Path, name: str, results: Mapping[str, Path], scratch: Path, verb: str
) -> RestoredImage:
    sizes = {model: read_header(path).size for model, path in results.items()}
    height, width = max(sizes.values())
    input_height, input_width = read_header(image).size
    tall, wide = min(1.0, MAX_SIDE / height), min(1.0, MAX_SIDE / width)
    fraction = (tall, wide)
    size = (round(height * tall), round(width * wide))
    versions = {"input": center_pixels(image, fraction, size, scratch)}
    versions |= {model: center_pixels(path, fraction, size, scratch) for model, path in results.items()}
    cropped = " (the middle of it is shown)" if min(tall, wide) < 1 else ""
    note = f"{input_width} × {input_height} pixels, {verb} {width} × {height}{cropped}"
    return RestoredImage(name, versions, note)


def center_pixels(path: Path, fraction: tuple[float, float], size: tuple[int, int], scratch: Path) -> Pixels:
    """8-bit RGB of the central `fraction` (of height and width) of an image, resized by nearest neighbor.

    The image is decoded into the file `scratch`.
    """
    raster = decode(path, scratch).raster
    rows, columns = (
        (length * ((1 - share) / 2 + share * (np.arange(count) + 0.5) / count)).astype(int)
        for length, share, count in zip((raster.height, raster.width), fraction, size, strict=True)
    )
    pixels = raster.mapped()[rows][:, columns, : 1 if raster.channels < 3 else 3]
    colors: Pixels = np.broadcast_to(to_levels(pixels / np.float32(raster.levels), "uint8"), (*size, 3))
    return colors
