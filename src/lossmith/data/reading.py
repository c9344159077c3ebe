"""Reading image files to tensors, with errors of one sentence."""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.data.folder_checks import describe_non_image
from lossmith.data.tiff import (
    DESCRIPTION,
    check_channels,
    check_stack,
    has_pages,
    unsupported_reason,
    white_is_zero,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
_8BIT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX")
CMYK = "is in CMYK, for print; convert it to RGB first"
_REFUSED_MODES = {
    "CMYK": CMYK,
    "F": "holds 32-bit floating-point values; only 8 and 16 bits are read",
    "I": "holds 32-bit or signed integers; only 8 and 16 bits are read",
}
_ORIENTATION = 0x0112
TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""
MIN_16BIT_SPREAD = 1 << 14
"""The least spread of 16-bit values: those of 14 bits or fewer would lose too much in 8 bits."""
OUTLIERS = 1e-4
"""Fraction of 16-bit values at each end, at least one, that are taken for broken pixels of a sensor."""
NO_PIXELS = "says that it has no pixels"
TRANSPARENT = "has transparent pixels; put it on a background first"
SEVERAL_IMAGES = "holds several images (an animation or pages); save the one you mean by itself"


def read_image(path: str | Path) -> Tensor:
    """The image in a file, as uint8 (3, H, W) RGB.

    Gray, black-and-white and palette images become RGB; the EXIF orientation is applied; color profiles are
    ignored, as in restoration benchmarks. Values of 16-bit images (PNG in gray or color, TIFF in gray) are rounded
    to 8 bits, v / 257. An alpha channel must be opaque. Of a camera's multi-picture JPEG the main image is read.
    `read_headers` reports what is not used.

    Raises
    ------
    LossmithError
        Naming the file: if it is missing, not an image, damaged, transparent, animated, in CMYK or another color
        space, or larger than Pillow's limit against decompression bombs; if it has other channels than gray or RGB
        and transparency, more than 16 bits, or 16 bits that use a quarter of their range or less.
    """
    with open_image(path) as image:
        wide = check_header(path, image)
        if image.format == "PNG":
            check_png_checksums(path)
        image.load()
        pixels = pixels_of_16_bits(path, image, wide) if wide else pixels_of_8_bits(image)
        colors = without_alpha(path, pixels)
        upright = apply_orientation(_rounded_to_8_bits(path, colors) if wide else colors, orientation_of(image))
    channels = np.broadcast_to(upright, (*upright.shape[:2], 3)).transpose(2, 0, 1)
    return torch.from_numpy(np.array(channels, order="C"))


def check_header(path: str | Path, image: "Image") -> str:
    """Pillow's raw mode of an open 16-bit file, empty for other depths; Pillow forgets it when the file is loaded.

    Raises LossmithError for an image that cannot be read, as far as its header tells.
    """
    tiff = image.format == "TIFF"
    if has_pages(path, image) if tiff else getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise image_error(path, SEVERAL_IMAGES)
    raw_mode = raw_mode_of(image)
    if tiff:
        check_stack(path, str(getattr(image, "tag_v2", {}).get(DESCRIPTION, "")))
        check_channels(path, image)
    if image.format == "PPM" and max_value_of(image) > 255:
        raise image_error(path, "is a PPM or PGM of more than 8 bits; save it as PNG, which is read in full")
    wide = ";16" in raw_mode and (image.format == "PNG" or image.mode.startswith("I;16"))
    if not wide and image.mode not in _8BIT_MODES:
        reason = _REFUSED_MODES.get(image.mode, f"is in the color mode {image.mode}; convert it to RGB first")
        raise image_error(path, reason)
    if not wide and ";16" in raw_mode:
        raise image_error(path, f"is a 16-bit color {image.format}; save it as PNG, which is read in full")
    return (raw_mode or image.mode) if wide else ""


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the image that `read_image` returns, from the header of the file alone."""
    with open_image(path) as image:
        return size_of(image)


def size_of(image: "Image") -> tuple[int, int]:
    """(height, width) of an open file after its EXIF orientation is applied; the pixels stay undecoded."""
    # Pillow itself transposes the size of a TIFF
    transposed = image.format != "TIFF" and _header_orientation(image) in TRANSPOSED_ORIENTATIONS
    return image.size if transposed else (image.height, image.width)


def _header_orientation(image: "Image") -> int:
    """The EXIF orientation; a PNG is decoded for it only if metadata may follow its pixels."""
    from PIL import Image

    if image.format == "PNG":  # Pillow's own getexif decodes the pixels, in search of later chunks
        kinds = [kind for kind, _ in chunks_of(image)]
        later = kinds[len(kinds) - kinds[::-1].index(b"IDAT") :] if b"IDAT" in kinds else []
        if not {b"eXIf", b"iTXt", b"zTXt", b"tEXt"}.intersection(later):
            return orientation_of(image, Image.Image.getexif)
    return orientation_of(image)


def chunks_of(image: "Image") -> list[tuple[bytes, bytes]]:
    """(type, content) of the chunks of an open PNG file; the content of long chunks is left empty."""
    file, chunks = getattr(image, "fp", None), []
    if file is None:
        return []
    position = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        content = file.read(length) if length < 64 else b""
        file.seek(length - len(content) + 4, os.SEEK_CUR)
        chunks.append((kind, content))
    file.seek(position)
    return chunks


def check_png_checksums(path: str | Path) -> None:
    """Raise ValueError for a truncated or altered PNG; Pillow does not check the checksums of pixels."""
    with Path(path).open("rb") as file:
        file.seek(8)
        kind = b""
        while kind != b"IEND":
            head = file.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            content, checksum = file.read(length), file.read(4)
            if len(checksum) < 4:
                raise ValueError("it ends too early")
            if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(checksum, "big") and kind[:1].isupper():
                raise ValueError("its checksums do not agree with what it holds")


@contextmanager
def open_image(path: str | Path) -> Iterator["Image"]:
    """The image file, opened by Pillow; errors within the block become one sentence."""
    from PIL import Image

    Image.init()
    with (
        errors_as_sentences(path),
        Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN]) as image,
    ):
        if 0 in image.size:
            raise image_error(path, NO_PIXELS)
        yield image


@contextmanager
def errors_as_sentences(path: str | Path) -> Iterator[None]:
    """Turn any error within the block into a LossmithError about the file, of one sentence."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if path.is_dir():
        raise image_error(path, "is a folder, not an image")
    try:
        yield
    except LossmithError:
        raise
    except FileNotFoundError as error:
        broken = (
            f"is a link to '{path.readlink()}', which does not exist" if path.is_symlink() else "does not exist"
        )
        raise image_error(path, broken) from error
    except PermissionError as error:
        raise image_error(path, "cannot be read: permission denied") from error
    except UnidentifiedImageError as error:
        unknown = f"is not an image that can be read ({', '.join(_FORMATS)})"
        raise image_error(path, describe_non_image(path) or unsupported_reason(path) or unknown) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise image_error(
            path, "has so many pixels that it may be a decompression bomb; cut it into parts"
        ) from error
    except Exception as error:  # decoders raise anything
        if out_of_memory(error):
            raise image_error(path, "needs more memory to be read than there is; cut it into parts") from error
        raise image_error(path, f"is truncated or damaged ({error})") from error


def image_error(path: str | Path, reason: str) -> LossmithError:
    """The error about an image file; `reason` ends a sentence that begins with its name."""
    return LossmithError(f"image '{path}' {reason}")


def raw_mode_of(image: "Image") -> str:
    """Pillow's name for the layout of pixels in a file, such as "RGB;16B"; `image.mode` hides 16 bits of color."""
    mode = _decoder_arguments(image)[0]
    return mode if isinstance(mode, str) else ""


def max_value_of(image: "Image") -> int:
    """The maximum value that a PPM declares; Pillow scales values down silently if it is above 255."""
    _, *rest = _decoder_arguments(image)
    return rest[0] if rest and isinstance(rest[0], int) else 65535 if ";16" in raw_mode_of(image) else 255


def _decoder_arguments(image: "Image") -> tuple[Any, ...]:
    """The arguments that Pillow passes to its decoder."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, tuple) and arguments else (arguments,)


def orientation_of(image: "Image", exif: "Callable[[Image], Any] | None" = None) -> int:
    """The EXIF orientation, 1 to 8; `exif` reads the EXIF data [default: `image.getexif`]."""
    try:
        return int((image.getexif() if exif is None else exif(image)).get(_ORIENTATION, 1))
    except Exception:  # an image with damaged EXIF is still an image
        return 1


def pixels_of_8_bits(image: "Image") -> np.ndarray[Any, Any]:
    """(H, W, C) uint8: RGB, or RGBA if there may be transparency."""
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if alpha else "RGB"))


def without_alpha(path: str | Path, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Pixels (H, W, C) of unsigned whole numbers without the alpha channel that 2 and 4 channels have.

    Raises LossmithError where it is not opaque.
    """
    if pixels.shape[2] not in (2, 4):
        return pixels
    if pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        raise image_error(path, TRANSPARENT)
    return pixels[..., :-1]


def pixels_of_16_bits(path: str | Path, image: "Image", raw_mode: str) -> np.ndarray[Any, Any]:
    """(H, W, C) uint16 of a file that is open and loaded: gray or RGB, with alpha if the file has it.

    Raises LossmithError where pixels have the color that the file declares transparent.
    """
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint16)[..., None]
        wide = 65535 - wide if white_is_zero(image) else wide
    elif raw_mode == "LA;16B":  # of four bytes per pixel
        parts = decode_raw(path, "RGBA").astype(np.uint16)
        wide = 256 * parts[..., ::2] + parts[..., 1::2]
    else:  # Pillow keeps the upper bytes of colors; read as little-endian, it keeps the lower ones
        wide = 256 * np.asarray(image).astype(np.uint16) + decode_raw(path, raw_mode.replace("16B", "16L"))
    if "transparency" in image.info and (wide == image.info["transparency"]).all(-1).any():
        raise image_error(path, TRANSPARENT)
    return wide


