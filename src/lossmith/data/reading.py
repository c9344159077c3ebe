"""Image files to tensors, or one sentence that says why not."""

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
_REFUSED_MODES = {
    "CMYK": "is in CMYK, for print; convert it to RGB first",
    "F": "holds 32-bit floating-point values; only 8 and 16 bits are read",
    "I": "holds 32-bit or signed integers; only 8 and 16 bits are read",
}
_ORIENTATION = 0x0112
TRANSPOSED_ORIENTATIONS = (5, 6, 7, 8)
"""Orientations for which height and width change places."""
MIN_16BIT_SPREAD = 1 << 14
"""16-bit values that all lie within so many, as those of 14 bits and fewer do, lose too much in 8 bits."""


def read_image(path: str | Path) -> Tensor:
    """The image in a file as it is meant to be seen: uint8 (3, H, W), RGB.

    Gray, black-and-white and palette images become RGB; the EXIF orientation is applied; color profiles are
    ignored, as restoration benchmarks do. Of 16-bit images (PNG in gray or color, TIFF in gray) the nearest
    8-bit value is taken, v / 257 rounded. An alpha channel must be opaque. Of a camera's multi-picture JPEG the
    main image is read. `look_at` says what of this a person should know.

    Raises LossmithError, naming the file, for what is missing, no image, damaged, transparent, animated, in
    CMYK or another color space, of other channels than gray or RGB and transparency, of more than 16 bits, of 16
    bits that use a quarter of their range or less, or larger than Pillow's guard against decompression bombs
    allows.
    """
    with open_image(path) as image:
        wide = check_header(path, image)
        if image.format == "PNG":
            _check_png_checksums(path)
        image.load()
        pixels = _pixels_of_16_bits(path, image, wide) if wide else _pixels_of_8_bits(image)
        if pixels.shape[2] in (2, 4):
            if pixels[..., -1].min() < 255:
                raise image_error(path, "has transparent pixels; put it on a background first")
            pixels = pixels[..., :-1]
        turned = apply_orientation(pixels, orientation_of(image))
    channels = np.broadcast_to(turned, (*turned.shape[:2], 3)).transpose(2, 0, 1)
    return torch.from_numpy(np.array(channels, order="C"))


def check_header(path: str | Path, image: "Image") -> str:
    """How an open file stores 16 bits, or nothing for fewer; loading the file would make that be forgotten.

    Raises LossmithError for what is not read, as far as the header tells.
    """
    tiff = image.format == "TIFF"
    if has_pages(path, image) if tiff else getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise image_error(path, "holds several images (an animation or pages); save the one you mean by itself")
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
    """(H, W) of the image that `read_image` would give, from the file's header alone."""
    with open_image(path) as image:
        return size_of(image)


def size_of(image: "Image") -> tuple[int, int]:
    """(H, W) of an open file, upright; its pixels stay undecoded."""
    turned = (
        image.format != "TIFF" and _header_orientation(image) in TRANSPOSED_ORIENTATIONS
    )  # Pillow turns a TIFF's size itself
    return image.size if turned else (image.height, image.width)


def _header_orientation(image: "Image") -> int:
    from PIL import Image

    if image.format == "PNG":  # which decodes itself, for what might be said behind the pixels
        kinds = [kind for kind, _ in chunks_of(image)]
        behind = kinds[len(kinds) - kinds[::-1].index(b"IDAT") :] if b"IDAT" in kinds else []
        if not {b"eXIf", b"iTXt", b"zTXt", b"tEXt"}.intersection(behind):
            return orientation_of(image, Image.Image.getexif)
    return orientation_of(image)


def chunks_of(image: "Image") -> list[tuple[bytes, bytes]]:
    """The chunks of an open PNG file: the kind of each, and what short ones hold."""
    file, found = getattr(image, "fp", None), []
    if file is None:
        return []
    place = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        content = file.read(length) if length < 64 else b""
        file.seek(length - len(content) + 4, os.SEEK_CUR)
        found.append((kind, content))
    file.seek(place)
    return found


def _check_png_checksums(path: str | Path) -> None:
    """Raise ValueError for a PNG of which a part was changed or cut off; Pillow lets pixels change unseen."""
    with Path(path).open("rb") as file:
        file.seek(8)
        kind = b""
        while kind != b"IEND":
            head = file.read(8)
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            content, told = file.read(length), file.read(4)
            if len(told) < 4:
                raise ValueError("it ends too early")
            if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(told, "big") and kind[:1].isupper():
                raise ValueError("its checksums do not agree with what it holds")


@contextmanager
def open_image(path: str | Path) -> Iterator["Image"]:
    """The file, open; whatever goes wrong inside is said in one sentence."""
    from PIL import Image

    Image.init()
    with (
        errors_as_sentences(path),
        Image.open(path, formats=[known for known in _FORMATS if known in Image.OPEN]) as image,
    ):
        yield image


