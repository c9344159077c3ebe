"""TIFF files of any depth and number of channels, by tifffile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.data.headers import COLOR_SPACE_REMARK, MULTI_IMAGE_REMARK, profile_unlike_srgb
from lossmith.data.reading import CMYK, NO_PIXELS, TRANSPARENT, apply_orientation, errors_as_sentences, image_error
from lossmith.data.tiff import ALPHA_SAMPLES, REDUCED_SIZE
from lossmith.data.tiff_segments import unpack_page

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

ORIENTATION, SMALLEST_VALUE, LARGEST_VALUE = 274, 340, 341
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK_COLORS, YCBCR = 0, 1, 2, 3, 5, 6
COLOR_MODES = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv"}
RAW_COLORS = (32803, 34892)
"""Photometric interpretations of a camera's raw files: a color filter array, and linear raw."""
PILLOW_BITS = (1, 2, 4)
PILLOW_COMPRESSIONS = (6, 7, 50001)
"""JPEG of both kinds, and WebP."""
MAX_LIKELY_CHANNELS = 16
MAX_UNCHECKED_BYTES = 1 << 27
"""Bytes of pixels up to which a file is believed."""
MAX_UNPACKING = 2000
"""Bytes of pixels that a byte of a file may hold: Deflate and LZW compress 1400 to 1 at most."""
AXIS_NAMES = {"T": "times", "Z": "depths", "I": "pages", "Q": "pages", "R": "regions", "A": "angles"}


@dataclass(frozen=True)
class TiffLayout:
    """How the one picture of a TIFF is stored."""

    height: int
    width: int
    """Both before the orientation is applied."""
    channels: int
    """Without alpha."""
    dtype: str
    alpha: bool
    white_is_zero: bool
    orientation: int
    stated_range: tuple[float, float] | None
    unused: tuple[str, ...]
    """Phrases about content that is not read."""


@contextmanager
def open_tiff(path: Path) -> Iterator["TiffFile"]:
    """The file, opened by tifffile; errors within the block become one sentence."""
    import tifffile

    # of a set of OME-TIFF files each is a picture: tifffile would read all of them, and zeros for missing ones
    with errors_as_sentences(path), tifffile.TiffFile(path, _multifile=False) as tiff:
        yield tiff


def tiff_layout(path: Path, tiff: "TiffFile") -> TiffLayout | None:
    """The layout of an open TIFF; None if Pillow is to read it, as palettes, JPEG, and fewer than 8 bits.

    Raises LossmithError for stacks and series, and for color spaces other than gray and RGB.
    """
    page: Any = tiff.pages[0]
    if int(page.subfiletype) & REDUCED_SIZE or page.photometric in RAW_COLORS:
        raise image_error(path, "is the raw file of a camera; develop it first")
    if page.photometric == CMYK_COLORS:
        raise image_error(path, CMYK)
    series = _only_series(path, tiff)
    bits = {page.bitspersample} if isinstance(page.bitspersample, int) else set(page.bitspersample)
    lossy = page.compression in PILLOW_COMPRESSIONS and page.samplesperpixel <= 4
    few_bits = bits <= set(PILLOW_BITS) and page.samplesperpixel == 1
    if page.photometric in (PALETTE, YCBCR) or lossy or few_bits:
        return None
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        space = COLOR_MODES.get(int(page.photometric), f"colors of kind {int(page.photometric)}")
        raise image_error(path, f"is a TIFF in {space}; convert it to RGB first")
    if page.dtype is None or bits != {8 * page.dtype.itemsize}:
        depths = " and ".join(str(depth) for depth in sorted(bits))
        raise image_error(path, f"holds {depths} bits per value; save it with 8, 16 or 32")
    if page.photometric == WHITE_IS_ZERO and page.dtype.kind != "u":
        raise image_error(path, f"has 0 for white in values of {page.dtype.name}; save it with 0 for black")
    _check_extent(path, tiff, series)
    sizes = dict(zip(series.axes, series.shape, strict=True))
    samples = sizes.get("S", sizes.get("C", 1))
    colors = 3 if page.photometric == RGB else 1
    alpha = samples == colors + 1 and "C" not in sizes and int(page.extrasamples[-1]) in ALPHA_SAMPLES
    return TiffLayout(
        sizes.get("Y", 1),
        sizes.get("X", 1),
        samples - alpha,
        page.dtype.name,
        alpha,
        page.photometric == WHITE_IS_ZERO,
        int(page.tags.valueof(ORIENTATION, 1)),
        _stated_range(page),
        tuple(_unused_content(tiff, series)),
    )


def _only_series(path: Path, tiff: "TiffFile") -> "TiffPageSeries":
    """The picture of a file, which may have smaller copies; raises LossmithError for several pictures."""
    series = [one for one in tiff.series if not int(one.keyframe.subfiletype) & REDUCED_SIZE]
    if len(series) != 1:
        raise image_error(path, f"holds {len(series)} images of different kinds; save the one you mean by itself")
    if any(page is None for page in series[0].pages):
        raise ValueError("pages are missing")
    _refuse_stack(path, series[0].axes, series[0].shape)
    return series[0]


