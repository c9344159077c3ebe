"""How far what is done differs from what would be exact: the network on the whole image, in float32."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import isqrt

import numpy as np
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.restoration.channels import ChannelAdapter, planes_for, to_levels
from lossmith.restoration.engine import CPU, Engine
from lossmith.restoration.tiling.memory import SHARE, bytes_per_pixel, free_memory
from lossmith.restoration.tiling.plan import Planner, TilePlan
from lossmith.restoration.tiling.raster import Pixels, Raster
from lossmith.restoration.tiling.receptive_field import Sizes
from lossmith.restoration.tiling.run import restore_tile, tile_sides
from lossmith.restoration.tiling.tiles import Rectangle, rounded_up

SAMPLE = 96
"""Pixels of the side of the sample on which precisions are compared."""


@dataclass(frozen=True)
class Verified:
    """By how many 8-bit levels what was made differs from what the network makes of a window; str() says it."""

    model: str
    precision: str
    largest: float
    mean: float
    same: float
    """Share of the values that are the same 8-bit numbers."""
    tiles: int
    """How many the image is cut into."""
    halo: int
    window: tuple[int, int] | None
    """Height and width of the window; None when it was the whole image."""

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
        return (
            f"{self.model}, {tiles}: {computed} by at most {self.largest:.2g} of 255 levels, {self.mean:.2g} on "
            f"average; {self.same:.2%} of the 8-bit values are the same; compared with the network on {window}"
        )


def verify(planner: Planner, source: Raster, plan: TilePlan, restore_alpha: bool = False) -> Verified:
    """Compare tiles with the network on the whole image, or on the largest window that fits into memory.

    What lies near the end of a window is left out: there it is the window that differs from the whole image.
    """
    exact = planner.exact
    room = int(SHARE * free_memory(CPU) / bytes_per_pixel(exact, planner.sizes))
    paint = ChannelAdapter(exact, restore_alpha)
    while True:
        window = _window(planner, source, plan, room)
        try:
            wanted = paint(source.read(window.grown(plan.multiple, plan.least)))
            break
        except Exception as error:
            if not out_of_memory(error) or room < SAMPLE**2:
                raise
            room = window.height * window.width // 4
    spot = _trusted(planner, source, window)
    made = _made(ChannelAdapter(planner.used, restore_alpha), source, plan, spot)
    rows, columns = spot.within(window).times(exact.scale).slices
    reference = wanted[rows, columns].clip(0, 1)
    difference = 255 * np.abs(reference - made.clip(0, 1))
    whole = (window.height, window.width) == (source.height, source.width)
    return Verified(
        exact.name,
        getattr(planner.used, "precision", "float32"),
        float(difference.max()),
        float(difference.mean()),
        float((to_levels(reference, "uint8") == to_levels(made, "uint8")).mean()),
        len(list(_tiles(source, plan))),
        plan.halo,
        None if whole else (window.height, window.width),
    )


def _tiles(source: Raster, plan: TilePlan) -> Iterator[Rectangle]:
    tall, wide = tile_sides(source, plan, plan.tile)
    for top, left in product(range(0, source.height, tall), range(0, source.width, wide)):
        yield Rectangle(top, left, min(top + tall, source.height), min(left + wide, source.width))


def _window(planner: Planner, source: Raster, plan: TilePlan, room: int) -> Rectangle:
    """The whole image if it has at most so many pixels; otherwise as much, about a tile's end in the middle."""
    size, (tall, wide) = planner.exact.size, planner.given(source)
    if size is None and tall * wide > room:
        side = max(isqrt(room), room // min(tall, wide), SAMPLE)
        size = side, side
    height, width = (source.height, source.width) if size is None else size
    ends = tile_sides(source, plan, plan.tile)
    top, bottom = _stretch(source.height, height, ends[0], plan.step)
    left, right = _stretch(source.width, width, ends[1], plan.step)
    return Rectangle(top, left, bottom, right)


def _stretch(length: int, most: int, tile: int, step: int) -> tuple[int, int]:
    """Where at most so many pixels begin and end, around the end of a tile in the middle of a length."""
    size, end = min(length, most), round(length / 2 / tile) * tile
    start = min(max(0, end - size // 2), length - size) // step * step
    return start, start + size


def _trusted(planner: Planner, source: Raster, window: Rectangle) -> Rectangle:
    """The part of a window which the network makes as it makes it of the whole image, or, where it looks too far
    for that, the middle."""
    if (window.height, window.width) == (source.height, source.width):
        return window
    far = planner.reach().pixels
    down, across = (side // 3 if far is None else min(far, side // 3) for side in (window.height, window.width))
    return Rectangle(
        window.top + down if window.top else 0,
        window.left + across if window.left else 0,
        window.bottom - down if window.bottom < source.height else source.height,
        window.right - across if window.right < source.width else source.width,
    )


def _made(paint: ChannelAdapter, source: Raster, plan: TilePlan, spot: Rectangle) -> Pixels:
    """A spot as the tiles of a plan make it, before it is rounded."""
    target = spot.times(paint.engine.scale)
    sums = np.zeros((target.height, target.width, source.channels), np.float32)
    weights = np.zeros((target.height, target.width, 1), np.float32)
    for tile in _tiles(source, plan):
        if not plan.around(tile, source).overlap(spot):
            continue
        restored = restore_tile(source, paint, plan, tile)
        if common := restored.place.overlap(target):
            there, here = common.within(target).slices, common.within(restored.place).slices
            sums[there] += (restored.values * restored.weights)[here]
            weights[there] += restored.weights[here]
    return sums / weights


def middle(engine: Engine, source: Raster, sizes: Sizes) -> Tensor:
    """(1, channels, h, w) float32 from the middle of an image, of a size that the engine takes."""
    side = rounded_up(max(SAMPLE, sizes.least), sizes.multiple)
    top, left = (max(0, (length - side) // 2) for length in (source.height, source.width))
    pixels = source.read(Rectangle(top, left, top + side, left + side))
    return planes_for(engine, pixels, source.levels).contiguous()
