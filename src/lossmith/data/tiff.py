"""The channels of a TIFF by its tags; Pillow drops some, and takes others for transparency."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.core.errors import LossmithError

if TYPE_CHECKING:
    from PIL.Image import Image

BITS, PHOTOMETRIC, DESCRIPTION, SAMPLES, EXTRA, FORMAT = 258, 262, 270, 277, 338, 339
WHITE_IS_ZERO = 0
REDUCED_SIZE = 1
"""Bit of a page's subfile type that marks a smaller copy of another page."""
SIGNED = 2
"""Sample format of signed integers."""
COLOR_CHANNELS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""Color channels by photometric interpretation: white is zero, black is zero, RGB, palette, CMYK, YCbCr, LAB."""
ALPHA_SAMPLES = (1, 2)
"""Extra samples that are transparency: with premultiplied colors, or without."""


def check_channels(path: str | Path, image: "Image") -> None:
    """Raise LossmithError for signed values, and for channels that are neither color nor transparency."""
    tags: Any = getattr(image, "tag_v2", {})
    if SIGNED in _values(tags.get(FORMAT, ())):
        raise LossmithError(f"image '{path}' holds 32-bit or signed integers; only 8 and 16 bits are read")
    _check_samples(path, tags.get(SAMPLES, 1), COLOR_CHANNELS.get(tags.get(PHOTOMETRIC, 1)), tags.get(EXTRA, ()))
    # Pillow reads separate planes of 16 bits as bytes
    if (bits := max(_values(tags.get(BITS, 1)))) > 8 and image.mode in ("RGB", "RGBA", "RGBX", "LA"):
        raise LossmithError(f"image '{path}' is a {bits}-bit color TIFF; save it as PNG, which is read in full")


def white_is_zero(image: "Image") -> bool:
    """Whether 0 is white in an open TIFF; Pillow inverts such values for 8 bits only."""
    tags: Any = getattr(image, "tag_v2", {})
    return bool(tags.get(PHOTOMETRIC, 1) == WHITE_IS_ZERO)


def has_pages(path: str | Path, image: "Image") -> bool:
    """Whether the first image of a TIFF is followed by others that are not smaller copies of it."""
    try:
        if getattr(image, "n_frames", 1) == 1:
            return False
    except SyntaxError:  # raised by Pillow for unknown kinds of pages
        return True
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        pages: list[Any] = list(tiff.pages)
        return not all(int(page.keyframe.subfiletype) & REDUCED_SIZE for page in pages[1:])


def check_stack(path: str | Path, description: str) -> None:
    """Raise LossmithError for a stack of images by ImageJ, which only the description declares."""
    count = re.search(r"^images=(\d+)", description, re.MULTILINE)
    if description.startswith("ImageJ=") and count and int(count[1]) > 1:
        raise LossmithError(f"image '{path}' holds a stack of {count[1]} images; save the one you mean by itself")


def unsupported_reason(path: Path) -> str | None:
    """Why Pillow cannot read a TIFF, as the end of a sentence; None for other files."""
    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
    try:
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            _check_samples(path, page.samplesperpixel, COLOR_CHANNELS.get(page.photometric), page.extrasamples)
            channels = f"{page.samplesperpixel} channels" if page.samplesperpixel > 1 else "a channel"
            content = f"{channels} of {page.dtype} in {page.photometric.name}"
            return f"holds {content}; save it as gray or RGB of 8 bits first"
    except LossmithError as error:
        return str(error).removeprefix(f"image '{path}' ")
    except Exception:  # tifffile raises anything; the file is damaged then
        return None


def _check_samples(path: str | Path, samples: int, colors: int | None, extra: Any) -> None:
    """Raise LossmithError for samples beyond the color channels, except for one of transparency."""
    if colors is None or samples <= colors:
        return
    marks = [int(mark) for mark in _values(extra)]
    if samples == colors + 1 and marks[:1] and marks[0] in ALPHA_SAMPLES:
        return
    raise LossmithError(f"image '{path}' {describe_channels(samples)}; only gray and RGB are read")


def describe_channels(samples: int) -> str:
    """A phrase about channels that are neither gray, RGB nor transparency."""
    if samples == 3:
        return "has 3 channels that are not marked as RGB"
    last = ", of which the last is not transparency" if samples in (2, 4) else ""
    return f"has {samples} channels{last}"


def _values(value: Any) -> tuple[Any, ...]:
    """The values of a tag as a tuple; a single one is not in a tuple."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
