"""Measures how far tiles and half precision are from the network on the whole image in float32."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.restoration.channels import ChannelAdapter, planes_for
from lossmith.restoration.engine import CPU, Engine
from lossmith.restoration.tiling.memory import MEMORY_FRACTION, bytes_per_pixel, free_memory
from lossmith.restoration.tiling.plan import Planner, TilePlan
from lossmith.restoration.tiling.raster import Pixels, Raster
from lossmith.restoration.tiling.receptive_field import Sizes
from lossmith.restoration.tiling.run import restore_tile, tile_sides
from lossmith.restoration.tiling.tiles import Rectangle, rounded_up

SAMPLE_SIDE = 96
"""Side in pixels of the sample on which precisions are compared."""


@dataclass(frozen=True)
class Verification:
    """The difference of a result from the network on a window of the image; str() reports it.

    Errors are in 8-bit levels, or in the unit of the files where these are not of 8 bits.
    """

    model: str
    precision: str
    max_error: float
    mean_error: float
    agreement: float
    """Fraction of the values that are equal after rounding to 8 bits, or to the type of the files."""
    tiles: int
    """The number of tiles of the image."""
    halo: int
    window: tuple[int, int] | None
    """Height and width of the window; None where it was the whole image."""
    pixels: PixelFormat = RGB_8BIT

    def __str__(self) -> str:
        tiles = "one tile" if self.tiles == 1 else f"{self.tiles} tiles that see {self.halo} pixels around"
        computed = (
            "computed in float32; differs"
            if self.precision == "float32"
            else f"{self.precision} differs from float32"
        )
        window = "the whole image"
        if self.window is not None:
            tall, wide = self.window
            window = f"the middle of a window of {tall} x {wide} pixels, the largest that is possible here"
        unit, values = ("of 255 levels", "8-bit values") if self.pixels.is_8bit else ("of {span:g}", "values")
        return (
            f"{self.model}, {tiles}: {computed} by at most {self.max_error:.2g} "
            f"{unit.format(span=self.pixels.span)}, {self.mean_error:.2g} on average; {self.agreement:.2%} of the "
            f"{values} are the same; compared with the network on {window}"
        )


def verify(
    planner: Planner,
    source: Raster,
    plan: TilePlan,
    adapt: Callable[[Engine], ChannelAdapter] = ChannelAdapter,
) -> Verification:
    """Compare tiles with the network on the whole image, or on the largest window that fits into memory.

    Pixels near the ends of the window are left out: there the window itself differs from the whole image.
    """
    reference = planner.reference
    max_pixels = int(MEMORY_FRACTION * free_memory(CPU) / bytes_per_pixel(reference, planner.sizes))
    while True:
        window = _window(planner, source, plan, max_pixels)
        try:
            is_whole = (window.height, window.width) == (source.height, source.width)
            adapter = adapt(planner.untiled if is_whole and planner.untiled is not None else reference)
            expected = adapter(source.read(window.grown(plan.multiple_of, plan.minimum)))
            break
        except Exception as error:
            if not out_of_memory(error) or max_pixels < SAMPLE_SIDE**2:
                raise
            max_pixels = window.height * window.width // 4
    area = _comparable_area(planner, source, window)
    actual = _restore_by_tiles(adapt(planner.engine), source, plan, area)
    rows, columns = area.within(window).times(reference.scale).slices
    expected, pixels = expected[rows, columns], reference.pixels
    if pixels.is_8bit:
        expected, actual = expected.clip(0, 1), actual.clip(0, 1)
    difference = pixels.span * np.abs(expected - actual)
    whole, tiled = (pixels.from_unit(torch.from_numpy(values)) for values in (expected, actual))
    return Verification(
        reference.name,
        getattr(planner.engine, "precision", "float32"),
        float(difference.max()),
        float(difference.mean()),
        float((whole == tiled).mean()),
        len(list(_tiles(source, plan))),
        plan.halo,
        None if is_whole else (window.height, window.width),
        pixels,
    )


def _tiles(source: Raster, plan: TilePlan) -> Iterator[Rectangle]:
    tall, wide = tile_sides(source, plan, plan.tile)
    for top, left in product(range(0, source.height, tall), range(0, source.width, wide)):
        yield Rectangle(top, left, min(top + tall, source.height), min(left + wide, source.width))


def _window(planner: Planner, source: Raster, plan: TilePlan, max_pixels: int) -> Rectangle:
    """The whole image, or a window of at most `max_pixels` around the end of a tile near the center."""
    size, (tall, wide) = planner.reference.size, planner.input_size(source)
    if size is None and tall * wide > max_pixels:
        side = max(isqrt(max_pixels), max_pixels // min(tall, wide), SAMPLE_SIDE)
        size = side, side
    height, width = (source.height, source.width) if size is None else size
    sides = tile_sides(source, plan, plan.tile)
    top, bottom = _span_around_seam(source.height, height, sides[0], plan.step)
    left, right = _span_around_seam(source.width, width, sides[1], plan.step)
    return Rectangle(top, left, bottom, right)


def _span_around_seam(length: int, max_size: int, tile: int, step: int) -> tuple[int, int]:
    """Start and end of at most `max_size` pixels around the end of a tile near the middle of a length."""
    size, seam = min(length, max_size), round(length / 2 / tile) * tile
    start = min(max(0, seam - size // 2), length - size) // step * step
    return start, start + size


def _comparable_area(planner: Planner, source: Raster, window: Rectangle) -> Rectangle:
    """The part of a window that is farther from its ends than the receptive field, or else its middle third."""
    if (window.height, window.width) == (source.height, source.width):
        return window
    radius = planner.receptive_field().pixels
    down, across = (
        side // 3 if radius is None else min(radius, side // 3) for side in (window.height, window.width)
    )
    return Rectangle(
        window.top + down if window.top else 0,
        window.left + across if window.left else 0,
        window.bottom - down if window.bottom < source.height else source.height,
        window.right - across if window.right < source.width else source.width,
    )


def _restore_by_tiles(adapter: ChannelAdapter, source: Raster, plan: TilePlan, area: Rectangle) -> Pixels:
    """An area restored by the tiles of a plan, before rounding."""
    target = area.times(adapter.engine.scale)
    sums = np.zeros((target.height, target.width, source.channels), np.float32)
    weights = np.zeros((target.height, target.width, 1), np.float32)
    for tile in _tiles(source, plan):
        if not plan.around(tile, source).overlap(area):
            continue
        restored = restore_tile(source, adapter, plan, tile)
        if common := restored.area.overlap(target):
            inside, tile_part = common.within(target).slices, common.within(restored.area).slices
            sums[inside] += (restored.values * restored.weights)[tile_part]
            weights[inside] += restored.weights[tile_part]
    return sums / weights


def center_sample(engine: Engine, source: Raster, sizes: Sizes) -> Tensor:
    """(1, channels, h, w) float32 from the center of an image, of a size that the engine takes."""
    side = rounded_up(max(SAMPLE_SIDE, sizes.minimum), sizes.multiple_of)
    top, left = (max(0, (length - side) // 2) for length in (source.height, source.width))
    pixels = source.read(Rectangle(top, left, top + side, left + side))
    return planes_for(engine, pixels, source.levels).contiguous()
