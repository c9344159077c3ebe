"""The headers of pictures of any depth and number of channels."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import DTYPES, describe_channels
from lossmith.data.headers import log_remarks, read_each, unused_content
from lossmith.data.reading import (
    TRANSPOSED_ORIENTATIONS,
    check_header,
    errors_as_sentences,
    image_error,
    open_image,
    raw_mode_of,
    size_of,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from lossmith.data.tiff_pictures import TiffLayout

TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
NUMPY_MARK = b"\x93NUMPY"


@dataclass(frozen=True)
class PictureHeader:
    """What the header of a picture says: its size, its channels, and the type of its values."""

    height: int
    width: int
    """Both after the EXIF orientation is applied."""
    channels: int
    """Without alpha; 3 for palettes."""
    dtype: str
    """One of `lossmith.core.pixel_format.DTYPES`."""
    stated_range: tuple[float, float] | None = None
    """The smallest and the largest value, where the file states them."""
    unused: tuple[str, ...] = ()
    """Phrases about content that is not read."""

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    def __str__(self) -> str:
        return f"{describe_channels(self.channels)} of {self.dtype}"


@dataclass(frozen=True)
class PictureHeaders:
    """The headers of pictures."""

    pictures: dict[Path, PictureHeader]
    remarks: tuple[str, ...] = ()
    """Sentences about content that is not read; each names a file, and how many more."""

    def of(self, paths: Iterable[Path]) -> list[tuple[int, int]]:
        """The sizes, (height, width), of some of the files."""
        return [self.pictures[path].size for path in paths]

    def only(self, paths: Iterable[Path]) -> "PictureHeaders":
        """The headers of some of the files, without remarks."""
        return PictureHeaders({path: self.pictures[path] for path in paths})


def read_picture_headers(paths: Iterable[Path], strict: bool = True) -> PictureHeaders:
    """Read the headers of pictures, and report content that is not read.

    If `strict`, raises LossmithError for the first file that cannot be read, with the number of others; otherwise
    such files are left out.
    """
    headers = read_each(paths, read_picture_header, strict)
    return PictureHeaders(headers, log_remarks({path: header.unused for path, header in headers.items()}))


def read_picture_header(path: str | Path) -> PictureHeader:
    """The header of a picture; its pixels are not decoded.

    Raises LossmithError as `read_picture` does, as far as the header tells.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "numpy":
        return _numpy_header(path)
    if kind == "tiff":
        from lossmith.data.tiff_pictures import open_tiff, tiff_layout

        with open_tiff(path) as tiff:
            if layout := tiff_layout(path, tiff):
                check_type(path, layout.dtype)
                return _tiff_header(layout)
    with open_image(path) as image:
        dtype = "uint16" if check_header(path, image) else "bool" if image.mode == "1" else "uint8"
        check_type(path, dtype)
        return PictureHeader(*size_of(image), channels_of(image), dtype, None, tuple(unused_content(image)))


def picture_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the picture that `read_picture` returns, from the header of the file alone."""
    return read_picture_header(path).size


def kind_of(path: Path) -> str:
    """Which reader a file is for: "tiff", "numpy", or "pillow" for all others."""
    with errors_as_sentences(path), path.open("rb") as file:
        begin = file.read(len(NUMPY_MARK))
    return "tiff" if begin[:4] in TIFF_MARKS else "numpy" if begin == NUMPY_MARK else "pillow"


def channels_of(image: "Image") -> int:
    """Channels of an open file without alpha: 1 for gray, 3 for RGB and palettes."""
    # Pillow opens gray of 16 bits with alpha as a mode of colors
    gray = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16")
    return 1 if gray or raw_mode_of(image).startswith("LA") else 3


def channels_error(path: Path, channels: int, wanted: int) -> LossmithError:
    """The error for a picture of other channels than those of the study or the model."""
    asked = f"{describe_channels(wanted)} {'is' if wanted in (1, 3) else 'are'} asked for"
    return image_error(path, f"{channels_phrase(channels)}, and {asked}")


def channels_phrase(channels: int) -> str:
    """What is said of a picture of so many channels.

    >>> channels_phrase(1), channels_phrase(8)
    ('is gray', 'has 8 channels')
    """
    return f"{'is' if channels in (1, 3) else 'has'} {describe_channels(channels)}"


def check_type(path: Path, dtype: str) -> None:
    """Raise LossmithError for a type of values that pictures do not have."""
    if dtype == "bool":
        raise image_error(path, "is black and white, of 1 bit; convert it to 8 bits first")
    if dtype not in DTYPES:
        raise image_error(path, f"holds values of {dtype}; {', '.join(DTYPES)} are read, so convert them first")


def open_array(path: Path) -> NDArray[Any]:
    """The array of a `.npy` file, not read yet, as (H, W, C).

    (H, W) is gray. Of three axes the first or the last, whichever is shorter, is that of the channels.

    Raises LossmithError for other arrays, and where the first axis is as long as the last.
    """
    with errors_as_sentences(path):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        shape = " x ".join(map(str, array.shape))
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise image_error(path, f"is an array of {shape}; save (H, W), (H, W, C) or (C, H, W)")
        if array.ndim == 2:
            return array[..., None]
        if array.shape[0] == array.shape[2]:
            raise image_error(
                path, f"is an array of {shape}, which leaves open where the channels are; save it as TIFF"
            )
        return array if array.shape[2] < array.shape[0] else array.transpose(1, 2, 0)


def _numpy_header(path: Path) -> PictureHeader:
    array = open_array(path)
    check_type(path, array.dtype.name)
    height, width, channels = array.shape
    return PictureHeader(height, width, channels, array.dtype.name)


def _tiff_header(layout: "TiffLayout") -> PictureHeader:
    transposed = layout.orientation in TRANSPOSED_ORIENTATIONS
    size = (layout.width, layout.height) if transposed else (layout.height, layout.width)
    return PictureHeader(*size, layout.channels, layout.dtype, layout.stated_range, layout.unused)
