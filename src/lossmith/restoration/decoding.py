"""A picture file into a raster, with all that it says beside its pixels."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np

from lossmith.images.reading import opened, orientation_of, raw_mode_of, refusal, unpacked, upright
from lossmith.restoration.raster import Pixels, Raster

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

REFUSED = {
    "CMYK": "is in CMYK, for print; convert it to RGB first",
    "F": "holds 32-bit floating-point values; only 8 and 16 bits are restored",
    "I": "holds 32-bit or signed integers; only 8 and 16 bits are restored",
}
BASE_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, *range(0x9C9B, 0x9CA0))
"""What EXIF says of a picture itself, not of how a file is laid out: description, camera, date, author ..."""
EXIF_FOLDERS = (0x8769, 0x8825)
"""Where EXIF keeps the exposure and the place."""
HIGHEST = 65535.5
"""Pixels per inch that JPEG has room for, which are more than anything has."""
TALL = 256
"""Rows that are decoded at a time."""


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels. The orientation is not among it: pixels are stored upright."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    tags: dict[int, Any] = field(default_factory=dict)
    folders: dict[int, dict[int, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """The pixels, upright, of 1 to 4 channels: gray or RGB, then alpha."""

    raster: Raster
    metadata: Metadata


def decode(path: Path, to: Path) -> Decoded:
    """Decode a picture into a raster at `to`: uint8 or uint16, (H, W, 1 to 4), gray or RGB, then alpha.

    The EXIF orientation is applied. Palette pictures become RGB. Besides PNG, TIFF is read with 16 bits.

    Raises LossmithError, naming the file, for what is missing, no picture, damaged, animated, of several pages, in
    another colour space, of other depths, or so large that it may be a decompression bomb, and when the disk is
    full.
    """
    with catch_warnings():
        simplefilter("ignore")  # Pillow warns of large pictures, which are welcome; it refuses huge ones
        with opened(path) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise refusal(
                    path, "holds several pictures (an animation or pages); save the one you mean by itself"
                )
            mode = raw_mode_of(image)
            wide = ";16" in mode or (image.format == "TIFF" and 16 in _bits(image))
            if image.mode in REFUSED:
                raise refusal(path, REFUSED[image.mode])
            if not wide and image.mode not in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"):
                raise refusal(path, f"is in the colour mode {image.mode}; convert it to RGB first")
            if wide and "transparency" in image.info:
                raise refusal(path, "makes one 16-bit colour transparent; save it with an alpha channel")
            metadata = _metadata(image)
            if wide and image.format == "TIFF":
                return _turned(_from_tiff(path, to), metadata, orientation_of(image))
            if wide and image.format != "PNG" and not image.mode.startswith("I;16"):
                raise refusal(path, f"is a 16-bit colour {image.format}; save it as PNG or TIFF")
            image.load()
            turn = orientation_of(image)
            return _turned(
                _wide(path, image, mode, to) if wide else _narrow(image, to),
                metadata,
                turn,
            )


def _bits(image: "Image") -> tuple[int, ...]:
    """Bits per value of each channel of a TIFF."""
    tags: Any = getattr(image, "tag_v2", {})
    return tuple(tags.get(258, (8,)))


def _narrow(image: "Image", to: Path) -> Raster:
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    gray = image.mode in ("1", "L", "LA", "La")
    mode = ("L" if gray else "RGB") + ("A" if alpha else "")
    raster = Raster(to, image.height, image.width, len(mode), "uint8").create()
    pixels = raster.mapped("r+")
    for top in range(0, image.height, TALL):
        strip = image.crop((0, top, image.width, min(top + TALL, image.height)))
        values = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        pixels[top : top + TALL] = values.reshape(*values.shape[:2], -1)
    return raster


def _wide(path: Path, image: "Image", mode: str, to: Path) -> Raster:
    """Pillow gives gray whole; of colours it keeps the upper bytes, and the lower ones if told the wrong order."""
    channels = {"I;16": 1, "LA;16B": 2, "RGB;16B": 3, "RGBA;16B": 4}.get(mode, 1)
    raster = Raster(to, image.height, image.width, channels, "uint16").create()
    pixels = raster.mapped("r+")
    if channels == 1:
        pixels[..., 0] = np.asarray(image)
    elif channels == 2:  # four bytes a pixel
        parts = unpacked(path, "RGBA")
        for top in range(0, image.height, TALL):
            strip = parts[top : top + TALL].astype(np.uint16)
            pixels[top : top + TALL] = 256 * strip[..., ::2] + strip[..., 1::2]
    else:
        for top in range(0, image.height, TALL):
            strip = np.asarray(image.crop((0, top, image.width, min(top + TALL, image.height))))
            pixels[top : top + TALL] = strip.astype(np.uint16) << 8
        image.close()
        lower = unpacked(path, mode.replace("16B", "16L"))
        for top in range(0, raster.height, TALL):
            pixels[top : top + TALL] |= lower[top : top + TALL]
    return raster


def _from_tiff(path: Path, to: Path) -> Raster:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it tells of every odd tag; what matters is raised
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        kind = page.photometric.name
        if page.dtype != np.uint16 or kind not in ("RGB", "MINISBLACK") or page.samplesperpixel > 4:
            raise refusal(
                path, f"is a TIFF of {page.dtype} in {kind}; only 8 and 16 bits, gray or RGB, are restored"
            )
        if sum(page.databytecounts) > path.stat().st_size:  # room would be made for what is not there
            raise refusal(path, "is truncated or damaged (it announces more than there is)")
        try:
            values = page.asarray()
        except (KeyError, ValueError) as error:
            if "imagecodecs" in str(error):
                raise refusal(
                    path, f"is a 16-bit TIFF packed by {page.compression.name}; save it without or with ZIP"
                ) from error
            raise
        if page.axes.startswith("S"):
            values = np.moveaxis(values, 0, -1)
    values = values.reshape(*values.shape[:2], -1)
    height, width, channels = values.shape
    raster = Raster(to, height, width, channels, "uint16").create()
    raster.mapped("r+")[:] = values
    return raster


def _turned(raster: Raster, metadata: Metadata, orientation: int) -> Decoded:
    """Upright, as EXIF says the camera was held."""
    if orientation not in range(2, 9):
        return Decoded(raster, metadata)
    lying: Pixels = upright(raster.mapped(), orientation)
    height, width, channels = lying.shape
    standing = Raster(raster.path.with_suffix(".turned"), height, width, channels, raster.dtype).create()
    pixels = standing.mapped("r+")
    for top in range(0, standing.height, TALL):
        pixels[top : top + TALL] = lying[top : top + TALL]
    standing.path.replace(raster.path)
    dpi = metadata.dpi[::-1] if metadata.dpi and orientation >= 5 else metadata.dpi
    kept = replace(standing, path=raster.path)
    return Decoded(kept, replace(metadata, dpi=dpi))


def _metadata(image: "Image") -> Metadata:
    icc = image.info.get("icc_profile")
    dpi = image.info.get("dpi")
    try:
        exif: Exif = image.getexif()
        tags = {tag: exif[tag] for tag in BASE_TAGS if tag in exif}
        folders = {tag: dict(exif.get_ifd(tag)) for tag in EXIF_FOLDERS}
        if dpi is None and exif.get(0x0128) == 2 and 0x011A in exif:
            dpi = exif[0x011A], exif.get(0x011B, exif[0x011A])
    except Exception:  # a picture with damaged EXIF is still a picture
        tags, folders = {}, {}
    known = {tag: entries for tag, entries in folders.items() if entries}
    return Metadata(icc or None, _resolution(dpi), tags, known)


def _resolution(dpi: Any) -> tuple[float, float] | None:
    """Pixels per inch across and down, where they are numbers that every format holds."""
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except Exception:  # of none, or of a fraction of 0, or of text
        return None
    return (across, down) if 0 < across < HIGHEST and 0 < down < HIGHEST else None
