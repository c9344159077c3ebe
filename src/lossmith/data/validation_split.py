"""Validation crops of the training images, for choosing settings: neither trained nor tested on."""

from dataclasses import dataclass, replace

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data.disk_cache import StoredImage, crop, upper_left
from lossmith.data.picture_reader import CleanImage, filled
from lossmith.data.prepare import PreparedData
from lossmith.data.selection import evenly_spread
from lossmith.data.test_pairs import ImagePair, JoinedPairs, degraded_pairs
from lossmith.data.training_images import TrainingImages
from lossmith.degradations import Degradation

SHARE = 5
"""A fifth of an image's longer side is cut off."""
MAX_CROPS = 16
MAX_SIDE = 128
"""Of a crop, in clean pixels, unless a loss needs more."""
MIN_SIDE = 32
"""Of a crop; a smaller one would consist of its borders."""
PAIR_GAP = 16
"""Pixels of given degraded images beside the cut that are not used: whatever degraded them, such as a blur or
JPEG's blocks of 16, may have mixed both sides."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a training image, in clean pixels."""

    image: int
    top: int
    bottom: int
    left: int
    right: int

    def __str__(self) -> str:
        return f"rows {self.top} to {self.bottom - 1}, columns {self.left} to {self.right - 1}"


@dataclass(frozen=True)
class Splitter:
    """Cuts images in two: the upper or left part is trained on, and crops of the rest are validated on."""

    scale: int
    patch: int
    """The least height and width of the part to train on."""
    least: int
    """The least height and width of the part to validate on."""
    gap: int
    """Rows or columns between the two, so that no pixel of one has an influence on the other."""

    def strip(self, image: int, height: int, width: int) -> Region | None:
        """The part to validate on, at the end of the longer side; None where the image is too small."""
        longer, shorter = max(height, width), min(height, width)
        length = max(self.least, min(longer // SHARE, longer - self.gap - self.patch))
        start = (longer - length) // self.scale * self.scale
        if start - self.gap < self.patch or shorter < max(self.patch, self.least):
            return None
        top, left = (start, 0) if height > width else (0, start)
        return Region(image, top, height, left, width)

    def trained_size(self, strip: Region) -> tuple[int, int]:
        """(height, width) of what is trained on of an image that has this strip."""
        if strip.top:
            return strip.top - self.gap, strip.right
        return strip.bottom, strip.left - self.gap

    def crops(self, strip: Region) -> list[Region]:
        """The strip, cut across into crops; what is left over at its edges is not used."""
        longest = max(MAX_SIDE, self.least) // self.scale * self.scale
        height, width = (
            min(side // self.scale * self.scale, longest)
            for side in (strip.bottom - strip.top, strip.right - strip.left)
        )
        return [
            Region(strip.image, top, top + height, left, left + width)
            for top in range(strip.top, strip.bottom - height + 1, height)
            for left in range(strip.left, strip.right - width + 1, width)
        ]


def split_validation(
    data: PreparedData, degradation: Degradation | None, patch: int, min_side: int = 1
) -> PreparedData:
    """The training images with a strip cut off of each, and crops of these strips in the place of test images.

    A strip is a fifth of the longer side, or more where a crop needs it. Its crops, at most 16 of all images,
    evenly spread, are degraded by themselves; and what is trained on keeps so far from it that nothing, be it
    JPEG's blocks or the reach of a blur, mixes the two. Images that are too small for both parts are trained on
    whole; crops without a pixel that counts are left out. Nothing is decoded again, and nothing but the crops is
    held in memory.

    Parameters
    ----------
    data
        Training images, in memory or on the disk; its test images are not looked at.
    degradation
        How they were degraded; None for given pairs.
    patch
        Side of the training patches, in clean pixels.
    min_side
        Least side of a crop that a loss takes.

    Raises
    ------
    LossmithError
        If all images are too small, or no pixel of the crops counts.
    """
    source, scale = data.source, data.source.scale
    margin = PAIR_GAP * scale if degradation is None else degradation.margin
    splitter = Splitter(
        scale, patch, _multiple(max(MIN_SIDE, 4 * scale, min_side), scale), _multiple(margin, scale)
    )
    sizes = [(image.shape[1], image.shape[2]) for image in source.clean]
    strips = [splitter.strip(number, *size) for number, size in enumerate(sizes)]
    if not any(strips):
        least = max(patch, splitter.least)
        raise LossmithError(
            "no training image is large enough to validate on a part of it that is not trained on: with patches "
            f"of {patch} pixels one of {patch + splitter.gap + splitter.least} x {least} pixels is needed; add "
            "one, or let `patch` be smaller"
        )
    crops = [crop for strip in strips if strip for crop in splitter.crops(strip) if _counts(crop, source)]
    if not crops:
        raise LossmithError("no pixel counts of the parts of images that would be validated on; check the masks")
    regions = evenly_spread(crops, MAX_CROPS)
    named = {f"{source.names[region.image]}-crop{place}": region for place, region in enumerate(regions, 1)}
    return PreparedData(
        _trained_part(
            source,
            [
                size if strip is None else splitter.trained_size(strip)
                for size, strip in zip(sizes, strips, strict=True)
            ],
        ),
        [pair for name, region in named.items() for pair in _pairs(name, region, source, degradation)],
        data.degradation,
        {
            **{name: entry for name, entry in data.fingerprint.items() if not name.startswith("test_")},
            "validation_crops": {name: f"{source.names[r.image]}, {r}" for name, r in named.items()},
        },
        pixels=data.pixels,
    )


def with_tests(split: PreparedData, data: PreparedData, min_side: int) -> PreparedData:
    """A split whose test images are its crops and, behind them, the test images of the data that was split.

    Its fingerprint has the least side of crops, too, by which the images can be split again.
    """
    tests = {name: entry for name, entry in data.fingerprint.items() if name.startswith("test_")}
    return replace(
        split,
        test_pairs=JoinedPairs(split.test_pairs, data.test_pairs),
        fingerprint={**split.fingerprint, "validation_min_side": min_side, **tests},
        remarks=data.remarks,
        untested=data.untested,
    )


def _multiple(number: int, scale: int) -> int:
    """The least multiple of the scale that is not below the number."""
    return -(-number // scale) * scale


def _trained_part(source: TrainingImages, sizes: list[tuple[int, int]]) -> TrainingImages:
    """The upper left parts of these sizes, in clean pixels."""

    def part(image: StoredImage, number: int) -> StoredImage:
        shrink = source.clean[number].shape[1] // image.shape[1]
        return upper_left(image, *(side // shrink for side in sizes[number]))

    return replace(
        source,
        clean=tuple(part(image, number) for number, image in enumerate(source.clean)),
        predegraded=tuple(part(image, number) for number, image in enumerate(source.predegraded)),
    )


def _pairs(name: str, region: Region, source: TrainingImages, degradation: Degradation | None) -> list[ImagePair]:
    clean = _read(source.clean[region.image], region, 1)
    if degradation is not None:
        picture = CleanImage(clean, filled(clean))
        return degraded_pairs(name, picture, degradation.for_pixels(source.pixels), pixels=source.pixels)
    degraded = _read(source.predegraded[region.image], region, source.scale)
    to_unit = source.pixels.to_unit
    return [ImagePair(name, to_unit(degraded), to_unit(clean), source.scale)]


def _counts(region: Region, source: TrainingImages) -> bool:
    """Whether a pixel of a region counts."""
    return not source.masked or not bool(_read(source.clean[region.image], region, 1).isnan().all())


def _read(image: StoredImage, region: Region, shrink: int) -> Tensor:
    sides = (side // shrink for side in (region.top, region.bottom, region.left, region.right))
    return crop(image, *sides).contiguous()


__all__ = ["split_validation", "with_tests"]
