"""Writing pictures of any depth and number of channels, as PNG where that can hold them, else as TIFF."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import write_bytes
from lossmith.core.pixel_format import PixelFormat
from lossmith.data.picture_metadata import PictureMetadata
from lossmith.data.tiff_pictures import LARGEST_VALUE, SMALLEST_VALUE
from lossmith.degradations import to_8bit

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_FILTER_UP = 2
"""Each byte is stored less the one above it."""
TIFF_DOUBLE = 12


def picture_suffix(pixels: PixelFormat) -> str:
    """The suffix for `write_picture`: ".png" if PNG can hold such pictures, else ".tif"."""
    return ".png" if pixels.channels in (1, 3) and pixels.dtype in ("uint8", "uint16") else ".tif"


def write_picture(
    path: str | Path, image: Tensor, pixels: PixelFormat, metadata: PictureMetadata | None = None
) -> None:
    """Write a picture, atomically: as PNG or TIFF, by the suffix of its name.

    Whole numbers are rounded, halves up, and clipped only to what their type can hold. TIFF is packed by Deflate;
    its floats state the range, so that `choose_pixels` finds it.

    Parameters
    ----------
    path
        A file ending in .tif, .tiff or, where `picture_suffix` says so, .png.
    image
        (C, H, W) floats on the scale of the range, on any device.
    pixels
        What to write.
    metadata
        Of the picture that this one was made from; its resolution is adapted to the size. PNG holds only that;
        TIFF also the description, and each channel becomes a page where that says so.

    Raises
    ------
    LossmithError
        For another shape or suffix, for NaN where whole numbers are written, and when the file cannot be written.
    """
    path = Path(path)
    suffixes = dict.fromkeys((picture_suffix(pixels), ".tif", ".tiff"))
    if path.suffix.lower() not in suffixes:
        raise LossmithError(f"picture '{path}' must end in {' or '.join(suffixes)} to hold {pixels}")
    if image.ndim != 3 or image.shape[0] != pixels.channels or image.numel() == 0:
        raise LossmithError(f"picture '{path}' must be ({pixels.channels}, H, W), not {tuple(image.shape)}")
    if not image.is_floating_point():
        raise LossmithError(f"picture '{path}' must be floats on the scale of the range, not {image.dtype}")
    if pixels.holds_integers and image.isnan().any():
        raise LossmithError(f"picture '{path}' was not written because it holds NaN")
    planes = to_8bit(image.detach().float()).cpu().numpy() if pixels.is_8bit else pixels.from_unit(image)
    values = np.ascontiguousarray(planes.transpose(1, 2, 0))
    height, width, _ = values.shape
    adapted = metadata.resized((height, width), pixels) if metadata is not None else None
    if path.suffix.lower() == ".png":
        content = encode_png(values, adapted.pixels_per_meter if adapted is not None else None)
    else:
        content = encode_tiff(values, pixels, adapted)
    write_bytes(path, content)


def encode_png(values: NDArray[Any], pixels_per_meter: tuple[int, int] | None = None) -> bytes:
    """Values (H, W, C), gray or RGB of 8 or 16 bits, as a PNG file; Pillow writes no colors of 16 bits."""
    height, width, channels = values.shape
    rows = values.astype(values.dtype.newbyteorder(">")).view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = PNG_FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    color_type = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8 * values.dtype.itemsize, color_type, 0, 0, 0)
    resolution = _png_chunk(b"pHYs", struct.pack(">IIB", *pixels_per_meter, 1)) if pixels_per_meter else b""
    # the fastest level, as of `write_image`
    data = _png_chunk(b"IDAT", zlib.compress(filtered.data, 1))
    return PNG_SIGNATURE + _png_chunk(b"IHDR", header) + resolution + data + _png_chunk(b"IEND", b"")


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encode_tiff(values: NDArray[Any], pixels: PixelFormat, metadata: PictureMetadata | None = None) -> bytes:
    """Values (H, W, C) as a TIFF file; three channels in one page are RGB."""
    import tifffile

    channels = values.shape[2]
    paged = metadata is not None and metadata.paged and channels > 1
    arranged, options = arranged_for_tiff(values, paged)
    if metadata is not None:
        options["description"] = metadata.description.encode() or None
        options["resolutionunit"] = metadata.unit.upper()
        if metadata.resolution is not None:
            options["resolution"] = metadata.resolution
    if not pixels.holds_integers:
        limits = ((SMALLEST_VALUE, pixels.low), (LARGEST_VALUE, pixels.high))
        samples = 1 if paged else channels
        options["extratags"] = [(tag, TIFF_DOUBLE, samples, (limit,) * samples, True) for tag, limit in limits]
    content = BytesIO()
    tifffile.imwrite(content, arranged, **options)
    return content.getvalue()


def arranged_for_tiff(values: NDArray[Any], paged: bool) -> tuple[NDArray[Any], dict[str, Any]]:
    """Values (H, W, C) as `tifffile.imwrite` takes them, and its options: packed by Deflate, nothing added.

    The channels are interleaved, three being RGB; or each is a page, if `paged`.
    """
    channels = values.shape[2]
    interleaved = channels > 1 and not paged
    options = {
        "photometric": "rgb" if channels == 3 and interleaved else "minisblack",
        "planarconfig": "contig" if interleaved else None,
        "compression": "zlib",
        "predictor": values.dtype.kind != "f",
        "metadata": None,
        "software": False,
    }
    return values if interleaved else values[..., 0] if channels == 1 else values.transpose(2, 0, 1), options
