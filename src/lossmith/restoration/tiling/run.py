"""Restores an image tile by tile; finished tiles stay on disk, so a stopped image is resumed."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import ChannelAdapter, to_levels
from lossmith.restoration.output_range import RangeCheck
from lossmith.restoration.tiling.plan import TilePlan
from lossmith.restoration.tiling.raster import Pixels, Raster
from lossmith.restoration.tiling.tiles import Rectangle, blend_weights, even_side, next_tile


@dataclass(frozen=True)
class TileCanvas:
    """The result so far, on disk, and which cells of it are finished."""

    pixels: Raster
    """The result; where tiles are blended, sums of weighted values and, as the last channel, of the weights."""
    finished: Raster
    """(rows of cells, columns of cells, 1): 1 where the cell is finished."""


class WholeDoesNotFit(Exception):
    """An image that was planned as one piece needs more memory than there is."""


def restore_tiles(
    source: Raster,
    canvas: TileCanvas,
    adapter: ChannelAdapter,
    plan: TilePlan,
    advance: Callable[[int], None] = lambda pixels: None,
    range_check: RangeCheck | None = None,
) -> None:
    """Restore the unfinished tiles of `source` into `canvas`.

    `advance` is called with the number of input pixels of each finished tile; `range_check` counts output values
    out of range. When a tile does not fit into memory, the rest is restored in smaller ones.

    Raises LossmithError when the smallest tile does not fit, or the output of the network is not an image; and
    WholeDoesNotFit when the plan was one piece and it does not fit.
    """
    max_tile = plan.tile
    while (tile := _next_tile(source, canvas, plan, max_tile)) is not None:
        try:
            restored = restore_tile(source, adapter, plan, tile, range_check)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if plan.whole:  # its tiles would need a halo
                raise WholeDoesNotFit from error
            if plan.fixed or max(max_tile) <= plan.cell:
                raise LossmithError(
                    f"there is not enough memory even for tiles of {max(max_tile)} pixels; take a smaller `halo` "
                    "or network"
                ) from error
            half = min(max(max_tile), max(tile.height, tile.width)) // 2 // plan.cell * plan.cell
            max_tile = (max(plan.cell, half), max(plan.cell, half))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        if plan.blended:
            weighted = np.concatenate([restored.values * restored.weights, restored.weights], 2)
            canvas.pixels.add(restored.area, weighted)
        else:
            canvas.pixels.write(restored.area, to_levels(restored.values, canvas.pixels.dtype))
        _mark_finished(canvas, plan, tile)
        advance(tile.height * tile.width)


def tile_sides(source: Raster, plan: TilePlan, max_tile: tuple[int, int]) -> tuple[int, int]:
    """Height and width, in whole cells, of equal tiles that are no larger than `max_tile` (height, width)."""
    return (
        even_side(source.height, max_tile[0], plan.cell),
        even_side(source.width, max_tile[1], plan.cell),
    )


def _next_tile(source: Raster, canvas: TileCanvas, plan: TilePlan, max_tile: tuple[int, int]) -> Rectangle | None:
    finished = canvas.finished.mapped()[..., 0].astype(bool)
    return next_tile(finished, plan.cell, *tile_sides(source, plan, max_tile), source.height, source.width)


@dataclass(frozen=True)
class RestoredTile:
    """The output of the network for a tile."""

    area: Rectangle
    """The area of the result that it covers: the tile, and what is blended around it."""
    values: Pixels
    weights: Pixels
    """(height, width, 1): its weight against its neighbors."""


def restore_tile(
    source: Raster, adapter: ChannelAdapter, plan: TilePlan, tile: Rectangle, range_check: RangeCheck | None = None
) -> RestoredTile:
    """Restore one tile to values in [0, 1], clipped only where tiles are blended, and never in pictures of floats.

    Raises LossmithError when the network fails, or its output is not an image.
    """
    scale, around = adapter.engine.scale, plan.around(tile, source)
    # to meet minimum and multiple_of, the image is mirrored beyond its lower and right edge
    pixels = source.read(around.grown(plan.multiple_of, plan.minimum))
    restored = _apply(adapter, pixels)
    if not np.isfinite(restored).all():
        raise LossmithError(
            f"model '{adapter.engine.name}' gives NaN or infinity; try `precision=float32`, or train it again"
        )
    if range_check is not None:
        colors = slice(1 if source.channels < 3 else 3)
        range_check.add(pixels[..., colors].max() / source.levels, restored[..., colors])
    area = tile.widened(plan.fade, around)
    rows, columns = area.within(around).times(scale).slices
    values = restored[rows, columns]
    if not plan.blended:
        return RestoredTile(area.times(scale), values, np.ones((*values.shape[:2], 1), np.float32))
    weights = blend_weights(tile.times(scale), area.times(scale), scale * source.height, scale * source.width)
    limited = values if source.dtype == "float32" else np.clip(values, 0, 1)
    return RestoredTile(area.times(scale), limited, weights)


def _apply(adapter: ChannelAdapter, pixels: Pixels) -> Pixels:
    try:
        return adapter(pixels)
    except Exception as error:  # a user's network may raise any kind of exception
        if isinstance(error, LossmithError) or out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        size = f"{pixels.shape[0]} x {pixels.shape[1]} pixels"
        raise LossmithError(f"model '{adapter.engine.name}' fails on {size}: {reason}") from error


def _mark_finished(canvas: TileCanvas, plan: TilePlan, tile: Rectangle) -> None:
    cells = Rectangle(
        tile.top // plan.cell, tile.left // plan.cell, -(-tile.bottom // plan.cell), -(-tile.right // plan.cell)
    )
    canvas.finished.write(cells, np.uint8(1))


def new_canvas(
    source: Raster,
    scale: int,
    plan: TilePlan,
    dtype: str,
    pixels: Raster,
    finished: Raster,
    *,
    keep: bool = False,
) -> TileCanvas:
    """An empty canvas for an image, in the files of `pixels` and `finished`; with `keep` the existing one.

    Raises LossmithError when the disk is full.
    """
    channels = source.channels + 1 if plan.blended else source.channels
    result = replace(
        pixels,
        height=scale * source.height,
        width=scale * source.width,
        channels=channels,
        dtype="float32" if plan.blended else dtype,
    )
    cells = replace(
        finished,
        height=-(-source.height // plan.cell),
        width=-(-source.width // plan.cell),
        channels=1,
        dtype="uint8",
    )
    for raster in (result, cells):
        if not (keep and raster.path.is_file() and raster.path.stat().st_size == raster.nbytes):
            keep = False
            raster.create()
    return TileCanvas(result, cells)


def finalize(canvas: TileCanvas, plan: TilePlan, dtype: str, to: Raster) -> Raster:
    """The finished result as integers; where tiles were blended, the sums divided by the weights, in `to`."""
    pixels = canvas.pixels
    if not plan.blended:
        return pixels
    result = replace(pixels, path=to.path, channels=pixels.channels - 1, dtype=dtype).create()
    top = 0
    for strip in pixels.strips():
        mean: Pixels = strip[..., :-1] / strip[..., -1:]
        result.write(Rectangle(top, 0, top + len(strip), result.width), to_levels(mean, dtype))
        top += len(strip)
    return result
