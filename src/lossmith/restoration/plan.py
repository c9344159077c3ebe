"""How a picture is cut, decided before anything is begun: so that it fits, and so that no cut can be seen."""

from dataclasses import dataclass, replace
from math import isqrt, lcm
from typing import Literal

import torch

from lossmith.errors import LossmithError
from lossmith.restoration.engine import Engine
from lossmith.restoration.footprint import bytes_per_pixel
from lossmith.restoration.raster import Raster
from lossmith.restoration.reach import LONGEST, SHORTEST, Reach, reach_of
from lossmith.restoration.tiles import Rectangle

Halo = int | Literal["auto", "exact"]

WHOLE = 1 << 20
"""Pixels of pictures that are restored in one piece where they fit; larger ones show their progress in tiles."""
CELL = 16
"""Pixels of the squares in which what is finished is noted, at least."""
CHEAP, DEAR = 1.1, 2.0
"""Work per pixel, against no overlap, at which tiles need be no larger, and beyond which context is shortened."""
SHORTENED = (16, 32, 64)
"""Overlaps that are tried when the receptive field is too large."""
SEEN = 0.1
"""8-bit levels by which a shortened context may differ."""


@dataclass(frozen=True)
class Plan:
    """How a picture is cut into tiles."""

    side: int
    """The largest side of a tile in input pixels, its surroundings not counted."""
    halo: int = 0
    """Input pixels around a tile that go through the network with it."""
    grid: int = 1
    """Tiles and their surroundings begin on multiples of it."""
    multiple: int = 1
    """What the sides of what goes through the network must be a multiple of."""
    blended: bool = False
    """Whether tiles fade into each other, since what lies outside the halo matters too."""
    whole: bool = False
    """Whether there is one tile, the picture."""
    remark: str = ""
    """What the user should know about it."""

    @property
    def step(self) -> int:
        """What tiles, and what goes through the network, begin and end on."""
        return lcm(self.grid, self.multiple)

    @property
    def cell(self) -> int:
        """The side of the squares in which what is finished is noted."""
        return -(-CELL // self.step) * self.step


def make_plan(exact: Engine, used: Engine, source: Raster, budget: float, halo: Halo, floor: int) -> Plan:
    """Plan how `source` is restored by `used`, within `budget` bytes for what the network keeps at once.

    `exact` is the same engine on the CPU in float32, to find its receptive field. `floor` is the least halo that
    something else than the network needs.

    Raises LossmithError when nothing fits.
    """
    need = bytes_per_pixel(used)
    area = max(source.height, used.least) * max(source.width, used.least)
    if area * need <= budget and area <= WHOLE:
        return whole(exact, source)
    largest = isqrt(int(budget / need))
    # what is farther away than this would make the work more than DEAR times what it need be
    affordable = int(largest * (1 - DEAR**-0.5) / 2)
    longest = (
        LONGEST
        if halo == "exact"
        else min(LONGEST, max(SHORTEST, 4 * max(affordable, halo if halo != "auto" else 0)))
    )
    reach = reach_of(exact, longest)
    bearable = max(affordable, SHORTENED[0]) if halo == "auto" else LONGEST if halo == "exact" else halo
    if reach.pixels is not None and reach.pixels <= bearable:
        plan = _cut(reach, max(reach.pixels, floor), largest)
        if plan is None:
            raise LossmithError(_too_large(used, max(reach.pixels, floor), need, budget))
        return plan
    if area * need <= budget:
        return whole(exact, source)
    if halo == "exact":
        raise LossmithError(
            f"model '{used.name}' looks at the whole picture, so tiles cannot be exact, and whole it needs "
            f"{area * need / 1e9:.1f} GB; give more --memory, or leave --halo out"
        )
    return _shortened(reach, used, source, largest, halo, floor, need, budget)


def whole(exact: Engine, source: Raster) -> Plan:
    """In one piece; what its sides must be a multiple of is found by trying."""
    multiple = reach_of(exact, 0).multiple
    plan = Plan(0, 0, multiple, multiple, whole=True)
    # rounded up: a side that is no whole number of cells would be rounded down, to two tiles
    return replace(plan, side=-(-max(source.height, source.width) // plan.cell) * plan.cell)


def _cut(reach: Reach, halo: int, largest: int) -> Plan | None:
    step = lcm(reach.grid, reach.multiple)
    halo = -(-halo // step) * step
    cell = Plan(0, halo, reach.grid, reach.multiple).cell
    room = (largest - 2 * halo) // cell * cell
    if room < cell:
        return None
    enough = max(256, int(2 * halo / (CHEAP**0.5 - 1)))
    return Plan(min(room, -(-enough // cell) * cell), halo, reach.grid, reach.multiple)


def _shortened(
    reach: Reach, used: Engine, source: Raster, largest: int, halo: Halo, floor: int, need: float, budget: float
) -> Plan:
    candidates = [max(halo, floor)] if isinstance(halo, int) else [max(each, floor) for each in SHORTENED]
    tried: tuple[Plan, float, int] | None = None
    for candidate in candidates:
        plan = _cut(reach, candidate, largest)
        if plan is None or (tried is not None and plan.side < plan.halo):
            break
        error, window = context_error(used, source, plan.halo, largest, lcm(reach.grid, reach.multiple))
        tried = plan, error, window
        if error <= SEEN:
            break
    if tried is None:
        raise LossmithError(_too_large(used, candidates[0], need, budget))
    plan, error, window = tried
    sees = "more than the memory holds" if reach.pixels is None else f"{reach.pixels} pixels to each side"
    remark = (
        f"model '{used.name}' sees {sees}; its tiles see {plan.halo} pixels beyond their edge and fade into each "
        f"other, which in the middle of the picture changes at most {error:.2g} of 255 levels, measured against a "
        f"window of {window} x {window} pixels"
    )
    return Plan(plan.side, plan.halo, plan.grid, plan.multiple, blended=True, remark=remark)


def context_error(engine: Engine, source: Raster, halo: int, largest: int, step: int) -> tuple[float, int]:
    """By how many 8-bit levels a spot in the middle changes when only `halo` pixels around it are seen.

    Compared with a window four times as far, as far as it fits; its side is returned too.
    """
    spot = -(-CELL // step) * step
    wide = min(4 * halo, (largest - spot) // 2, (min(source.height, source.width) - spot) // 2) // step * step
    wide = max(wide, halo)
    top, left = (max(0, (side - spot) // 2) // step * step for side in (source.height, source.width))
    near, far = (
        _spot(engine, source, Rectangle(top, left, top + spot, left + spot), around) for around in (halo, wide)
    )
    return 255 * float((near - far).abs().max()), spot + 2 * wide


def _spot(engine: Engine, source: Raster, spot: Rectangle, around: int) -> torch.Tensor:
    top, left = max(0, spot.top - around), max(0, spot.left - around)
    bottom, right = (
        max(end + around, start + engine.least) for end, start in ((spot.bottom, top), (spot.right, left))
    )
    pixels = source.read(Rectangle(top, left, bottom, right))
    gray = torch.from_numpy(pixels[..., :1] / source.levels).float().permute(2, 0, 1)[None]
    restored = engine(gray.expand(-1, engine.channels, -1, -1))
    rows, columns = spot.within(Rectangle(top, left, 0, 0)).times(engine.scale).slices
    return restored[..., rows, columns].clamp(0, 1)


def _too_large(engine: Engine, halo: int, need: float, budget: float) -> str:
    least = (CELL + 2 * halo) ** 2 * need
    return (
        f"model '{engine.name}' needs {least / 1e9:.2g} GB for the smallest tile, with {halo} pixels around it; "
        f"{budget / 1e9:.2g} GB are free; give it more --memory, or a smaller --halo"
    )
