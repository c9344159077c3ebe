"""The page that shows images and their results side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import picture_size, read_picture
from lossmith.report.data import Pixels
from lossmith.report.display import Display, shows_as_is
from lossmith.report.images import MAX_SIDE
from lossmith.report.pages.side_by_side import RestoredImage, write_restored
from lossmith.restoration import decode, read_header, to_levels

MAX_IMAGES = 24
"""Images on a page, which more would make too large to open."""

Rows = dict[Path, tuple[str, dict[str, Path]]]
"""Image to its name and its results, by model."""


def write_side_by_side(page: Path, results: Rows, verb: str = "restored", pixels: PixelFormat = RGB_8BIT) -> None:
    """Write the page of images and results; large ones are cropped to their center.

    Results of different scales are shown at the size of the largest. `verb` says what was done to the images, and
    `pixels` what they are to the models: 8-bit gray and RGB are shown as they are, all others in the window of the
    image.
    """
    with TemporaryDirectory(prefix=".page-", dir=page.parent) as folder:
        scratch = Path(folder) / "pixels"
        shown = [
            _restored_image(image, name, files, scratch, verb, pixels)
            for image, (name, files) in list(results.items())[:MAX_IMAGES]
        ]
    write_restored(page, shown, left_out=len(results) - len(shown))


def _restored_image(
    image: Path, name: str, results: Mapping[str, Path], scratch: Path, verb: str, pixels: PixelFormat
) -> RestoredImage:
    as_photos = shows_as_is(pixels)
    sizes = {
        path: read_header(path).size if as_photos else picture_size(path) for path in (image, *results.values())
    }
    height, width = max(sizes[path] for path in results.values())
    tall, wide = min(1.0, MAX_SIDE / height), min(1.0, MAX_SIDE / width)
    center = (tall, wide), (round(height * tall), round(width * wide))
    files = {"input": image, **results}
    if as_photos:
        caption = ""
        versions = {version: center_pixels(path, *center, scratch) for version, path in files.items()}
    else:
        pictures = {version: center_picture(path, *center, pixels) for version, path in files.items()}
        display = Display.of(pictures["input"], pixels)
        caption = f". {display.caption[0].upper()}{display.caption[1:]}"
        versions = {version: display.show(picture) for version, picture in pictures.items()}
    cropped = " (the middle of it is shown)" if min(tall, wide) < 1 else ""
    note = f"{sizes[image][1]} × {sizes[image][0]} pixels, {verb} {width} × {height}{cropped}{caption}"
    return RestoredImage(name, versions, note)


def center_picture(
    path: Path, fraction: tuple[float, float], size: tuple[int, int], pixels: PixelFormat
) -> Tensor:
    """The central `fraction` of a picture on the scale of its range, (C, H, W), resized by nearest neighbor."""
    picture = read_picture(path, pixels, nan="mask")
    rows, columns = _places(picture.shape[1:], fraction, size)
    return pixels.to_unit(picture)[:, rows][:, :, columns]


def center_pixels(path: Path, fraction: tuple[float, float], size: tuple[int, int], scratch: Path) -> Pixels:
    """8-bit RGB of the central `fraction` (of height and width) of an image, resized by nearest neighbor.

    The image is decoded into the file `scratch`.
    """
    raster = decode(path, scratch).raster
    rows, columns = _places((raster.height, raster.width), fraction, size)
    pixels = raster.mapped()[rows][:, columns, : 1 if raster.channels < 3 else 3]
    colors: Pixels = np.broadcast_to(to_levels(pixels / np.float32(raster.levels), "uint8"), (*size, 3))
    return colors


def _places(
    sides: Sequence[int], fraction: tuple[float, float], size: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and the columns that are shown of an image with these sides."""
    rows, columns = (
        (length * ((1 - share) / 2 + share * (np.arange(count) + 0.5) / count)).astype(np.intp)
        for length, share, count in zip(sides, fraction, size, strict=True)
    )
    return rows, columns
