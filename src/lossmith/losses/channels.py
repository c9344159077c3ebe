"""Losses for images of a number of channels, and of a range."""

from collections.abc import Iterator
from copy import deepcopy

from lossmith.core.pixel_format import PixelFormat
from lossmith.losses.base import Loss, SumLoss, WeightedLoss
from lossmith.losses.mdf.loss import MDFLoss
from lossmith.losses.precomputed import PrecomputableLoss
from lossmith.losses.schedule import Schedule
from lossmith.losses.share_loss import ShareLoss

MIN_COMMON_SHARE = 0.5
"""Of two ranges that are much the same, in what either of them covers."""


def for_channels(criterion: Loss, channels: int) -> Loss:
    """The loss for images of so many channels.

    Pixel and structural losses take any number. Losses on the features of RGB networks take gray images as three
    equal channels: for one channel `gray=repeat` is set where `gray` was not, in a copy of the loss, whose
    expression says so. A loss of yours by its import path is left as it is.

    Raises LossmithError for a loss that does not take such images: a deep one without `bands`, or one that was
    learned from images of other channels.

    >>> from lossmith.losses import loss
    >>> str(for_channels(loss("l1 + mdf(jpeg)"), 1)), str(for_channels(loss("l1 + mdf(jpeg)"), 3))
    ('l1 + mdf(jpeg, gray=repeat)', 'l1 + mdf(jpeg)')
    >>> for_channels(loss("mdf(jpeg)"), 8)
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: mdf(jpeg) takes images of 3 channels, not 8; name those that it gets, \
counted from 0, such as bands="0,1,2"
    """
    if channels == 1 and any(_would_repeat(part) for part in _deep_parts(criterion)):
        criterion = deepcopy(criterion)
        for part in filter(_would_repeat, _deep_parts(criterion)):
            part.gray = "repeat"
    for part in _deep_parts(criterion):
        part.check_channels(channels)
    return criterion


def range_remarks(criterion: Loss, pixels: PixelFormat) -> tuple[str, ...]:
    """Remarks on losses that were learned from an image of such files on another range than that of a study.

    What such a loss learned looks brighter or darker to it, and with more or less contrast, in the study.
    """
    return tuple(
        f"{part} was learned from an image on the range {_limits(part.pixels)}, and sees these on "
        f"{_limits(pixels)}, with another contrast; learn it with `range={pixels.low:g}:{pixels.high:g}`"
        for part in _deep_parts(criterion)
        if isinstance(part, MDFLoss) and part.pixels.dtype == pixels.dtype and _differ(part.pixels, pixels)
    )


def _differ(one: PixelFormat, other: PixelFormat) -> bool:
    common = min(one.high, other.high) - max(one.low, other.low)
    return common < MIN_COMMON_SHARE * (max(one.high, other.high) - min(one.low, other.low))


def _limits(pixels: PixelFormat) -> str:
    return f"{pixels.low:g} to {pixels.high:g}"


def _would_repeat(part: PrecomputableLoss) -> bool:
    return part.channels == 3 and part.gray == "refuse" and part.bands is None


def _deep_parts(criterion: Loss) -> Iterator[PrecomputableLoss]:
    """The losses within a sum or a schedule that take images of certain channels only."""
    match criterion:
        case PrecomputableLoss():
            yield criterion
        case WeightedLoss():
            yield from _deep_parts(criterion.loss)
        case SumLoss() | ShareLoss():
            yield from (part for loss in criterion.losses for part in _deep_parts(loss))
        case Schedule():
            yield from (part for stage in criterion.stages for part in _deep_parts(stage))


__all__ = ["for_channels", "range_remarks"]
