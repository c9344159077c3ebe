"""TIFF files of any depth and number of channels, by tifffile; by libvips what that cannot unpack."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.core.pixel_format import DTYPES
from lossmith.data.reading import CMYK, TRANSPARENT, apply_orientation, errors_as_sentences, image_error
from lossmith.data.tiff import ALPHA_SAMPLES, REDUCED_SIZE

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

ORIENTATION, SMALLEST_VALUE, LARGEST_VALUE = 274, 340, 341
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK_COLORS, YCBCR = 0, 1, 2, 3, 5, 6
COLOR_MODES = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv"}
RAW_COLORS = (32803, 34892)
"""Photometric interpretations of a camera's raw files: a color filter array, and linear raw."""
JPEG_COMPRESSIONS = (6, 7)
AXIS_NAMES = {"T": "times", "Z": "depths", "I": "pages", "Q": "pages", "P": "places", "A": "angles", "M": "parts"}


@dataclass(frozen=True)
class TiffLayout:
    """How the one picture of a TIFF is stored."""

    height: int
    width: int
    """Both before the orientation is applied."""
    channels: int
    """Without alpha."""
    dtype: str
    bits: int
    """Of a value, at most those of the type."""
    alpha: bool
    white_is_zero: bool
    orientation: int
    stated_range: tuple[float, float] | None
    by_pillow: bool
    """Whether it is a palette or packed as JPEG, which Pillow reads, as 8-bit RGB."""


@contextmanager
def open_tiff(path: Path) -> Iterator["TiffFile"]:
    """The file, opened by tifffile; errors within the block become one sentence."""
    import tifffile

    with errors_as_sentences(path), tifffile.TiffFile(path) as tiff:
        yield tiff


def tiff_layout(path: Path, tiff: "TiffFile") -> TiffLayout:
    """The layout of an open TIFF.

    Raises LossmithError for stacks and series, for color spaces other than gray and RGB, and for types that are
    not read.
    """
    page: Any = tiff.pages[0]
    if int(page.subfiletype) & REDUCED_SIZE or page.photometric in RAW_COLORS:
        raise image_error(path, "is the raw file of a camera; develop it first")
    if page.photometric in (PALETTE, YCBCR) or page.compression in JPEG_COMPRESSIONS:
        return _layout_for_pillow(page)
    if page.photometric == CMYK_COLORS:
        raise image_error(path, CMYK)
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        space = COLOR_MODES.get(int(page.photometric), f"colors of kind {int(page.photometric)}")
        raise image_error(path, f"is a TIFF in {space}; convert it to RGB first")
    series = _only_series(path, tiff)
    page = series.keyframe
    _check_type(path, page)
    _check_extent(path, tiff)
    sizes = dict(zip(series.axes, series.shape, strict=True))
    samples = sizes.get("S", 1) * sizes.get("C", 1)
    colors = 3 if page.photometric == RGB else 1
    alpha = samples == colors + 1 and "C" not in sizes and int(page.extrasamples[-1]) in ALPHA_SAMPLES
    return TiffLayout(
        sizes.get("Y", 1),
        sizes.get("X", 1),
        samples - alpha,
        page.dtype.name,
        _bits(page),
        alpha,
        page.photometric == WHITE_IS_ZERO,
        _orientation(page),
        _stated_range(page),
        False,
    )


def _layout_for_pillow(page: "TiffPage") -> TiffLayout:
    gray = page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    size = page.imagelength, page.imagewidth
    return TiffLayout(*size, 1 if gray else 3, "uint8", 8, False, False, _orientation(page), None, True)


def _only_series(path: Path, tiff: "TiffFile") -> "TiffPageSeries":
    """The picture of a file, which may have smaller copies; raises LossmithError for several pictures."""
    series = [one for one in tiff.series if not int(one.keyframe.subfiletype) & REDUCED_SIZE]
    if len(series) != 1:
        raise image_error(path, f"holds {len(series)} pictures; save the one you mean by itself")
    axes = dict(zip(series[0].axes, series[0].shape, strict=True))
    stacked = {axis: size for axis, size in axes.items() if axis not in "YXSC"}
    if stacked or {"S", "C"} <= set(axes):
        count = int(np.prod([*stacked.values()])) if stacked else axes["C"]
        kinds = " and ".join(AXIS_NAMES.get(axis, f"axis {axis}") for axis in stacked) or "colors"
        raise image_error(
            path,
            f"holds a stack of {count} pictures ({kinds}); write each into a file of its own, in Python: "
            f"`for i, plane in enumerate(tifffile.imread({path.name!r})): "
            f"tifffile.imwrite(f'{path.stem}-{{i}}.tif', plane)`; "
            "or, if they are channels, save them with `metadata={'axes': 'CYX'}`",
        )
    return series[0]


