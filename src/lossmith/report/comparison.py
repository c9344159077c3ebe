"""A test image, all its restorations and their errors, made ready to be shown."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.evaluation.results import DEGRADED
from lossmith.report.data import ErrorMap, ImageComparison
from lossmith.report.display import Display, default_bands, shows_as_is


def comparison_of(
    image: str,
    target: Tensor,
    degraded: Tensor | None,
    restored: Mapping[str, Tensor],
    pixels: PixelFormat = RGB_8BIT,
    bands: Sequence[int] = (),
) -> ImageComparison:
    """All versions of a test image in the window of the target, and their errors in the unit of the files.

    Parameters
    ----------
    image
        Its name.
    target, degraded, restored
        (C, H, W) of one size, on the scale of the range; the target is NaN where pixels do not count, and
        there all versions are shown as not counting.
    pixels
        The format of all.
    bands
        The channels that are shown [default: the first three, or the first].
    """
    display = Display.of(target, pixels, bands)
    versions = ({} if degraded is None else {DEGRADED: degraded}) | dict(restored)
    invalid = ~target.isfinite().all(0)
    plain = shows_as_is(pixels) and display.bands == default_bands(pixels.channels)
    errors: dict[str, ErrorMap] = {}
    if not plain or invalid.any():
        errors = {name: _absolute_error(version, target, pixels) for name, version in versions.items()}
        versions = {name: version.masked_fill(invalid, np.nan) for name, version in versions.items()}
    shown = {name: display.show(version) for name, version in versions.items()}
    return ImageComparison(
        image=image,
        target=display.show(target),
        degraded=shown.pop(DEGRADED, None),
        restored=shown,
        display=display,
        errors=errors,
    )


def _absolute_error(image: Tensor, target: Tensor, pixels: PixelFormat) -> ErrorMap:
    error: ErrorMap = ((image.float() - target).abs().mean(0) * pixels.span).cpu().float().numpy()
    return error
