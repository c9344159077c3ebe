"""An image restored tile by tile: what is finished stays finished, whatever happens."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import ChannelAdapter, to_levels
from lossmith.restoration.output_range import Outcome
from lossmith.restoration.tiling.plan import TilePlan
from lossmith.restoration.tiling.raster import Pixels, Raster
from lossmith.restoration.tiling.tiles import Rectangle, blend_weights, even_side, next_tile


@dataclass(frozen=True)
class TileCanvas:
    """What has been made of an image so far, on disk, and which cells of it are finished."""

    painted: Raster
    """The result; or, where tiles fade into each other, sums of weighted values and, last, of the weights."""
    finished: Raster
    """(rows of cells, columns of cells, 1): 1 where it is finished."""


class WholeDoesNotFit(Exception):
    """An image that was to be restored in one piece needs more memory than there is."""


def restore_tiles(
    source: Raster,
    canvas: TileCanvas,
    paint: ChannelAdapter,
    plan: TilePlan,
    advance: Callable[[int], None] = lambda pixels: None,
    outcome: Outcome | None = None,
) -> None:
    """Restore what of `source` is not finished yet. `advance` is told how many input pixels each tile had.

    `outcome` counts what the network makes, and refuses what is no image.

    When a tile does not fit into memory, the rest is done in smaller ones.

    Raises LossmithError when the smallest does not fit, or the network makes what is no image; WholeDoesNotFit
    when one piece was planned.
    """
    most = plan.tile
    while (tile := _next(source, canvas, plan, most)) is not None:
        try:
            restored = restore_tile(source, paint, plan, tile, outcome)
        except Exception as error:
            if not out_of_memory(error):
                raise
            if plan.whole:  # its parts would need to see more than themselves
                raise WholeDoesNotFit from error
            if plan.fixed or max(most) <= plan.cell:
                raise LossmithError(
                    f"there is not enough memory even for tiles of {max(most)} pixels; take a smaller --halo or "
                    "network"
                ) from error
            half = min(max(most), max(tile.height, tile.width)) // 2 // plan.cell * plan.cell
            most = (max(plan.cell, half), max(plan.cell, half))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        if plan.blended:
            canvas.painted.add(
                restored.place, np.concatenate([restored.values * restored.weights, restored.weights], 2)
            )
        else:
            canvas.painted.write(restored.place, to_levels(restored.values, canvas.painted.dtype))
        _note(canvas, plan, tile)
        advance(tile.height * tile.width)


def tile_sides(source: Raster, plan: TilePlan, most: tuple[int, int]) -> tuple[int, int]:
    """Height and width of tiles of at most so many pixels, as even as whole cells can be."""
    return (
        even_side(source.height, most[0], plan.cell),
        even_side(source.width, most[1], plan.cell),
    )


def _next(source: Raster, canvas: TileCanvas, plan: TilePlan, most: tuple[int, int]) -> Rectangle | None:
    finished = canvas.finished.mapped()[..., 0].astype(bool)
    return next_tile(finished, plan.cell, *tile_sides(source, plan, most), source.height, source.width)


@dataclass(frozen=True)
class RestoredTile:
    """What the network makes of a tile."""

    place: Rectangle
    """Where it belongs in the result: the tile, and what it fades in around it."""
    values: Pixels
    weights: Pixels
    """(height, width, 1): how much it counts against its neighbors."""


def restore_tile(
    source: Raster, paint: ChannelAdapter, plan: TilePlan, tile: Rectangle, outcome: Outcome | None = None
) -> RestoredTile:
    """Restore one tile, about [0, 1] and not clipped, but where tiles fade into each other.

    Raises LossmithError when the network fails, or makes what is no image.
    """
    scale, around = paint.engine.scale, plan.around(tile, source)
    # beyond the lower and right edge the image is mirrored, where the network asks for more
    given = source.read(around.grown(plan.multiple, plan.least))
    restored = _painted(paint, given)
    if not np.isfinite(restored).all():
        raise LossmithError(
            f"model '{paint.engine.name}' makes what is no number; try --precision float32, or train it anew"
        )
    if outcome is not None:
        colors = slice(1 if source.channels < 3 else 3)
        outcome.add(given[..., colors].max() / source.levels, restored[..., colors])
    kept = tile.widened(plan.fade, around)
    rows, columns = kept.within(around).times(scale).slices
    values = restored[rows, columns]
    if not plan.blended:
        return RestoredTile(kept.times(scale), values, np.ones((*values.shape[:2], 1), np.float32))
    weights = blend_weights(tile.times(scale), kept.times(scale), scale * source.height, scale * source.width)
    return RestoredTile(kept.times(scale), np.clip(values, 0, 1), weights)


def _painted(paint: ChannelAdapter, given: Pixels) -> Pixels:
    try:
        return paint(given)
    except Exception as error:  # networks of others fail in every way there is
        if isinstance(error, LossmithError) or out_of_memory(error):
            raise
        said = str(error).partition("\n")[0] or type(error).__name__
        place = f"{given.shape[0]} x {given.shape[1]} pixels"
        raise LossmithError(f"model '{paint.engine.name}' fails on {place}: {said}") from error


def _note(canvas: TileCanvas, plan: TilePlan, tile: Rectangle) -> None:
    cells = Rectangle(
        tile.top // plan.cell, tile.left // plan.cell, -(-tile.bottom // plan.cell), -(-tile.right // plan.cell)
    )
    canvas.finished.write(cells, np.uint8(1))


def new_canvas(
    source: Raster,
    scale: int,
    plan: TilePlan,
    dtype: str,
    painted: Raster,
    finished: Raster,
    *,
    keep: bool = False,
) -> TileCanvas:
    """An empty canvas for an image, in the files of `painted` and `finished`, or the one that is there.

    Raises LossmithError when the disk is full.
    """
    channels = source.channels + 1 if plan.blended else source.channels
    blank = replace(
        painted,
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
    for raster in (blank, cells):
        if not (keep and raster.path.is_file() and raster.path.stat().st_size == raster.nbytes):
            keep = False
            raster.create()
    return TileCanvas(blank, cells)


def finalize(canvas: TileCanvas, plan: TilePlan, dtype: str, to: Raster) -> Raster:
    """The finished result in whole numbers; where tiles faded into each other, their sums are divided first."""
    if not plan.blended:
        return canvas.painted
    result = replace(canvas.painted, path=to.path, channels=canvas.painted.channels - 1, dtype=dtype).create()
    top = 0
    for strip in canvas.painted.strips():
        mean: Pixels = strip[..., :-1] / strip[..., -1:]
        result.write(Rectangle(top, 0, top + len(strip), result.width), to_levels(mean, dtype))
        top += len(strip)
    return result
