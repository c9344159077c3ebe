"""Picture files to tensors, or one sentence that says why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lossmith.errors import LossmithError

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


def read_picture(path: str | Path) -> Tensor:
    """The picture in a file as it is meant to be seen: uint8 (3, H, W), RGB.

    Gray, black-and-white and palette pictures become RGB; the EXIF orientation is applied; colour profiles are
    ignored, as restoration benchmarks do. Of 16-bit pictures (PNG in gray or colour, TIFF in gray) the nearest
    8-bit value is taken, v / 257 rounded. An alpha channel must be opaque. Of a camera's multi-picture JPEG the
    main picture is read.

    Raises LossmithError, naming the file, for what is missing, no picture, damaged, transparent, animated, in
    CMYK or another colour space, of more than 16 bits, or larger than Pillow's guard against decompression
    bombs allows.
    """
    with opened(path) as image:
        raw_mode = raw_mode_of(image)
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise refusal(path, "holds several pictures (an animation or pages); save the one you mean by itself")
        wide = ";16" in raw_mode and (image.format == "PNG" or image.mode.startswith("I;16"))
        if not wide and image.mode not in _8BIT_MODES:
            reason = _REFUSED_MODES.get(image.mode, f"is in the colour mode {image.mode}; convert it to RGB first")
            raise refusal(path, reason)
        if not wide and ";16" in raw_mode:
            raise refusal(path, f"is a 16-bit colour {image.format}; save it as PNG, which is read in full")
        image.load()
        pixels = _pixels_of_16_bits(path, image, raw_mode) if wide else _pixels_of_8_bits(image)
        if pixels.shape[2] in (2, 4):
            if pixels[..., -1].min() < 255:
                raise refusal(path, "has transparent pixels; put it on a background first")
            pixels = pixels[..., :-1]
        turned = upright(pixels, orientation_of(image))
    channels = np.broadcast_to(turned, (*turned.shape[:2], 3)).transpose(2, 0, 1)
    return torch.from_numpy(np.array(channels, order="C"))


def picture_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of the picture that `read_picture` would give, from the file's header alone."""
    with opened(path) as image:
        turned = image.format != "TIFF" and orientation_of(image) >= 5  # Pillow turns a TIFF's size itself
        return image.size if turned else (image.height, image.width)


@contextmanager
def opened(path: str | Path) -> Iterator["Image"]:
    """The file, open; whatever goes wrong inside is said in one sentence."""
    from PIL import Image, UnidentifiedImageError

    if Path(path).is_dir():
        raise refusal(path, "is a folder, not a picture")
    Image.init()
    try:
        with Image.open(path, formats=[known for known in _FORMATS if known in Image.OPEN]) as image:
            yield image
    except LossmithError:
        raise
    except FileNotFoundError as error:
        raise refusal(path, "does not exist") from error
    except PermissionError as error:
        raise refusal(path, "may not be read") from error
    except UnidentifiedImageError as error:
        raise refusal(path, f"is not a picture that can be read ({', '.join(_FORMATS)})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refusal(path, "has so many pixels that it may be a decompression bomb; cut it into parts") from error
    except Exception as error:  # decoders raise whatever they stumble over
        raise refusal(path, f"is truncated or damaged ({error})") from error


def refusal(path: str | Path, reason: str) -> LossmithError:
    return LossmithError(f"picture '{path}' {reason}")


def raw_mode_of(image: "Image") -> str:
    """How the file stores its pixels, such as "RGB;16B"; `image.mode` hides that colour has 16 bits."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def orientation_of(image: "Image") -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a picture with damaged EXIF is still a picture
        return 1


def _pixels_of_8_bits(image: "Image") -> np.ndarray[Any, Any]:
    """(H, W, C) uint8."""
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if alpha else "RGB"))


def _pixels_of_16_bits(path: str | Path, image: "Image", raw_mode: str) -> np.ndarray[Any, Any]:
    """(H, W, C) uint8, each value the nearest to v / 257."""
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)[..., None]
    elif raw_mode == "LA;16B":  # four bytes a pixel
        parts = unpacked(path, "RGBA").astype(np.uint32)
        wide = 256 * parts[..., ::2] + parts[..., 1::2]
    else:  # Pillow keeps the upper bytes of colours; taken for little-endian, it keeps the lower ones
        wide = 256 * np.asarray(image).astype(np.uint32) + unpacked(path, raw_mode.replace("16B", "16L"))
    keyed = "transparency" in image.info and (wide == image.info["transparency"]).all(-1).any()
    if keyed or (wide.shape[2] in (2, 4) and wide[..., -1].min() < 65535):
        raise refusal(path, "has transparent pixels; put it on a background first")
    return ((wide + 128) // 257).astype(np.uint8)


def unpacked(path: str | Path, raw_mode: str) -> np.ndarray[Any, Any]:
    """The pixels of a PNG file, unpacked as if it held them in `raw_mode`."""
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        tiles: list[Any] = [(*tile[:3], raw_mode) for tile in image.tile]
        image.tile = tiles
        return np.array(image)


def upright(pixels: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """Turn pixels (H, W, C) as EXIF says the camera was held."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