def _check_type(path: Path, page: "TiffPage") -> None:
    if page.dtype is None:
        raise image_error(path, f"holds {page.bitspersample} bits per value; convert it to 8, 16 or 32 bits")
    if page.dtype.name == "bool":
        raise image_error(path, "is a picture of 1 bit, black and white; convert it to 8 bits first")
    if page.dtype.name not in DTYPES:
        raise image_error(path, f"holds values of {page.dtype.name}; {', '.join(DTYPES)} are read")
    if page.photometric == WHITE_IS_ZERO and page.dtype.kind != "u":
        raise image_error(path, f"has 0 for white in values of {page.dtype.name}; save it with 0 for black")


def _check_extent(path: Path, tiff: "TiffFile") -> None:
    """Raise ValueError where pixels lie beyond the end of the file: tifffile would not."""
    size = path.stat().st_size
    for page in tiff.pages:
        parts = zip(page.dataoffsets, page.databytecounts, strict=False)
        if any(offset + count > size for offset, count in parts):
            raise ValueError("it ends too early")


def _bits(page: "TiffPage") -> int:
    bits: Any = page.bitspersample
    return int(max(bits) if isinstance(bits, tuple) else bits)


def _orientation(page: "TiffPage") -> int:
    tag = page.tags.get(ORIENTATION)
    return int(tag.value) if tag is not None else 1


def _stated_range(page: "TiffPage") -> tuple[float, float] | None:
    """The smallest and the largest value, where the file states them for all samples."""
    low, high = (page.tags.get(tag) for tag in (SMALLEST_VALUE, LARGEST_VALUE))
    if low is None or high is None:
        return None
    limits = float(np.min(low.value)), float(np.max(high.value))
    return limits if np.isfinite(limits).all() and limits[0] < limits[1] else None


def read_tiff_values(path: Path) -> NDArray[Any] | None:
    """(H, W, C) upright, in the type of the file, without alpha, which must be opaque; None if Pillow reads it."""
    with open_tiff(path) as tiff:
        layout = tiff_layout(path, tiff)
        if layout.by_pillow:
            return None
        series = _only_series(path, tiff)
        values = _unpacked(path, series)
        axes = series.axes
    last = [axis for axis in axes if axis not in "YX"]
    order = [axes.index(axis) for axis in ("Y", "X", *last)]
    values = values.transpose(order).reshape(layout.height, layout.width, -1)
    if layout.alpha:
        opaque = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
        if (values[..., -1] != opaque).any():
            raise image_error(path, TRANSPARENT)
        values = values[..., :-1]
    if layout.white_is_zero:
        values = ((1 << layout.bits) - 1 - values).astype(layout.dtype)
    return apply_orientation(values, layout.orientation)


def _unpacked(path: Path, series: "TiffPageSeries") -> NDArray[Any]:
    """The values of a picture, of the shape of the series and in the byte order of this machine."""
    page: Any = series.keyframe
    try:
        values: NDArray[Any] = series.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        pages = [_unpacked_by_vips(path, number, page) for number in _page_numbers(series)]
        values = np.stack(pages).reshape(series.shape)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _page_numbers(series: "TiffPageSeries") -> list[int]:
    return [page.index for page in series.pages if page is not None]


def _unpacked_by_vips(path: Path, number: int, page: Any) -> NDArray[Any]:
    """One page, of the shape that tifffile gives it."""
    import pyvips

    try:
        image = pyvips.Image.new_from_file(str(path), page=number, access="sequential", fail_on="error")
        values: NDArray[Any] = image.numpy()
    except pyvips.Error as error:
        packing = f"is packed by {page.compression.name}, which is not read; save it packed by Deflate (ZIP)"
        raise image_error(path, packing) from error
    if page.axes.startswith("S"):
        values = values.transpose(2, 0, 1)
    return values.reshape(page.shape).astype(page.dtype)
