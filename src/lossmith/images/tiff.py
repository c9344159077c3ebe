"""What a TIFF says of its channels; Pillow drops some, and takes others for transparency."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.errors import LossmithError

if TYPE_CHECKING:
    from PIL.Image import Image

PHOTOMETRIC, DESCRIPTION, SAMPLES, EXTRA, FORMAT = 262, 270, 277, 338, 339
WHITE_IS_ZERO = 0
SIGNED = 2
COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}
"""Channels by the photometric interpretation: gray from white or from black, RGB, palette, CMYK, YCbCr, LAB."""
ALPHA = (1, 2)
"""What an extra sample is called that is transparency: multiplied into the colours, or not."""


def check_channels(path: str | Path, image: "Image") -> None:
    """Raise LossmithError for signed values, and for channels neither of colour nor marked as transparency."""
    tags: Any = getattr(image, "tag_v2", {})
    if SIGNED in _each(tags.get(FORMAT, ())):
        raise LossmithError(f"picture '{path}' holds 32-bit or signed integers; only 8 and 16 bits are read")
    _check(path, tags.get(SAMPLES, 1), COLOURS.get(tags.get(PHOTOMETRIC, 1)), tags.get(EXTRA, ()))


def white_is_zero(image: "Image") -> bool:
    """Whether a TIFF counts from white to black; Pillow turns that round for 8 bits alone."""
    tags: Any = getattr(image, "tag_v2", {})
    return bool(tags.get(PHOTOMETRIC, 1) == WHITE_IS_ZERO)


def check_stack(path: str | Path, image: "Image") -> None:
    """Raise LossmithError for a stack of ImageJ that only its description tells of."""
    tags: Any = getattr(image, "tag_v2", {})
    said = str(tags.get(DESCRIPTION, ""))
    if (
        said.startswith("ImageJ=")
        and (count := re.search(r"^images=(\d+)", said, re.MULTILINE))
        and int(count[1]) > 1
    ):
        raise LossmithError(
            f"picture '{path}' holds a stack of {count[1]} pictures; save the one you mean by itself"
        )


def why_not_read(path: Path) -> str | None:
    """Why Pillow does not know the TIFF in a file; None where it is none."""
    with path.open("rb") as file:
        if file.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
    try:
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            page: Any = tiff.pages[0]
            _check(path, page.samplesperpixel, COLOURS.get(page.photometric), page.extrasamples)
            channels = f"{page.samplesperpixel} channels" if page.samplesperpixel > 1 else "a channel"
            held = f"{channels} of {page.dtype} in {page.photometric.name}"
            return f"holds {held}; save it as gray or RGB of 8 bits first"
    except LossmithError as error:
        return str(error).removeprefix(f"picture '{path}' ")
    except Exception:  # whatever it stumbles over; it is damaged then
        return None


def _check(path: str | Path, samples: int, colours: int | None, extra: Any) -> None:
    if colours is None or samples <= colours:
        return
    marks = [int(mark) for mark in _each(extra)]
    if samples == colours + 1 and marks[:1] and marks[0] in ALPHA:
        return
    last = ", of which the last is not transparency" if samples in (2, 4) else ""
    raise LossmithError(f"picture '{path}' has {samples} channels{last}; only gray and RGB are read")


def _each(value: Any) -> tuple[Any, ...]:
    """The values of a tag, which stands by itself where there is one."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