def _refuse_stack(path: Path, axes: str, shape: tuple[int, ...]) -> None:
    """Raise LossmithError for axes that tell pictures apart, with how to split them."""
    known = "YXS" if "S" in axes else "YXC"
    stacked = {axis: size for axis, size in zip(axes, shape, strict=True) if axis not in known}
    if not stacked:
        return
    count = int(np.prod([*stacked.values()]))
    kinds = " and ".join(AXIS_NAMES.get(axis, f"axis {axis}") for axis in stacked)
    inner = axes[len(stacked) :]
    advice = "save the one you mean by itself"
    if set(inner) <= set(known):  # otherwise channels come before the axes of the stack
        sizes = ", ".join(str(size) for size in shape[len(stacked) :])
        flattened = f".reshape(-1, {sizes})" if len(stacked) > 1 else ""
        options = {"C": ", photometric='minisblack', metadata={'axes': 'CYX'}", "S": ", photometric='rgb'"}
        kept = next((options[axis] for axis in inner if axis in options), "")
        advice = (
            f"make a file of each by `for i, image in enumerate(tifffile.imread({path.name!r}){flattened}): "
            f"tifffile.imwrite(f{f'{path.stem}-{{i}}.tif'!r}, image{kept})`"
        )
    if set(stacked) <= set("IQ"):
        # an array (H, W, C) that was written without a word about its axes is a stack of narrow pages
        last_are_channels = shape[-1] <= MAX_LIKELY_CHANNELS < shape[-2]
        advice += ", or if they are channels, save them with "
        advice += "`planarconfig='contig'`" if last_are_channels else "`metadata={'axes': 'CYX'}`"
    raise image_error(path, f"holds a stack of {count} images ({kinds}); {advice}")


def _check_extent(path: Path, tiff: "TiffFile", series: "TiffPageSeries") -> None:
    """Raise ValueError where pixels lie beyond the end of the file, and LossmithError for bombs."""
    size = path.stat().st_size
    if 0 in series.shape:
        raise image_error(path, NO_PIXELS)
    if series.nbytes > max(MAX_UNCHECKED_BYTES, MAX_UNPACKING * size):
        raise image_error(path, "says that it holds more than so small a file can; it may be a decompression bomb")
    for page in tiff.pages:
        if any(sum(part) > size for part in zip(page.dataoffsets, page.databytecounts, strict=False)):
            raise ValueError("it ends too early")


def _stated_range(page: Any) -> tuple[float, float] | None:
    """The smallest and the largest value, where the file states them for all samples."""
    low, high = page.tags.valueof(SMALLEST_VALUE), page.tags.valueof(LARGEST_VALUE)
    if low is None or high is None:
        return None
    limits = float(np.min(low)), float(np.max(high))
    return limits if np.isfinite(limits).all() and limits[0] < limits[1] else None


def _unused_content(tiff: "TiffFile", series: "TiffPageSeries") -> Iterator[str]:
    if len(tiff.pages) > len(series.pages):
        yield MULTI_IMAGE_REMARK
    profile = series.keyframe.iccprofile
    if profile and (space := profile_unlike_srgb(bytes(profile))):
        yield COLOR_SPACE_REMARK.format(space)


def read_tiff_values(path: Path) -> NDArray[Any] | None:
    """(H, W, C) upright, in the type of the file, without alpha, which must be opaque; None if Pillow reads it."""
    with open_tiff(path) as tiff:
        layout = tiff_layout(path, tiff)
        if layout is None:
            return None
        series = _only_series(path, tiff)
        values = _series_values(path, series)
        axes = series.axes
    order = [axes.index(axis) for axis in ("Y", "X", *(axis for axis in axes if axis not in "YX"))]
    pixels = values.transpose(order).reshape(layout.height, layout.width, -1)
    if layout.alpha:
        opaque = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        if (pixels[..., -1] != opaque).any():
            raise image_error(path, TRANSPARENT)
        pixels = pixels[..., :-1]
    if layout.white_is_zero:
        pixels = np.iinfo(pixels.dtype).max - pixels
    return apply_orientation(pixels, layout.orientation)


def _series_values(path: Path, series: "TiffPageSeries") -> NDArray[Any]:
    """The values of a picture, of the shape of the series and in the byte order of this machine."""
    try:
        values: NDArray[Any] = series.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        values = np.stack([_unpacked(path, page) for page in series.pages]).reshape(series.shape)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _unpacked(path: Path, page: Any) -> NDArray[Any]:
    try:
        return unpack_page(page)
    except OSError as error:  # of Pillow
        reason = "is damaged, or packed by {}, which is not read; save it packed by Deflate (ZIP)"
        raise image_error(path, reason.format(page.keyframe.compression.name)) from error
