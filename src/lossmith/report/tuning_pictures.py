"""Details of test images as every member of a front restores them."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.report.crops import find_crops, most_different
from lossmith.report.data import ImageComparison, Pixels
from lossmith.report.tuning_data import FrontMember, TuningContents

MAX_IMAGES = 4
"""Those in which the members differ most."""
SIDE = 96
"""Pixels of a detail."""


@dataclass(frozen=True)
class FrontDetail:
    """One detail of a test image, of one size throughout."""

    image: str
    caption: str
    """How it is shown; empty for 8-bit RGB."""
    degraded: Pixels | None
    """None where it is not known."""
    restored: Sequence[Pixels | None]
    """In the order of the members; None for one that restored nothing."""
    target: Pixels


def front_details(contents: TuningContents, members: Sequence[FrontMember]) -> list[FrontDetail]:
    """The detail of each image in which the members differ most, in those images in which they do."""
    comparisons = [comparison for comparison in contents.comparisons if comparison.restored]
    return [_detail(comparison, members) for comparison in most_different(comparisons, MAX_IMAGES)]


def _detail(comparison: ImageComparison, members: Sequence[FrontMember]) -> FrontDetail:
    crop = find_crops(comparison, SIDE)[0]
    inner = (slice(crop.y, crop.y + crop.side), slice(crop.x, crop.x + crop.side))
    restored = [comparison.restored.get(member.name) for member in members]
    return FrontDetail(
        comparison.image,
        comparison.display.caption,
        None if comparison.degraded is None else comparison.degraded[inner],
        [None if image is None else image[inner] for image in restored],
        comparison.target[inner],
    )


__all__ = ["FrontDetail", "front_details"]
