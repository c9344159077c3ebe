"""Tiles of an image through a network that normalizes by the whole image, which does not fit into memory."""

from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from torch import Tensor

from lossmith.restoration.channels import planes_for
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.frozen_statistics import freeze_statistics, normalizes_whole_images
from lossmith.restoration.resampling import resample
from lossmith.restoration.tiling.plan import MAX_WHOLE_PIXELS, Planner
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.tiles import Rectangle


@dataclass(frozen=True)
class FrozenPlanner:
    """A planner whose networks have the statistics of one image, and what the user should know about it."""

    planner: Planner
    copy: tuple[int, int]
    """Height and width of the copy on which the statistics were measured."""
    note: str


def can_be_frozen(engine: Engine, channels: int) -> bool:
    """Whether an engine normalizes by the whole of an image with so many channels, and takes colors at once."""
    if not (isinstance(engine, TorchEngine) and normalizes_whole_images(engine.module)):
        return False
    return engine.channels in (3, channels) or channels < 3


def freeze_planner(planner: Planner, source: Raster, budget: float, folder: Path) -> FrozenPlanner:
    """The planner with networks whose statistics are those of `source`, reduced to what `budget` bytes hold.

    The effect is measured on a window in the middle of the image, reduced by the same factor: there the network
    can also see the whole. Scratch files are written to `folder`.
    """
    reference, engine = planner.reference, planner.engine
    assert isinstance(reference, TorchEngine)
    assert isinstance(engine, TorchEngine)
    pixels = budget / planner.bytes_per_pixel
    step, minimum = planner.sizes.multiple_of, planner.sizes.minimum
    copy = _reduced_size(source, pixels, step, minimum)
    scratch = folder / "reduced"
    image = _planes(engine, resample(source, copy, scratch))
    frozen = replace(
        planner,
        reference=_frozen(reference, image),
        engine=_frozen(engine, image),
        untiled=reference,
    )
    window = _window(source, min(pixels, MAX_WHOLE_PIXELS), step, minimum, folder / "window")
    reduction = copy[0] * copy[1] / (source.height * source.width)
    small = _reduced_size(window, reduction * window.height * window.width, step, minimum)
    whole = _planes(engine, window)
    exact = replace(engine, precision="float32")
    local = _frozen(exact, _planes(engine, resample(window, small, scratch)))
    difference = 255 * (local(whole).clamp(0, 1) - exact(whole).clamp(0, 1)).abs()
    for path in (scratch, window.path):
        path.unlink()
    note = (
        f"model '{reference.name}' normalizes by the whole image, which does not fit into memory: its tiles have "
        f"the statistics of the image reduced to {copy[0]} x {copy[1]} pixels; in a window of {window.height} x "
        f"{window.width} pixels the like changes {float(difference.mean()):.2g} of 255 levels on average, at most "
        f"{float(difference.max()):.2g}"
    )
    return FrozenPlanner(frozen, copy, note)


def _frozen(engine: TorchEngine, image: Tensor) -> TorchEngine:
    """An engine with the statistics of an image, measured in float32."""
    return replace(engine, module=freeze_statistics(engine.module, image.to(engine.device)))


def _planes(engine: Engine, raster: Raster) -> Tensor:
    return planes_for(engine, raster.mapped(), raster.levels)


def _reduced_size(source: Raster, pixels: float, step: int, minimum: int) -> tuple[int, int]:
    """Height and width that the network takes, of at most so many pixels, in the proportions of `source`."""
    factor = min(1.0, sqrt(pixels / (source.height * source.width)))
    tall, wide = (max(minimum, int(factor * side) // step * step) for side in (source.height, source.width))
    return tall, wide


def _window(source: Raster, pixels: float, step: int, minimum: int, to: Path) -> Raster:
    """The middle of an image, of at most so many pixels."""
    tall, wide = _reduced_size(source, pixels, step, minimum)
    top, left = max(0, (source.height - tall) // 2), max(0, (source.width - wide) // 2)
    window = replace(source, path=to, height=tall, width=wide).create()
    window.write(Rectangle(0, 0, tall, wide), source.read(Rectangle(top, left, top + tall, left + wide)))
    return window


__all__ = ["FrozenPlanner", "can_be_frozen", "freeze_planner"]
