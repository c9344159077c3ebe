"""How far what is done differs from what would be exact: measured on the picture, and said."""

from dataclasses import dataclass
from math import lcm

import numpy as np
import torch
from torch import Tensor

from lossmith.restoration.engine import Engine
from lossmith.restoration.halves import agreement
from lossmith.restoration.plan import Plan, context_error
from lossmith.restoration.raster import Raster
from lossmith.restoration.tiles import Rectangle

SAMPLE = 96
"""Pixels of the side of the sample on which precisions are compared."""


@dataclass(frozen=True)
class Verified:
    """Differences from the whole picture in float32, in 8-bit levels; str() says them."""

    model: str
    precision: str
    largest: float
    mean: float
    same: float
    """Share of the values that are the same 8-bit numbers."""
    seams: float | None
    """The largest difference that a tile's end makes, in float32; None when there is one tile."""
    halo: int

    def __str__(self) -> str:
        computed = (
            f"{self.model}: computed in {self.precision}"
            if self.precision == "float32"
            else f"{self.model}: {self.precision} differs from float32 by at most {self.largest:.2g} of 255 "
            f"levels, {self.mean:.2g} on average; {self.same:.2%} of the 8-bit values are the same"
        )
        tiles = (
            "one tile"
            if self.seams is None
            else f"tiles that see {self.halo} pixels around differ from a larger window by {self.seams:.2g} levels"
        )
        return f"{computed}; {tiles}"


def verify(exact: Engine, used: Engine, source: Raster, plan: Plan) -> Verified:
    """Measure in the middle of a picture. `exact` computes in float32 on the CPU."""
    sample = middle(exact, source)
    reference, quick = exact(sample), used(sample)
    difference = 255 * (reference.clamp(0, 1) - quick.clamp(0, 1)).abs()
    seams = None
    if max(source.height, source.width) > plan.side:
        step = lcm(plan.grid, plan.multiple)
        seams, _ = context_error(exact, source, plan.halo, 2 * SAMPLE + 8 * plan.halo, step)
    return Verified(
        exact.name,
        getattr(used, "precision", "float32"),
        float(difference.max()),
        float(difference.mean()),
        agreement(reference, quick),
        seams,
        plan.halo,
    )


def middle(engine: Engine, source: Raster) -> Tensor:
    """(1, channels, h, w) float32 from the middle of a picture, of a size that the engine takes."""
    side = -(-max(SAMPLE, engine.least) // 64) * 64
    side = -(-side // engine.multiple) * engine.multiple
    top, left = (max(0, (length - side) // 2) for length in (source.height, source.width))
    pixels = source.read(Rectangle(top, left, top + side, left + side)).astype(np.float32) / source.levels
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None, : 1 if source.channels < 3 else 3]
    if planes.shape[1] == engine.channels:
        return planes.contiguous()
    return planes.expand(-1, 3, -1, -1).contiguous() if engine.channels == 3 else planes[:, :1].contiguous()