def _rounded_to_8_bits(path: str | Path, wide: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(H, W, C) uint8 of uint16, values v rounded to v / 257."""
    _refuse_few_levels(path, wide)
    return ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _refuse_few_levels(path: str | Path, wide: np.ndarray[Any, Any]) -> None:
    """Raise LossmithError for 16-bit values of a small spread, of which 8 bits would keep only a few levels.

    The `OUTLIERS` lowest and highest values do not count: some pixels of a sensor are always white or black.
    """
    counts = np.bincount(wide.reshape(-1), minlength=1 << 16)
    outliers = min(max(1, int(OUTLIERS * wide.size)), (wide.size - 1) // 2)
    low, high = np.searchsorted(counts.cumsum(), [outliers, wide.size - 1 - outliers], side="right")
    if high - low >= MIN_16BIT_SPREAD:
        return
    values = low + np.flatnonzero(counts[low : high + 1])
    levels = len(np.unique((values + 128) // 257))
    if len(values) > 2 * levels:
        raise image_error(
            path,
            f"has 16 bits, and its values, {low} to {high} of 65535, would become {levels} levels of the 8 bits "
            "that are trained and scored on; scale the values of all images alike to 0 to 65535 first",
        )


def decode_raw(path: str | Path, raw_mode: str) -> np.ndarray[Any, Any]:
    """The pixels of a PNG file, decoded as if they were stored in `raw_mode`."""
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        tiles: list[Any] = [(*tile[:3], raw_mode) for tile in image.tile]
        image.tile = tiles
        return np.array(image)


def apply_orientation(pixels: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """Pixels (H, W, C) turned and flipped upright by an EXIF orientation, 1 to 8."""
    if orientation in TRANSPOSED_ORIENTATIONS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