@contextmanager
def errors_as_sentences(path: str | Path) -> Iterator[None]:
    """Whatever goes wrong with a file inside is said in one sentence."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if path.is_dir():
        raise image_error(path, "is a folder, not an image")
    try:
        yield
    except LossmithError:
        raise
    except FileNotFoundError as error:
        leads = f"is a link to '{path.readlink()}', which is not there" if path.is_symlink() else "does not exist"
        raise image_error(path, leads) from error
    except PermissionError as error:
        raise image_error(path, "may not be read") from error
    except UnidentifiedImageError as error:
        unread = f"is not an image that can be read ({', '.join(_FORMATS)})"
        raise image_error(path, describe_non_image(path) or unsupported_reason(path) or unread) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise image_error(
            path, "has so many pixels that it may be a decompression bomb; cut it into parts"
        ) from error
    except Exception as error:  # decoders raise whatever they stumble over
        if out_of_memory(error):
            raise image_error(path, "needs more memory to be read than there is; cut it into parts") from error
        raise image_error(path, f"is truncated or damaged ({error})") from error


def image_error(path: str | Path, reason: str) -> LossmithError:
    return LossmithError(f"image '{path}' {reason}")


def raw_mode_of(image: "Image") -> str:
    """How the file stores its pixels, such as "RGB;16B"; `image.mode` hides that color has 16 bits."""
    first = _decoder_arguments(image)[0]
    return first if isinstance(first, str) else ""


def max_value_of(image: "Image") -> int:
    """The largest value that a PPM announces; Pillow scales what is more than 255 down without a word."""
    _, *rest = _decoder_arguments(image)
    return rest[0] if rest and isinstance(rest[0], int) else 65535 if ";16" in raw_mode_of(image) else 255


def _decoder_arguments(image: "Image") -> tuple[Any, ...]:
    """What Pillow tells its decoder."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, tuple) and arguments else (arguments,)


def orientation_of(image: "Image", exif: "Callable[[Image], Any] | None" = None) -> int:
    """As EXIF says it, which `exif` gets from the file."""
    try:
        return int((image.getexif() if exif is None else exif(image)).get(_ORIENTATION, 1))
    except Exception:  # an image with damaged EXIF is still an image
        return 1


def _pixels_of_8_bits(image: "Image") -> np.ndarray[Any, Any]:
    """(H, W, C) uint8."""
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if alpha else "RGB"))


def _pixels_of_16_bits(path: str | Path, image: "Image", raw_mode: str) -> np.ndarray[Any, Any]:
    """(H, W, C) uint8, each value the nearest to v / 257."""
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)[..., None]
        wide = 65535 - wide if white_is_zero(image) else wide
    elif raw_mode == "LA;16B":  # four bytes a pixel
        parts = decode_raw(path, "RGBA").astype(np.uint32)
        wide = 256 * parts[..., ::2] + parts[..., 1::2]
    else:  # Pillow keeps the upper bytes of colors; taken for little-endian, it keeps the lower ones
        wide = 256 * np.asarray(image).astype(np.uint32) + decode_raw(path, raw_mode.replace("16B", "16L"))
    keyed = "transparency" in image.info and (wide == image.info["transparency"]).all(-1).any()
    colors = {2: 1, 4: 3}.get(wide.shape[2], wide.shape[2])
    if keyed or (colors < wide.shape[2] and wide[..., -1].min() < 65535):
        raise image_error(path, "has transparent pixels; put it on a background first")
    _refuse_few_levels(path, wide[..., :colors])
    return ((wide + 128) // 257).astype(np.uint8)


def _refuse_few_levels(path: str | Path, wide: np.ndarray[Any, Any]) -> None:
    """Raise LossmithError for 16-bit values so close together that 8 bits leave little of them."""
    least, most = int(wide.min()), int(wide.max())
    if most - least >= MIN_16BIT_SPREAD:
        return
    met = np.flatnonzero(np.bincount(wide.reshape(-1)))
    left = len(np.unique((met + 128) // 257))
    if len(met) > 2 * left:
        raise image_error(
            path,
            f"has 16 bits, and its values, {least} to {most} of 65535, would become {left} levels of 8 bits, "
            "and these are trained and scored on; spread the values of all images alike over 0 to 65535 first",
        )


def decode_raw(path: str | Path, raw_mode: str) -> np.ndarray[Any, Any]:
    """The pixels of a PNG file, unpacked as if it held them in `raw_mode`."""
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        tiles: list[Any] = [(*tile[:3], raw_mode) for tile in image.tile]
        image.tile = tiles
        return np.array(image)


def apply_orientation(pixels: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """Turn pixels (H, W, C) as EXIF says the camera was held."""
    if orientation in TRANSPOSED_ORIENTATIONS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
