"""An image file into a raster, with all that it says beside its pixels.

libvips decodes, some rows at a time, whatever it knows; BMP, PPM and rare packings of TIFF come from Pillow.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.core.errors import LossmithError
from lossmith.data.reading import (
    CMYK,
    SEVERAL_IMAGES,
    apply_orientation,
    errors_as_sentences,
    image_error,
    max_value_of,
    open_image,
)
from lossmith.data.tiff import DESCRIPTION, check_stack
from lossmith.restoration.io.exif import Entry, read_directories
from lossmith.restoration.io.metadata import Metadata, resolution, with_exif
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
from lossmith.restoration.io.tiff import has_smaller_copies, kind_of
from lossmith.restoration.io.vips import plainly, vips
from lossmith.restoration.tiling.raster import Pixels, Raster

ROWS_AT_ONCE = 256
"""Rows that are decoded at a time."""
SMALL = 1 << 27
"""Pixels that are believed without asking whether the file can hold them."""
MOST_IN_A_BYTE = 2000
"""Pixels that one byte of a file may stand for, at most: Deflate and LZW pack up to 1400 bytes into one."""
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
    """An image file that has been looked at; its pixels are still undecoded."""

    path: Path
    height: int
    width: int
    channels: int
    dtype: str
    metadata: Metadata
    gray_palette: bool = False
    pillow: bool = False
    """Whether Pillow decodes it."""
    jpeg: bool = False

    @property
    def turned(self) -> bool:
        return self.metadata.orientation in range(2, 9)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width as it should be seen."""
        lying = self.turned and (self.metadata.orientation or 1) >= 5
        return (self.width, self.height) if lying else (self.height, self.width)


@dataclass(frozen=True)
class Decoded:
    """The pixels, upright, of 1 to 4 channels: gray or RGB, then alpha."""

    raster: Raster
    metadata: Metadata
    brightest: int = 0
    """The largest value of its colors."""
    doubtful: bool = False
    """Whether the decoder has warned that some pixels may be wrong."""


def decode(path: Path, to: Path) -> Decoded:
    """Decode an image into a raster at `to`: uint8 or uint16, (H, W, 1 to 4), gray or RGB, then alpha.

    The EXIF orientation is applied. Palette images become RGB.

    Raises LossmithError, naming the file, for what is missing, no image, damaged, animated, of several pages, in
    another color space, of other channels or depths, or so large that it may be a decompression bomb, and when
    the disk is full.
    """
    return pixels_of(look_at(path), to)


def look_at(path: Path) -> Original:
    """What an image is and says, without its pixels.

    Raises LossmithError as `decode` does.
    """
    with errors_as_sentences(path):
        with path.open("rb") as file:
            head = file.read(16)
        kind = next((kind for mark, kind in SIGNATURES.items() if head.startswith(mark)), None)
        if kind == "webp" and head[8:12] != b"WEBP":
            kind = None
        return _LOOKS[kind](path) if kind else _by_pillow(path)


def _png(path: Path) -> Original:
    metadata, stream = metadata_of_png(path)
    if (stream.im_n_frames or 1) > 1:
        raise image_error(path, SEVERAL_IMAGES)
    palette = stream.im_palette[1] if stream.im_palette else b""
    grays = bool(palette) and palette[::3] == palette[1::3] == palette[2::3]
    found = _original(path, metadata)
    if grays and found.channels > 2 and space_of(metadata.icc) == "GRAY":
        return replace(found, channels=found.channels - 2, gray_palette=True)
    return found


def _jpeg(path: Path) -> Original:
    return replace(_original(path, metadata_of_jpeg(path)), jpeg=True)


def _gif(path: Path) -> Original:
    metadata, announced = metadata_of_gif(path)
    found = _original(path, metadata)
    if announced != (found.width, found.height):  # libvips goes by what is drawn
        raise ValueError("its size is not that of its image")
    return found


def _webp(path: Path) -> Original:
    image = _opened(path)
    blobs = [
        image.get(name) if image.get_typeof(name) else None
        for name in ("icc-profile-data", "xmp-data", "exif-data")
    ]
    icc, xmp, exif = blobs
    return _original(path, with_exif(Metadata(icc=icc, xmp=xmp, lost=lost_of_webp(path)), exif))


