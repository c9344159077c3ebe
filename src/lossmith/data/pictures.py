"""Reading pictures of any depth and number of channels."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.errors import counted
from lossmith.core.pixel_format import PixelFormat
from lossmith.data.picture_headers import channels_error, channels_of, check_type, kind_of, open_array
from lossmith.data.reading import (
    apply_orientation,
    check_header,
    check_png_checksums,
    image_error,
    open_image,
    orientation_of,
    pixels_of_8_bits,
    pixels_of_16_bits,
    without_alpha,
)
from lossmith.metrics.luma import BT601


def read_picture(path: str | Path, pixels: PixelFormat, nan: Literal["refuse", "mask"] = "refuse") -> Tensor:
    """The picture in a file, as it is stored in memory, (C, H, W); `pixels.to_unit` scales it to its range.

    The EXIF orientation is applied; color profiles are ignored; an alpha channel must be opaque. Gray becomes
    three equal channels where `pixels` has three, and RGB becomes BT.601 luma where it has one. For 8-bit RGB it
    is `read_image`.

    Parameters
    ----------
    path
        PNG, JPEG, BMP, TIFF, WebP, GIF, PPM; or `.npy`, (H, W), (H, W, C) or (C, H, W), C being the shorter one.
    pixels
        The format of the study; the file must have its type, and its number of channels or 1 or 3.
    nan
        Whether pixels that are NaN or infinite in a channel are refused, or become NaN in all channels.

    Raises
    ------
    LossmithError
        Naming the file: if it is missing, not an image, damaged or transparent; a stack or a series; in CMYK or
        another color space; black and white of 1 bit; of another type or number of channels than `pixels`; and
        for NaN or infinite pixels.
    """
    path = Path(path)
    values = read_values(path)
    check_type(path, values.dtype.name)
    if values.dtype.name != pixels.dtype:
        raise image_error(path, f"holds values of {values.dtype.name}, not of {pixels.dtype}")
    invalid = _invalid_pixels(path, values, nan)
    planes = _with_channels(path, values, pixels).transpose(2, 0, 1)
    stored = pixels.to_stored(planes)
    return stored.masked_fill(torch.from_numpy(invalid), torch.nan) if invalid is not None else stored


def read_values(path: Path) -> NDArray[Any]:
    """The values of a picture (H, W, C), upright, in the type of the file, even of 1 bit, and without alpha.

    Raises LossmithError as `read_picture` does.
    """
    kind = kind_of(path)
    if kind == "numpy":
        array = open_array(path)
        return np.array(array, array.dtype.newbyteorder("="))
    if kind == "tiff":
        from lossmith.data.tiff_pictures import read_tiff_values

        if (values := read_tiff_values(path)) is not None:
            return values
    with open_image(path) as image:
        wide = check_header(path, image)
        channels = channels_of(image)
        if image.format == "PNG":
            check_png_checksums(path)
        image.load()
        if image.mode == "1":
            return apply_orientation(np.asarray(image)[..., None], orientation_of(image))
        stored = pixels_of_16_bits(path, image, wide) if wide else pixels_of_8_bits(image)
        return apply_orientation(without_alpha(path, stored)[..., :channels], orientation_of(image))


def _invalid_pixels(path: Path, values: NDArray[Any], nan: str) -> NDArray[np.bool_] | None:
    """(H, W), true where a channel is not finite; None if all are. Raises LossmithError unless `nan` is "mask"."""
    if values.dtype.kind != "f" or (finite := np.isfinite(values)).all():
        return None
    invalid: NDArray[np.bool_] = ~finite.all(2)
    if nan == "refuse":
        raise image_error(
            path, f"has {counted(int(invalid.sum()), 'pixel')} of NaN or infinity; `nan=mask` leaves them out"
        )
    return invalid


def _with_channels(path: Path, values: NDArray[Any], pixels: PixelFormat) -> NDArray[Any]:
    """Values (H, W, C) with the channels of the format."""
    channels = values.shape[2]
    if channels == pixels.channels:
        return values
    if (channels, pixels.channels) == (1, 3):
        return np.repeat(values, 3, 2)
    if (channels, pixels.channels) == (3, 1):
        return luma(values)
    raise channels_error(path, channels, pixels.channels)


def luma(values: NDArray[Any]) -> NDArray[Any]:
    """RGB values (H, W, 3) as gray (H, W, 1) of the same type; whole numbers are rounded, halves up."""
    gray = values.astype(np.float64) @ np.array(BT601)[:, None]
    rounded: NDArray[Any] = (gray if values.dtype.kind == "f" else np.floor(gray + 0.5)).astype(values.dtype)
    return rounded
