"""A remark on images that use a small part of the range, which makes them look flat to many metrics and losses."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data.picture_reader import PictureReader
from lossmith.data.selection import evenly_spread

logger = logging.getLogger(__name__)

SMALL_SHARE = 0.25
"""Of the range."""
MAX_IMAGES, MAX_VALUES = 8, 1 << 16
"""How many images are looked at, and how many values of each."""
PERCENTS = (0.1, 99.9)
"""What lies outside is taken for outliers, such as hot pixels."""


def range_remarks(paths: Sequence[Path], reader: PictureReader) -> tuple[str, ...]:
    """A remark where the values of all images lie in a small part of their range; it is logged, too.

    Of images of 8 bits there is none: they are photographs, whose range is the convention. Images that cannot be
    read are left to whoever reads them next.
    """
    pixels = reader.pixels
    if pixels.is_8bit:
        return ()
    ends = np.array([*_ends(evenly_spread(paths, MAX_IMAGES), reader)]).reshape(-1, 2)
    if not len(ends) or np.ptp(ends) > SMALL_SHARE:
        return ()
    low, high = (pixels.low + end * pixels.span for end in (ends.min(), ends.max()))
    digits = ".0f" if pixels.holds_integers else ".4g"
    remark = (
        f"the images use {low:{digits}} to {high:{digits}} of the range from {pixels.low:g} to {pixels.high:g}: "
        "to SSIM, and all that knows photographs, they are nearly flat; `range=p0.1:p99.9` fits the range to them"
    )
    logger.warning(remark)
    return (remark,)


def _ends(paths: Sequence[Path], reader: PictureReader) -> Iterator[tuple[float, float]]:
    """Low and high percentiles of each image, on the scale of the range."""
    for path in paths:
        with suppress(LossmithError):
            values = _some_values(reader.pixels.to_unit(reader.read(path).target))
            low, high = np.percentile(values, PERCENTS)
            yield float(low), float(high)


def _some_values(image: Tensor) -> NDArray[Any]:
    finite = image[image.isfinite()]
    values: NDArray[Any] = finite[:: max(1, len(finite) // MAX_VALUES)].numpy()
    return values


__all__ = ["range_remarks"]
