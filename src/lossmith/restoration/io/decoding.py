"""Decodes an image file into a raster, with its metadata.

libvips decodes strip by strip what it supports; BMP, PPM and rare TIFF compressions are decoded by Pillow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.core.errors import LossmithError
from lossmith.data.reading import (
    CMYK,
    NO_PIXELS,
    SEVERAL_IMAGES,
    apply_orientation,
    errors_as_sentences,
    image_error,
    max_value_of,
    open_image,
)
from lossmith.data.tiff import DESCRIPTION, check_stack
from lossmith.restoration.io.exif import Entry, read_directories
from lossmith.restoration.io.metadata import Metadata, valid_dpi, with_exif
from lossmith.restoration.io.metadata_readers import (
    lost_of_webp,
    metadata_of_bmp,
    metadata_of_gif,
    metadata_of_jpeg,
    metadata_of_png,
    metadata_of_ppm,
    metadata_of_tiff,
)
from lossmith.restoration.io.profiles import space_of
from lossmith.restoration.io.tiff import has_smaller_copies, layout_of
from lossmith.restoration.io.vips import short_errors, vips
from lossmith.restoration.tiling.raster import Pixels, Raster

STRIP_ROWS = 256
"""Rows decoded at a time."""
MAX_UNCHECKED_PIXELS = 1 << 27
"""Pixels up to which an announced size is accepted without comparing it with the size of the file."""
MAX_PIXELS_PER_BYTE = 2000
"""Pixels per byte of a file beyond which it is taken for a bomb; Deflate and LZW compress 1400 to 1 at most."""
DARK_LEVEL = 1 << 14
"""16-bit value below which all of an image of 14 bits or fewer lies."""
OUTLIERS = 1e-4
"""Share of 16-bit values from `DARK_LEVEL` on that are taken for broken pixels of a sensor; at least one."""
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"RIFF": "webp",
}


@dataclass(frozen=True)
class Original:
    """The header of an image file: shape, dtype and metadata; its pixels are not decoded yet."""

    path: Path
    height: int
    width: int
    channels: int
    dtype: str
    metadata: Metadata
    gray_palette: bool = False
    """Whether it is a PNG with a palette of grays and a gray profile, which is decoded to one channel."""
    pillow: bool = False
    """Whether Pillow decodes it, not libvips."""
    jpeg: bool = False

    @property
    def turned(self) -> bool:
        """Whether the EXIF orientation is anything but upright."""
        return self.metadata.orientation in range(2, 9)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width once the EXIF orientation is applied."""
        transposed = self.turned and (self.metadata.orientation or 1) >= 5
        return (self.width, self.height) if transposed else (self.height, self.width)


@dataclass(frozen=True)
class Decoded:
    """Decoded pixels, upright, of 1 to 4 channels: gray or RGB, then alpha."""

    raster: Raster
    metadata: Metadata
    dark: bool = False
    """Whether it has 16 bits and its colors use at most a quarter of their range."""
    doubtful: bool = False
    """Whether the decoder warned that some pixels may be wrong."""


def decode(path: Path, to: Path) -> Decoded:
    """Decode an image file into a raster at `to`: uint8 or uint16, (H, W, C), C 1 to 4: gray or RGB, then alpha.

    The EXIF orientation is applied. Palette images become RGB.

    Raises LossmithError, naming the file, where it is missing, not an image, damaged, animated, of several pages,
    in another color space, of other channels or bit depths, or so large that it may be a decompression bomb; and
    when the disk is full.
    """
    return decode_pixels(read_header(path), to)


def read_header(path: Path) -> Original:
    """Read the header and the metadata of an image file.

    Raises LossmithError as `decode` does.
    """
    with errors_as_sentences(path):
        with path.open("rb") as file:
            head = file.read(16)
        kind = next((kind for mark, kind in SIGNATURES.items() if head.startswith(mark)), None)
        if kind == "webp" and head[8:12] != b"WEBP":
            kind = None
        return _HEADER_READERS[kind](path) if kind else _pillow_header(path)


def _png(path: Path) -> Original:
    metadata, stream = metadata_of_png(path)
    if (stream.im_n_frames or 1) > 1:
        raise image_error(path, SEVERAL_IMAGES)
    palette = stream.im_palette[1] if stream.im_palette else b""
    gray_palette = bool(palette) and palette[::3] == palette[1::3] == palette[2::3]
    original = _vips_header(path, metadata)
    if gray_palette and original.channels > 2 and space_of(metadata.icc) == "GRAY":
        return replace(original, channels=original.channels - 2, gray_palette=True)
    return original


def _jpeg(path: Path) -> Original:
    return replace(_vips_header(path, metadata_of_jpeg(path)), jpeg=True)


def _gif(path: Path) -> Original:
    metadata, canvas_size = metadata_of_gif(path)
    original = _vips_header(path, metadata)
    if canvas_size != (original.width, original.height):  # libvips takes the size of the frame
        raise ValueError("its size is not that of its image")
    return original


def _webp(path: Path) -> Original:
    image = _vips_open(path)
    blobs = [
        image.get(name) if image.get_typeof(name) else None
        for name in ("icc-profile-data", "xmp-data", "exif-data")
    ]
    icc, xmp, exif = blobs
    return _vips_header(path, with_exif(Metadata(icc=icc, xmp=xmp, lost=lost_of_webp(path)), exif))