def _original(path: Path, metadata: Metadata) -> Original:
    """Of what libvips reads as gray or RGB, and alpha."""
    image = _opened(path)
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
        smaller = has_smaller_copies(path, file, directories)
    description = directories.main.get(DESCRIPTION)
    if isinstance(description, Entry):
        check_stack(path, description.data.decode("latin-1"))
    kind = kind_of(path, directories)
    _check_size(path, kind.height, kind.width)
    metadata = metadata_of_tiff(directories)
    if smaller:
        metadata = metadata.lacking("smaller copies of the image in the file")
    return Original(path, kind.height, kind.width, kind.channels, kind.dtype, metadata, pillow=kind.pillow)


_LOOKS = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "tiff": _tiff}


def _by_pillow(path: Path) -> Original:
    with open_image(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise image_error(path, SEVERAL_IMAGES)
        wide = image.mode == "I" or image.mode.startswith("I;16")
        if image.format == "PPM" and image.mode == "RGB" and max_value_of(image) > 255:
            raise image_error(path, "is a PPM of more than 8 bits; save it as PNG or TIFF")
        if image.mode not in ("1", "L", "P", "RGB", "RGBA") and not wide:
            raise image_error(path, f"is in the color mode {image.mode}; convert it to RGB first")
        channels = {"1": 1, "L": 1, "RGBA": 4}.get(image.mode, 1 if wide else 3)
        told = {"PPM": metadata_of_ppm, "BMP": metadata_of_bmp}[str(image.format)](path)
        metadata = replace(told, dpi=resolution(*image.info.get("dpi", (0, 0))))
        dtype = "uint16" if wide else "uint8"
        return Original(path, image.height, image.width, channels, dtype, metadata, pillow=True)


def _opened(path: Path, fail_on: str = "error") -> Any:
    with plainly():
        return vips().Image.new_from_file(str(path), access="sequential", fail_on=fail_on)


def _check_size(path: Path, height: int, width: int) -> None:
    """Refuse what says that it is larger than its file can hold."""
    if height * width > SMALL and height * width > MOST_IN_A_BYTE * path.stat().st_size:
        raise image_error(
            path, "says that it has more pixels than such a small file can hold; it may be a decompression bomb"
        )


def pixels_of(original: Original, to: Path) -> Decoded:
    """Decode an image that has been looked at."""
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
    top, brightest = 0, 0
    with errors_as_sentences(original.path):
        for strip in _strips(original, fail_on):
            raster.mapped("r+")[top : top + len(strip)] = strip
            top, brightest = top + len(strip), max(brightest, int(strip[..., :colors].max()))
    return Decoded(_turned(raster, original.metadata.orientation), original.metadata, brightest)


def _strips(original: Original, fail_on: str) -> Iterator[Pixels]:
    if original.pillow:
        yield from _strips_by_pillow(original)
        return
    image = _opened(original.path, fail_on)
    if image.format not in ("uchar", "ushort") or (image.height, image.width) != (original.height, original.width):
        raise ValueError("its parts contradict each other")
    region = vips().Region.new(image)
    for top in range(0, image.height, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, image.height - top)
        with plainly():
            fetched = region.fetch(0, top, image.width, rows)
        pixels = np.frombuffer(fetched, original.dtype).reshape(rows, image.width, image.bands)
        yield pixels[..., [0, 3][: original.channels]] if original.gray_palette else pixels


def _strips_by_pillow(original: Original) -> Iterator[Pixels]:
    with open_image(original.path) as image:
        if original.dtype == "uint8":
            image = image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[original.channels])
        for top in range(0, image.height, ROWS_AT_ONCE):
            strip = np.asarray(image.crop((0, top, image.width, min(top + ROWS_AT_ONCE, image.height))))
            yield strip.reshape(*strip.shape[:2], -1).astype(original.dtype)


def _turned(raster: Raster, orientation: int | None) -> Raster:
    """Upright, as EXIF says the camera was held."""
    if orientation is None or orientation not in range(2, 9):
        return raster
    lying: Pixels = apply_orientation(raster.mapped(), orientation)
    height, width, channels = lying.shape
    standing = Raster(raster.path.with_suffix(".turned"), height, width, channels, raster.dtype).create()
    pixels = standing.mapped("r+")
    for top in range(0, standing.height, ROWS_AT_ONCE):
        pixels[top : top + ROWS_AT_ONCE] = lying[top : top + ROWS_AT_ONCE]
    standing.path.replace(raster.path)
    return replace(standing, path=raster.path)
