"""Remarks on ranges that do not fit the images: most of it is not used, or most of them lie outside."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data.picture_reader import PictureReader
from lossmith.data.selection import evenly_spread

logger = logging.getLogger(__name__)

SMALL_SHARE = 0.25
"""Of the range, and of the pixels."""
MAX_IMAGES, MAX_VALUES = 8, 1 << 16
"""How many images are looked at, and how many values of each."""
PERCENTS = (0.1, 99.9)
"""What lies outside is taken for outliers, such as hot pixels."""


def range_remarks(paths: Sequence[Path], reader: PictureReader, chosen: bool) -> tuple[str, ...]:
    """A remark where the range does not fit the images; it is logged, too.

    Of a range that was not chosen this is said where the values of all images lie in a small part of it, which
    makes them look flat to many metrics and losses; and of one that was chosen where most values lie outside. Of
    images of 8 bits there is none: they are photographs, whose range is the convention. Images that cannot be read
    are left to whoever reads them next.

    Raises LossmithError for a range that was chosen and within which no value lies.
    """
    if reader.pixels.is_8bit:
        return ()
    paths = evenly_spread(paths, MAX_IMAGES)
    remarks = _missed_range(paths, reader) if chosen else _unused_range(paths, reader)
    for remark in remarks:
        logger.warning(remark)
    return remarks


def _missed_range(paths: Sequence[Path], reader: PictureReader) -> tuple[str, ...]:
    values = np.concatenate([*_values(paths, reader), np.empty(0)])
    inside = np.mean((values >= 0) & (values <= 1)) if len(values) else 1
    if inside >= SMALL_SHARE:
        return ()
    pixels = reader.pixels
    low, high = (_written(pixels.low + end * pixels.span, pixels) for end in (values.min(), values.max()))
    limits = f"`range={':'.join(pixels.ends)}`"
    if not inside:
        raise LossmithError(f"the images go from {low} to {high}, and no pixel lies within {limits}; say another")
    outside = int(100 * (1 - inside))
    return (f"{outside} % of the pixels of the images, which go from {low} to {high}, lie outside {limits}",)


def _unused_range(paths: Sequence[Path], reader: PictureReader) -> tuple[str, ...]:
    pixels = reader.pixels
    ends = np.array([np.percentile(values, PERCENTS) for values in _values(paths, reader)])
    if not len(ends) or not 0 < np.ptp(ends) <= SMALL_SHARE:  # nothing fits images of one value
        return ()
    low, high = (_written(pixels.low + end * pixels.span, pixels) for end in (ends.min(), ends.max()))
    return (
        f"the images use {low} to {high} of the range from {' to '.join(pixels.ends)}: to SSIM, and all "
        "that knows photographs, they are nearly flat; `range=p0.1:p99.9` fits the range to them",
    )


def _written(value: float, pixels: PixelFormat) -> str:
    return f"{value:.0f}" if pixels.holds_integers else f"{value:.4g}"


def _values(paths: Sequence[Path], reader: PictureReader) -> Iterator[NDArray[Any]]:
    """Some values of each image, on the scale of the range."""
    for path in paths:
        with suppress(LossmithError):
            image = reader.pixels.to_unit(reader.read(path).target)
            finite = image[image.isfinite()]
            yield finite[:: max(1, len(finite) // MAX_VALUES)].numpy()


__all__ = ["range_remarks"]
