"""Which format of pixels a study has: that of its files, or what its options say."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError, and_more
from lossmith.core.pixel_format import STORED_AS_THEY_ARE, PixelFormat
from lossmith.data.picture_headers import (
    PictureHeaders,
    channels_error,
    channels_phrase,
    read_picture_headers,
)
from lossmith.data.pictures import read_picture

logger = logging.getLogger(__name__)

Channels = Literal["auto"] | int
Value = TypeVar("Value", bound=np.generic)
NanRule = Literal["refuse", "mask"]
MAX_PERCENTILE_VALUES = 1 << 24
"""Values of floats, or of 32 bits, from which percentiles are taken at most; all are of 8 and 16 bits."""
GRAY_TO_RGB = "gray becomes three equal channels"
RGB_TO_GRAY = "color becomes gray, by the luma of BT.601"


def choose_pixels(
    paths: Sequence[Path],
    channels: Channels = "auto",
    range: str = "auto",
    *,
    headers: PictureHeaders | None = None,
    nan: NanRule = "refuse",
    others: Sequence[Path] = (),
) -> tuple[PixelFormat, tuple[str, ...]]:
    """The format of pictures, and remarks about those that will be converted to it, which are logged too.

    Parameters
    ----------
    paths
        The training images of a study, or where there are none, its test images.
    channels
        "auto" for what all of them have; or 1 or 3, to which color and gray are converted; or what they have.
    range
        "auto" for all that their whole numbers can hold, or what files of floats state; "LOW:HIGH"; or percentiles
        of all values, "pLOW:pHIGH".
    headers
        The headers of the files, where they were read already.
    nan
        Whether pixels that are NaN or infinite are refused or left out where percentiles are taken.
    others
        Further pictures, that must be of the format or are converted to it, such as test images.

    Raises
    ------
    LossmithError
        For files of different types, or of different channels with "auto"; and for a range that is not one, or is
        missing where the files are of floats.
    """
    limits = _parse_range(range)
    headers = headers or read_picture_headers([*paths, *others])
    dtype = common_type(headers, paths)
    count = _common_channels(headers, paths) if channels == "auto" else channels
    remarks = check_pictures(headers, PixelFormat(count, dtype), [*paths, *others], convert=channels != "auto")
    if limits is None:
        return _default_format(headers, paths, count, dtype), remarks
    low, high = _resolved(limits, headers, paths, PixelFormat(count, dtype, 0, 1), nan)
    return PixelFormat(count, dtype, low, high), remarks


def check_pictures(
    headers: PictureHeaders, pixels: PixelFormat, paths: Iterable[Path] | None = None, *, convert: bool
) -> tuple[str, ...]:
    """Remarks about pictures that are converted to the channels of a format; they are logged, too.

    Parameters
    ----------
    headers
        Of the pictures.
    pixels
        The format of the study or the model.
    paths
        Which of the pictures [default: all].
    convert
        Whether color may become gray, as an option `channels` allows; gray may always become RGB.

    Raises
    ------
    LossmithError
        For pictures of another type, and of channels that are not converted.
    """
    converted: dict[str, list[Path]] = {}
    for path in headers.pictures if paths is None else paths:
        header = headers.pictures[path]
        if header.dtype != pixels.dtype:
            raise LossmithError(
                f"image '{path}' holds values of {header.dtype}, and {pixels.dtype} is asked for; convert it first"
            )
        if header.channels == pixels.channels:
            continue
        if (header.channels, pixels.channels) == (1, 3):
            converted.setdefault(GRAY_TO_RGB, []).append(path)
        elif (header.channels, pixels.channels) == (3, 1) and convert:
            converted.setdefault(RGB_TO_GRAY, []).append(path)
        else:
            way_out = "; `channels=1` makes gray of it" if (header.channels, pixels.channels) == (3, 1) else ""
            raise LossmithError(f"{channels_error(path, header.channels, pixels.channels)}{way_out}")
    remarks = tuple(f"{phrase}: {and_more(files)}" for phrase, files in converted.items())
    for remark in remarks if convert else ():
        logger.warning(remark)
    return remarks if convert else ()


def common_type(headers: PictureHeaders, paths: Sequence[Path]) -> str:
    """The type of the values of all these pictures; raises LossmithError where they have several."""
    first = headers.pictures[paths[0]].dtype
    if other := next((path for path in paths if headers.pictures[path].dtype != first), None):
        both = f"'{paths[0]}' holds {first} and '{other}' {headers.pictures[other].dtype}"
        raise LossmithError(f"images of one study are of one type, but {both}; convert them to one")
    return first


def _common_channels(headers: PictureHeaders, paths: Sequence[Path]) -> int:
    first = headers.pictures[paths[0]].channels
    other = next((path for path in paths if headers.pictures[path].channels != first), None)
    if other is None:
        return first
    kinds = first, headers.pictures[other].channels
    both = f"'{paths[0]}' {channels_phrase(kinds[0])} and '{other}' {channels_phrase(kinds[1])}"
    way_out = "say `channels=1` or `channels=3` to convert them" if set(kinds) == {1, 3} else "take them apart"
    raise LossmithError(f"images of one study have the same channels, but {both}; {way_out}")


def _default_format(headers: PictureHeaders, paths: Sequence[Path], channels: int, dtype: str) -> PixelFormat:
    """The format with the full range of whole numbers, or with the range that files of floats state."""
    if not dtype.startswith("float"):
        return PixelFormat.full_range(channels, dtype)
    stated = {headers.pictures[path].stated_range: path for path in paths}
    if None in stated:
        raise LossmithError(
            f"image '{stated[None]}' holds floats, whose range must be said: `range=0:1`, if 0 is black and 1 is "
            "white, or `range=p1:p99.9`, percentiles of all images"
        )
    if len(stated) > 1:
        names = " and ".join(f"'{path}'" for path in [*stated.values()][:2])
        raise LossmithError(f"images {names} state different ranges; say one for all by `range`")
    (limits,) = stated
    assert limits is not None
    return PixelFormat(channels, dtype, *limits)


Limit = tuple[bool, float]
"""Whether it is a percentile, and the number."""


def _parse_range(text: str) -> tuple[Limit, Limit] | None:
    """Both ends of a range; None for "auto"."""
    if text == "auto":
        return None
    sides = str(text).split(":")
    limits = []
    for side in sides:
        percentile = side.strip().lower().startswith("p")
        try:
            number = float(re.sub(r"^\s*[pP]", "", side))
        except ValueError:
            number = np.nan
        limits.append((percentile, number))
    if len(limits) != 2 or not all(np.isfinite(n) and (not p or 0 <= n <= 100) for p, n in limits):
        raise LossmithError(
            f"`range={text}` is not a range; write two numbers, 0:4095, or percentiles, p1:p99.9, or auto"
        )
    return limits[0], limits[1]


def _resolved(
    limits: tuple[Limit, Limit], headers: PictureHeaders, paths: Sequence[Path], pixels: PixelFormat, nan: NanRule
) -> tuple[float, float]:
    """Both ends of a range as numbers."""
    wanted = [number for percentile, number in limits if percentile]
    numbers = iter(percentiles(headers, paths, pixels, wanted, nan) if wanted else ())
    low, high = (next(numbers) if percentile else number for percentile, number in limits)
    if wanted and not low < high:
        raise LossmithError(
            f"the range goes from {low:g} to {high:g} by these percentiles, which is empty; take others"
        )
    return low, high


def percentiles(
    headers: PictureHeaders,
    paths: Sequence[Path],
    pixels: PixelFormat,
    percents: Sequence[float],
    nan: NanRule = "refuse",
) -> list[float]:
    """Percentiles of all values of pictures, in the unit of the files: values that occur, not means of two.

    Those of 8 and 16 bits are exact; of other types at most about `MAX_PERCENTILE_VALUES` values are taken, evenly
    spread over every picture. NaN is left out.

    `pixels` has the type and the channels to which the pictures are converted, and the range 0 to 1.
    """
    ranks = np.asarray(percents, np.float64) / 100
    if pixels.dtype in STORED_AS_THEY_ARE:
        lowest = np.iinfo(pixels.dtype).min

        def count(path: Path) -> NDArray[np.int64]:
            values = read_picture(path, pixels).numpy().reshape(-1)
            return np.bincount(values.astype(np.int64) - lowest, minlength=1 << 16)

        cumulated = np.cumsum(sum(_in_threads(count, paths)))
        return [float(lowest + np.searchsorted(cumulated, max(rank * cumulated[-1], 1))) for rank in ranks]
    total = pixels.channels * sum(height * width for height, width in headers.of(paths))
    step = max(1, total // MAX_PERCENTILE_VALUES) | 1  # odd, so that it goes through all columns of most pictures

    def take(path: Path) -> NDArray[np.float32]:
        values: NDArray[np.float32] = read_picture(path, pixels, nan).numpy().reshape(-1)[::step]
        return values[np.isfinite(values)]

    finite = np.concatenate([*_in_threads(take, paths)])
    if not len(finite):
        raise LossmithError("`range` cannot be percentiles of images whose pixels are all NaN")
    return [float(value) for value in np.quantile(finite, ranks, method="inverted_cdf")]


def _in_threads(function: Callable[[Path], NDArray[Value]], paths: Sequence[Path]) -> Iterator[NDArray[Value]]:
    """What a function finds in each file, in order."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(function, paths)
