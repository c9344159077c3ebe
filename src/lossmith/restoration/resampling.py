"""Resamples the output of a network to the requested size."""

import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np

from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import to_levels
from lossmith.restoration.tiling.raster import STRIP_BYTES, Pixels, Raster
from lossmith.restoration.tiling.tiles import Rectangle

Size = int | str
"""Pixels of the longer side, or "WIDTHxHEIGHT"."""
MAX_FACTOR = 100.0
LANCZOS_RADIUS = 3
"""Pixels to each side that the Lanczos filter reaches, of the smaller of input and result."""


def check_size(scale_to: float | None, size: Size | None) -> None:
    """Raise LossmithError where a size is invalid, or both are given."""
    if scale_to is not None and size is not None:
        raise LossmithError("scale_to and size both say how large results are; give one of them")
    if scale_to is not None and not 0 < scale_to <= MAX_FACTOR:
        raise LossmithError(f"`scale_to` must be more than 0 and at most {MAX_FACTOR:g}, not {scale_to}")
    if size is not None:
        _sides(size)


def size_of_result(
    height: int, width: int, scale: int, scale_to: float | None, size: Size | None
) -> tuple[int, int]:
    """(height, width) of the result of an image (height, width) under a network of `scale`.

    >>> size_of_result(300, 400, 4, 1.5, None), size_of_result(300, 400, 4, None, 1000)
    ((450, 600), (750, 1000))
    >>> size_of_result(300, 400, 4, None, "640x480"), size_of_result(300, 400, 4, None, None)
    ((480, 640), (1200, 1600))
    """
    sides = None if size is None else _sides(size)
    if isinstance(sides, tuple):
        return sides[::-1]
    factor = scale_to or scale if sides is None else sides / max(height, width)
    down, across = (max(1, round(factor * side)) for side in (height, width))
    return down, across


def _sides(size: Size) -> int | tuple[int, int]:
    """The longer side, or (width, height).

    Raises LossmithError where `size` is neither.
    """
    match = re.fullmatch(r"\s*(\d{1,6})(?:\s*[x×X]\s*(\d{1,6}))?\s*", str(size))
    sides = [int(side) for side in match.groups() if side] if match and not isinstance(size, bool) else []
    if not sides or min(sides) < 1:
        raise LossmithError(f"`size` must be the longer side in pixels, or WIDTHxHEIGHT, not '{size}'")
    return (sides[0], sides[1]) if len(sides) == 2 else sides[0]


def size_notes(source: tuple[int, int], result: tuple[int, int], scale: int) -> Iterator[str]:
    """What the user should know about the (height, width) of a result, as phrases that a file name can follow."""
    down, across = (length / side for length, side in zip(result, source, strict=True))
    if max(down, across) > scale:
        yield f"enlarges {scale} times by the model and the rest of the way by interpolation"
    if any(abs(length - max(down, across) * side) > 1 for length, side in zip(result, source, strict=True)):
        yield "changes the proportions of the image, to those of `size`"


def resample(raster: Raster, size: tuple[int, int], to: Path) -> Raster:
    """Resample a raster to (height, width) into a raster at `to`, by an antialiased Lanczos filter.

    Only a strip of rows at a time is in memory. Colors are weighted by alpha.

    Raises LossmithError when the disk is full.
    """
    height, width = size
    result = Raster(to, height, width, raster.channels, raster.dtype).create()
    step = raster.height / height
    margin = ceil(LANCZOS_RADIUS * max(step, 1)) + 1
    tall = max(1, int(STRIP_BYTES / (4 * raster.channels * max(width, raster.width) * max(step, 1))))
    for top in range(0, height, tall):
        bottom = min(top + tall, height)
        first, last = max(0, int(top * step) - margin), min(raster.height, ceil(bottom * step) + margin)
        rows = raster.read(Rectangle(first, 0, last, raster.width)) / np.float32(raster.levels)
        box = (0.0, top * step - first, float(raster.width), min(bottom * step - first, last - first))
        strip = _lanczos(rows, (width, bottom - top), box, raster.has_alpha)
        result.write(Rectangle(top, 0, bottom, width), to_levels(strip, raster.dtype))
    return result


def resample_values(values: Pixels, size: tuple[int, int]) -> Pixels:
    """Resample float32 values (H, W, C) in memory to (height, width), by the same filter."""
    height, width = values.shape[:2]
    if (height, width) == size:
        return values
    return _lanczos(values, size[::-1], (0.0, 0.0, width, height), values.shape[-1] in (2, 4))


def _lanczos(
    values: Pixels, size: tuple[int, int], box: tuple[float, float, float, float], has_alpha: bool
) -> Pixels:
    """Resize the `box` of values (H, W, C) to (width, height); values around the box contribute to its edges."""
    from PIL import Image

    opacity = values[..., -1:] if has_alpha else None
    if opacity is not None:
        values = np.concatenate([values[..., :-1] * opacity, opacity], axis=2)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(values, -1, 0)]
    resized = [np.asarray(plane.resize(size, Image.Resampling.LANCZOS, box=box)) for plane in planes]
    result: Pixels = np.stack(resized, axis=-1)
    if opacity is not None:
        visible = np.maximum(result[..., -1:], np.float32(1e-6))
        result = np.concatenate([result[..., :-1] / visible, result[..., -1:]], axis=2)
    return result
