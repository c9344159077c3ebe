"""How an image is cut, decided before anything is begun: so that it fits, and so that no cut can be seen."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import isqrt, lcm
from typing import Literal

import torch

from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import planes_for
from lossmith.restoration.engine import Engine
from lossmith.restoration.tiling.memory import bytes_per_pixel
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import (
    LONGEST,
    SHORTEST,
    ReceptiveField,
    Sizes,
    measure_receptive_field,
    reach_within,
)
from lossmith.restoration.tiling.tiles import Rectangle, expand_by_halo, rounded_up

Halo = int | Literal["auto", "exact"]

MAX_WHOLE_PIXELS = 1 << 20
"""Pixels of images that are restored in one piece where they fit; larger ones show their progress in tiles."""
CELL = 16
"""Pixels of the squares in which what is finished is noted, at least."""
TARGET_OVERHEAD, MAX_OVERHEAD = 1.1, 2.0
"""Work per pixel, against no overlap, at which tiles need be no larger, and beyond which context is shortened."""
SHORTENED = (16, 32, 64)
"""Overlaps that are tried when the receptive field is too large."""
MAX_SEAM_LEVELS = 0.1
"""8-bit levels by which a shortened context may differ."""
PLACES = 5
"""Places across and down, of which three are looked at to see what a shortened context changes."""


@dataclass(frozen=True)
class TilePlan:
    """How an image is cut into tiles."""

    tile: tuple[int, int]
    """The largest height and width of a tile in input pixels, its surroundings not counted: whole cells."""
    halo: int = 0
    """Input pixels around a tile that go through the network with it."""
    stride: int = 1
    """Tiles and their surroundings begin on multiples of it."""
    multiple: int = 1
    """What the sides of what goes through the network must be a multiple of."""
    least: tuple[int, int] = (1, 1)
    """The smallest height and width that go through the network."""
    fixed: bool = False
    """Whether nothing larger goes through it either."""
    blended: bool = False
    """Whether tiles fade into each other, since what lies outside the halo matters too."""
    whole: bool = False
    """Whether there is one tile, the image."""
    note: str = ""
    """What the user should know about it."""

    @property
    def step(self) -> int:
        """What tiles, and what goes through the network, begin and end on."""
        return lcm(self.stride, self.multiple)

    @property
    def fade(self) -> int:
        """Pixels around a tile that it fades in: few, since those farther out see less around them."""
        return -(-self.halo // 4) if self.blended else 0

    def around(self, tile: Rectangle, source: Raster) -> Rectangle:
        """What the network sees of an image when it makes a tile."""
        return expand_by_halo(tile, self.halo, self.step, source.height, source.width, self.least, self.fixed)

    @property
    def cell(self) -> int:
        """The side of the squares in which what is finished is noted."""
        return min(rounded_up(CELL, self.step), *self.tile)


@dataclass
class Planner:
    """Plans how images are restored by `used`; `exact` is the same engine on the CPU in float32.

    What is to be found out of a network is found out once.
    """

    exact: Engine
    used: Engine
    sizes: Sizes
    """What images it takes."""
    _reaches: dict[int, ReceptiveField] = field(default_factory=dict)

    @cached_property
    def need(self) -> float:
        """Bytes that the network keeps at once, per pixel of its input."""
        return bytes_per_pixel(self.used, self.sizes)

    def reach(self, longest: int = LONGEST) -> ReceptiveField:
        """How far it looks; what looks farther than three eighths of `longest` looks everywhere."""
        if longest not in self._reaches:
            fixed = self.exact.size is not None
            self._reaches[longest] = (
                reach_within(self.exact) if fixed else measure_receptive_field(self.exact, longest, self.sizes)
            )
        return self._reaches[longest]

    def given(self, source: Raster) -> tuple[int, int]:
        """The height and width in which the network is given the whole of an image."""
        if self.exact.size is not None:
            return self.exact.size
        tall, wide = (
            rounded_up(max(side, self.sizes.least), self.sizes.multiple) for side in (source.height, source.width)
        )
        return tall, wide

    def plan(self, source: Raster, budget: float, halo: Halo, floor: int) -> TilePlan:
        """Plan how `source` is restored within `budget` bytes for what the network keeps at once.

        `floor` is the least halo that something else than the network needs.

        Raises LossmithError when nothing fits.
        """
        if self.exact.size is not None:
            return self._of_one_size(source, self.exact.size, halo, floor)
        tall, wide = self.given(source)
        if tall * wide * self.need <= min(budget, MAX_WHOLE_PIXELS * self.need):
            return self.whole(source)
        room = int(budget / self.need)
        largest = max(isqrt(room), room // min(tall, wide))  # of what is long and thin, more of its length
        # what is farther away than this would make the work more than DEAR times what it need be
        affordable = int(largest * (1 - MAX_OVERHEAD**-0.5) / 2)
        asked = halo if isinstance(halo, int) else 0
        longest = LONGEST if halo == "exact" else min(LONGEST, max(SHORTEST, 4 * max(affordable, asked)))
        reach = self.reach(1 << (longest - 1).bit_length())
        enough = max(affordable, min(largest // 4, SHORTENED[-1]), SHORTENED[0])
        bearable = {"auto": enough, "exact": LONGEST}.get(str(halo), asked)
        if reach.pixels is not None and reach.pixels <= bearable:
            plan = self._cut(reach, max(reach.pixels, floor), largest)
            if plan is None:
                raise LossmithError(self._too_large(max(reach.pixels, floor), budget))
            return plan
        if tall * wide * self.need <= budget:
            return self.whole(source)
        if halo == "exact":
            raise LossmithError(
                f"model '{self.used.name}' looks at the whole image, so tiles cannot be exact, and whole it "
                f"needs {tall * wide * self.need / 1e9:.1f} GB; give more --memory, or leave --halo out"
            )
        return self._shortened(reach, source, largest, halo, floor, budget)

    def whole(self, source: Raster) -> TilePlan:
        """In one piece."""
        multiple, least = self.sizes.multiple, self.sizes.least
        cell = rounded_up(CELL, multiple)
        # rounded up: a side that is no whole number of cells would be rounded down, to two tiles
        tile = rounded_up(source.height, cell), rounded_up(source.width, cell)
        return TilePlan(tile, 0, multiple, multiple, (least, least), whole=True)

    def _cut(self, reach: ReceptiveField, halo: int, largest: int) -> TilePlan | None:
        step, least = lcm(reach.stride, reach.multiple), self.sizes.least
        halo, cell = rounded_up(halo, step), rounded_up(CELL, step)
        room = (largest - 2 * halo) // cell * cell
        if room < cell or largest < least:
            return None
        enough = max(256, int(2 * halo / (TARGET_OVERHEAD**0.5 - 1)))
        side = min(room, rounded_up(enough, cell))
        return TilePlan((side, side), halo, reach.stride, reach.multiple, (least, least))

    def _shortened(
        self, reach: ReceptiveField, source: Raster, largest: int, halo: Halo, floor: int, budget: float
    ) -> TilePlan:
        candidates = [max(halo, floor)] if isinstance(halo, int) else [max(each, floor) for each in SHORTENED]
        tried: tuple[TilePlan, float | None, Rectangle] | None = None
        for candidate in candidates:
            plan = self._cut(reach, candidate, largest)
            if plan is None or (tried is not None and plan.tile[0] < plan.halo):
                break
            plan = replace(plan, blended=True)
            error, window = context_error(self.used, source, plan, largest)
            tried = plan, error, window
            if error is not None and error <= MAX_SEAM_LEVELS:
                break
        if tried is None:
            raise LossmithError(self._too_large(candidates[0], budget))
        plan, error, window = tried
        exact = None if reach.pixels is None else self._cut(reach, max(reach.pixels, floor), largest)
        seen = error is None or error > MAX_SEAM_LEVELS
        if halo == "auto" and seen and exact is not None and exact.tile[0] >= exact.halo:  # dear, but possible
            return exact
        sees = "more than the memory holds" if reach.pixels is None else f"{reach.pixels} pixels to each side"
        changes = (
            "by how much that changes the image cannot be measured in so little memory"
            if error is None
            else f"which changes at most {error:.2g} of 255 levels where the image is busiest, brightest "
            f"and darkest, measured against a window of {window.height} x {window.width} pixels"
        )
        remark = (
            f"model '{self.used.name}' sees {sees}; its tiles see {plan.halo} pixels beyond their edge and fade "
            f"into each other, {changes}"
        )
        return replace(plan, note=remark)

    def _of_one_size(self, source: Raster, size: tuple[int, int], halo: Halo, floor: int) -> TilePlan:
        """Windows of the one size that the network takes; they overlap by what it sees, if there is room."""
        if source.height <= size[0] and source.width <= size[1]:
            tile = rounded_up(source.height, CELL), rounded_up(source.width, CELL)
            return TilePlan(tile, least=size, fixed=True, whole=True)
        reach = self.reach()
        sees, quarter = max(size) if reach.pixels is None else max(reach.pixels, floor), min(size) // 4
        asked = max(halo, floor) if isinstance(halo, int) else sees
        plan = self._windows(size, min(asked, sees), reach.stride, blended=asked < sees)
        if plan is None and halo == "auto":
            plan = self._windows(size, quarter, reach.stride, blended=True)
        if plan is None:
            raise LossmithError(
                f"model '{self.used.name}' takes {size[0]} x {size[1]} pixels only, of which {min(asked, sees)} "
                "at each side are too many; take a smaller --halo"
            )
        return plan

    def _windows(self, size: tuple[int, int], halo: int, grid: int, blended: bool) -> TilePlan | None:
        halo = rounded_up(halo, grid)
        room = min(size) - 2 * halo
        if room < grid:
            return None
        cell = rounded_up(CELL, grid) if room >= rounded_up(CELL, grid) else room // grid * grid
        tall, wide = ((side - 2 * halo) // cell * cell for side in size)
        remark = (
            f"model '{self.used.name}' takes {size[0]} x {size[1]} pixels only and sees more than {halo} to each "
            "side; its windows overlap by as much and fade into each other"
        )
        return TilePlan(
            (tall, wide), halo, grid, 1, size, fixed=True, blended=blended, note=remark if blended else ""
        )

    def _too_large(self, halo: int, budget: float) -> str:
        least = max(CELL + 2 * halo, self.sizes.least) ** 2 * self.need
        return (
            f"model '{self.used.name}' needs {least / 1e9:.2g} GB for the smallest tile, with {halo} pixels "
            f"around it; {budget / 1e9:.2g} GB are free; give it more --memory, or a smaller --halo"
        )


def context_error(engine: Engine, source: Raster, plan: TilePlan, largest: int) -> tuple[float | None, Rectangle]:
    """By how many 8-bit levels three spots change when only the plan's halo is seen around them.

    Compared with a window four times as far, or as far as fits into `largest` pixels a side; it is returned too.
    None where there is no larger window.
    """
    far = min(4 * max(plan.halo, plan.cell), (largest - plan.cell) // 2)
    errors, shown = [], Rectangle(0, 0, 0, 0)
    for spot in _places(source, plan.cell):
        window, wider = (
            replace(plan, halo=halo).around(spot, source) for halo in (plan.halo, max(far, plan.halo))
        )
        kept, shown = spot.widened(plan.fade, window), wider
        near, wide = (spot_in(engine, source, kept, around, plan) for around in (window, wider))
        if window != wider:
            errors.append(255 * float((near - wide).abs().max()))
    return max(errors, default=None), shown


def _places(source: Raster, side: int) -> list[Rectangle]:
    """The squares of `side`, beginning on multiples of it, that are busiest, brightest and darkest."""
    starts = (
        sorted({place * (length // side) // PLACES * side for place in range(PLACES)})
        for length in (source.height, source.width)
    )
    squares = [
        Rectangle(top, left, min(top + side, source.height), min(left + side, source.width))
        for top, left in product(*starts)
    ]
    values = {square: source.read(square) for square in squares}
    busiest = max(squares, key=lambda square: float(values[square].std()))
    by_light = sorted(squares, key=lambda square: float(values[square].mean()))
    return list(dict.fromkeys([busiest, by_light[0], by_light[-1]]))


def spot_in(engine: Engine, source: Raster, spot: Rectangle, window: Rectangle, plan: TilePlan) -> torch.Tensor:
    """What comes of a spot when the network sees a window around it."""
    given = window.grown(plan.multiple, plan.least)
    restored = engine(planes_for(engine, source.read(given), source.levels))
    rows, columns = spot.within(given).times(engine.scale).slices
    return restored[..., rows, columns].clamp(0, 1)
