"""How images of any format are shown: some of their channels, in a stated window of values, as 8-bit RGB."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossmith.core.errors import LossmithError, counted
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data.writing import to_uint8_hwc
from lossmith.report.formatting import number

PERCENTILES = (0.1, 99.9)
"""Of the pixels of a target, the values that are shown as black and white; a few hot pixels darken nothing."""
INVALID = (86, 118, 148)
"""The color of pixels that do not count, which gray pictures do not have; `errors.js` and `images.css` know it."""

Pixels = NDArray[np.uint8]
"""An image as (height, width, 3) RGB bytes."""
Window = tuple[float, float]
"""The values that are shown as black and as white, on the scale of the range."""


@dataclass(frozen=True)
class Display:
    """How all versions of one image are shown; 8-bit gray and RGB as they are."""

    pixels: PixelFormat = RGB_8BIT
    window: Window = (0.0, 1.0)
    bands: tuple[int, ...] = (0, 1, 2)
    """The channels shown as red, green and blue, or one in gray; the first is 0."""

    @classmethod
    def of(cls, target: Tensor, pixels: PixelFormat, bands: Sequence[int] = ()) -> Self:
        """The display of a target, (C, H, W) on the scale of the range; the first bands where none are named."""
        bands = tuple(bands) or default_bands(pixels.channels)
        return cls(pixels, display_window(target, pixels, bands), bands)

    def show(self, image: Tensor) -> Pixels:
        """An image, (C, H, W) on the scale of the range, as it is shown."""
        return to_display(image, self.window, self.bands)

    @property
    def caption(self) -> str:
        """What the images are and what is shown of them; empty for 8-bit RGB.

        >>> Display(PixelFormat(1, "uint16", 0, 65535), (0.01, 0.1), (0,)).caption
        'gray, 16 bits, 0 to 65535; shown from 655 (black) to 6554 (white)'
        """
        if self == Display():
            return ""
        channels = [str(band) for band in self.bands]
        words = []
        if self.bands != tuple(range(self.pixels.channels)):
            words = [f"channel{'s' * (len(channels) > 1)} {', '.join(channels)} (the first is 0)"]
        words += ["shown"] if words or not shows_as_is(self.pixels) else []
        if len(words) > 1 and len(channels) > 1:
            words += ["as red, green and blue,"]
        if not shows_as_is(self.pixels):
            words += ["from {} (black) to {} (white)".format(*self._ends)]
        return "; ".join(filter(None, [str(self.pixels), " ".join(words).rstrip(",")]))

    @property
    def unit(self) -> str:
        """The unit of errors, to be read after a number."""
        if self.pixels.is_8bit:
            return "of 255 levels"
        return "counts" if self.pixels.holds_integers else "in the unit of the files"

    @property
    def unit_of_errors(self) -> str:
        """The same in a sentence: errors are "in counts"."""
        return {"of 255 levels": "in 8-bit levels", "counts": "in counts"}.get(self.unit, self.unit)

    @property
    def _ends(self) -> tuple[str, str]:
        """The window in the unit of the files, with the digits that its width asks for."""
        low, high = (self.pixels.low + end * self.pixels.span for end in self.window)
        digits = 0 if self.pixels.holds_integers else max(0, 2 - math.floor(math.log10(high - low)))
        return number(low, digits), number(high, digits)


def display_window(target: Tensor, pixels: PixelFormat, bands: Sequence[int] = ()) -> Window:
    """The values that are shown as black and as white, on the scale of the range: `PERCENTILES` of the target.

    Those of 8-bit gray and RGB are 0 and 1. Of whole numbers the window ends at whole numbers. Pixels that are not
    finite do not count; a flat target has a window of one count, or of a hundredth of the range, around it.

    Parameters
    ----------
    target
        (C, H, W) on the scale of the range.
    pixels
        Its format.
    bands
        The channels that are shown [default: the first three, or the first].

    >>> import torch
    >>> display_window(torch.linspace(0, 0.5, 1001).view(1, 1, 1001), PixelFormat(1, "uint16", 0, 1000))
    (0.0, 0.5)
    """
    if shows_as_is(pixels):
        return 0.0, 1.0
    shown = target[list(bands or default_bands(target.shape[0]))].detach().cpu().double().numpy()
    values = shown[np.isfinite(shown)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, PERCENTILES)
    least = 0.01
    if pixels.holds_integers:
        least = 1 / pixels.span
        # numbers that are whole but for rounding errors stay what they are
        low, high = np.floor(low / least + 1e-3) * least, np.ceil(high / least - 1e-3) * least
    if high - low < least / 2:
        low, high = low - least / 2, high + least / 2
    return float(low), float(high)


def to_display(image: Tensor, window: Window, bands: Sequence[int]) -> Pixels:
    """An image as it is shown, (H, W, 3) bytes.

    Parameters
    ----------
    image
        (C, H, W) on the scale of the range; NaN where pixels do not count, which are shown in the color `INVALID`.
    window
        The values that are black and white; what lies outside is clipped.
    bands
        The channels shown as red, green and blue, or one that is shown in gray.

    >>> import torch
    >>> to_display(torch.tensor([[[0.25, 0.5, 0.9]]]), (0.0, 0.5), (0,))[0].tolist()
    [[128, 128, 128], [255, 255, 255], [255, 255, 255]]
    """
    low, high = window
    valid = image.isfinite().all(0)
    shown = image if tuple(bands) == tuple(range(len(image))) else image[list(bands)]
    if window != (0.0, 1.0):
        shown = (shown - low) / (high - low)
    if valid.all():
        return to_uint8_hwc(shown.expand(3, -1, -1))
    colors = to_uint8_hwc(shown.nan_to_num(0).expand(3, -1, -1))
    colors[~valid.cpu().numpy()] = INVALID
    return colors


def shades(values: Tensor) -> Pixels:
    """A map, (1, H, W) from 0 to 1, in shades of gray, (H, W, 3) bytes."""
    return to_display(values, (0.0, 1.0), (0,))


def default_bands(channels: int) -> tuple[int, ...]:
    """The channels that are shown where none are named: the first three, or the first of one or two."""
    return (0, 1, 2) if channels >= 3 else (0,)


def parse_bands(text: str | None, channels: int | None = None) -> tuple[int, ...]:
    """The channels that `show_bands` names, as `bands` of losses does; () for None.

    >>> parse_bands("4,2,0"), parse_bands(None)
    ((4, 2, 0), ())

    Raises LossmithError for anything that is not one or three numbers, and beyond `channels`.
    """
    if text is None:
        return ()
    words = [word.strip() for word in str(text).split(",")]
    if len(words) not in (1, 3) or not all(word.isdecimal() for word in words):
        raise LossmithError(
            "`show_bands` is one channel, or three that are shown as red, green and blue, such as 4,2,0, "
            f"not '{text}'"
        )
    bands = tuple(int(word) for word in words)
    if channels is not None and max(bands) >= channels:
        raise LossmithError(
            f"`show_bands='{text}'` names channel {max(bands)} of images that have "
            f"{counted(channels, 'channel')}, of which the first is 0"
        )
    return bands


def shows_as_is(pixels: PixelFormat) -> bool:
    """Whether such images are shown without a window: gray and RGB of 8 bits are."""
    return pixels.is_8bit and pixels.channels in (1, 3)