def _vips_header(path: Path, metadata: Metadata) -> Original:
    """The header of an image that libvips decodes: gray or RGB, with or without alpha, 8 or 16 bits."""
    image = _vips_open(path)
    if image.get_typeof("n-pages") and image.get("n-pages") > 1:
        raise image_error(path, SEVERAL_IMAGES)
    if image.interpretation == "cmyk":
        raise image_error(path, CMYK)
    if image.format not in ("uchar", "ushort") or image.bands > 4:
        raise image_error(
            path, f"has {image.bands} channels of {image.format}; only 8 and 16 bits, gray or RGB, are restored"
        )
    _check_size(path, image.height, image.width)
    dtype = "uint8" if image.format == "uchar" else "uint16"
    return Original(path, image.height, image.width, image.bands, dtype, metadata)


def _tiff(path: Path) -> Original:
    with path.open("rb") as file:
        directories = read_directories(file)
        copies = has_smaller_copies(path, file, directories)
    description = directories.main.get(DESCRIPTION)
    if isinstance(description, Entry):
        check_stack(path, description.data.decode("latin-1"))
    layout = layout_of(path, directories)
    _check_size(path, layout.height, layout.width)
    metadata = metadata_of_tiff(directories)
    if copies:
        metadata = metadata.with_lost("smaller copies of the image in the file")
    shape = layout.height, layout.width, layout.channels
    return Original(path, *shape, layout.dtype, metadata, pillow=layout.pillow)


_HEADER_READERS = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "tiff": _tiff}


def _pillow_header(path: Path) -> Original:
    with open_image(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise image_error(path, SEVERAL_IMAGES)
        wide = image.mode == "I" or image.mode.startswith("I;16")
        if image.format == "PPM" and image.mode == "RGB" and max_value_of(image) > 255:
            raise image_error(path, "is a PPM of more than 8 bits; save it as PNG or TIFF")
        if image.mode not in ("1", "L", "P", "RGB", "RGBA") and not wide:
            raise image_error(path, f"is in the color mode {image.mode}; convert it to RGB first")
        channels = {"1": 1, "L": 1, "RGBA": 4}.get(image.mode, 1 if wide else 3)
        metadata = {"PPM": metadata_of_ppm, "BMP": metadata_of_bmp}[str(image.format)](path)
        metadata = replace(metadata, dpi=valid_dpi(*image.info.get("dpi", (0, 0))))
        dtype = "uint16" if wide else "uint8"
        return Original(path, image.height, image.width, channels, dtype, metadata, pillow=True)


def _vips_open(path: Path, fail_on: str = "error") -> Any:
    with short_errors():
        return vips().Image.new_from_file(str(path), access="sequential", fail_on=fail_on)


def _check_size(path: Path, height: int, width: int) -> None:
    """Raise LossmithError where an image announces no pixels, or more than its file can hold."""
    if not height * width:
        raise image_error(path, NO_PIXELS)
    if height * width > MAX_UNCHECKED_PIXELS and height * width > MAX_PIXELS_PER_BYTE * path.stat().st_size:
        raise image_error(
            path, "says that it has more pixels than such a small file can hold; it may be a decompression bomb"
        )


def decode_pixels(original: Original, to: Path) -> Decoded:
    """Decode the pixels of an image whose header was read.

    A JPEG that is damaged is decoded as far as possible, and `doubtful`.
    """
    if not original.jpeg:
        return _decoded(original, to)
    try:
        return _decoded(original, to, "warning")
    except LossmithError:
        return replace(_decoded(original, to), doubtful=True)


def _decoded(original: Original, to: Path, fail_on: str = "error") -> Decoded:
    shape = (original.height, original.width, original.channels)
    raster = Raster(to, *shape, original.dtype).create()
    colors = 1 if original.channels < 3 else 3
    top, bright = 0, 0
    with errors_as_sentences(original.path):
        for strip in _strips(original, fail_on):
            raster.mapped("r+")[top : top + len(strip)] = strip
            top += len(strip)
            if raster.dtype == "uint16":
                bright += int((strip[..., :colors] >= DARK_LEVEL).sum())
    outliers = max(1, int(OUTLIERS * raster.height * raster.width * colors))
    dark = raster.dtype == "uint16" and bright <= outliers
    return Decoded(_upright(raster, original.metadata.orientation), original.metadata, dark)


def _strips(original: Original, fail_on: str) -> Iterator[Pixels]:
    if original.pillow:
        yield from _pillow_strips(original)
        return
    image = _vips_open(original.path, fail_on)
    if image.format not in ("uchar", "ushort") or (image.height, image.width) != (original.height, original.width):
        raise ValueError("its parts contradict each other")
    region = vips().Region.new(image)
    for top in range(0, image.height, STRIP_ROWS):
        rows = min(STRIP_ROWS, image.height - top)
        with short_errors():
            strip = region.fetch(0, top, image.width, rows)
        pixels = np.frombuffer(strip, original.dtype).reshape(rows, image.width, image.bands)
        yield pixels[..., [0, 3][: original.channels]] if original.gray_palette else pixels


def _pillow_strips(original: Original) -> Iterator[Pixels]:
    with open_image(original.path) as image:
        if original.dtype == "uint8":
            image = image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[original.channels])
        for top in range(0, image.height, STRIP_ROWS):
            strip = np.asarray(image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height))))
            yield strip.reshape(*strip.shape[:2], -1).astype(original.dtype)


def _upright(raster: Raster, orientation: int | None) -> Raster:
    """The raster with the EXIF orientation applied, in the same file."""
    if orientation is None or orientation not in range(2, 9):
        return raster
    oriented: Pixels = apply_orientation(raster.mapped(), orientation)
    height, width, channels = oriented.shape
    result = Raster(raster.path.with_suffix(".turned"), height, width, channels, raster.dtype).create()
    pixels = result.mapped("r+")
    for top in range(0, height, STRIP_ROWS):
        pixels[top : top + STRIP_ROWS] = oriented[top : top + STRIP_ROWS]
    result.path.replace(raster.path)
    return replace(result, path=raster.path)
