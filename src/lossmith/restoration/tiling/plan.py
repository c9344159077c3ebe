"""Plans the tiles of an image: small enough for the memory, with a halo large enough that no seam is visible."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import isqrt, lcm

import torch

from lossmith.core.errors import LossmithError
from lossmith.restoration.channels import planes_for
from lossmith.restoration.engine import Engine
from lossmith.restoration.tiling.halo import Halo
from lossmith.restoration.tiling.memory import bytes_per_pixel
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import (
    MAX_PROBE,
    MIN_PROBE,
    ReceptiveField,
    Sizes,
    measure_receptive_field,
    receptive_field_at_fixed_size,
)
from lossmith.restoration.tiling.tiles import Rectangle, expand_by_halo, rounded_up

MAX_WHOLE_PIXELS = 1 << 20
"""Pixels up to which an image is restored in one piece where it fits; tiles of a larger one show progress."""
MIN_CELL = 16
"""Smallest side in pixels of the square cells that are marked as finished."""
TARGET_OVERHEAD, MAX_OVERHEAD = 1.1, 2.0
"""Work relative to no overlap: what tiles are made large enough for, and beyond which the halo is shortened."""
SHORT_HALOS = (16, 32, 64)
"""Halos that are tried where the receptive field is too large."""
MAX_SEAM_LEVELS = 0.1
"""8-bit levels by which a shortened halo may change the result; in deeper pictures, as many of 65535 levels."""
SPOT_GRID = 5
"""Candidate spots across and down, of which three are taken to measure the error of a shortened halo."""


@dataclass(frozen=True)
class TilePlan:
    """How an image is cut into tiles."""

    tile: tuple[int, int]
    """The largest height and width of a tile in input pixels without its halo, in whole cells."""
    halo: int = 0
    """Input pixels around a tile that go through the network with it."""
    stride: int = 1
    """Tiles with their halo begin on multiples of this."""
    multiple_of: int = 1
    """Sides of inputs of the network must be multiples of this."""
    minimum: tuple[int, int] = (1, 1)
    """The smallest (height, width) of an input of the network."""
    fixed: bool = False
    """Whether `minimum` is the only size that the network takes."""
    blended: bool = False
    """Whether tiles are blended, since the receptive field exceeds the halo."""
    whole: bool = False
    """Whether the image is one tile."""
    note: str = ""
    """What the user should know about the plan."""

    @property
    def step(self) -> int:
        """Tiles, with and without their halo, begin and end on multiples of this."""
        return lcm(self.stride, self.multiple_of)

    @property
    def fade(self) -> int:
        """Pixels around a tile in which it is blended: few, since those farther out have less context."""
        return -(-self.halo // 4) if self.blended else 0

    def around(self, tile: Rectangle, source: Raster) -> Rectangle:
        """The tile with its halo: the input of the network for it."""
        return expand_by_halo(tile, self.halo, self.step, source.height, source.width, self.minimum, self.fixed)

    @property
    def cell(self) -> int:
        """The side of the square cells that are marked as finished."""
        return min(rounded_up(MIN_CELL, self.step), *self.tile)


@dataclass
class Planner:
    """Plans tiles for `engine`; `reference` is the same engine on the CPU in float32.

    Memory and receptive field of the network are measured once, when they are first needed.
    """

    reference: Engine
    engine: Engine
    sizes: Sizes
    """The input sizes that the network takes."""
    untiled: Engine | None = None
    """What sees whole images, where `reference` has the statistics of one image frozen."""
    _receptive_fields: dict[int, ReceptiveField] = field(init=False, default_factory=dict)

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Peak memory of the network per input pixel."""
        return bytes_per_pixel(self.engine, self.sizes)

    @property
    def max_seam(self) -> float:
        return MAX_SEAM_LEVELS if self.reference.pixels.is_8bit else MAX_SEAM_LEVELS * 255 / 65535

    def receptive_field(self, longest: int = MAX_PROBE) -> ReceptiveField:
        """The receptive field, which counts as unbounded beyond three eighths of `longest`."""
        if longest not in self._receptive_fields:
            self._receptive_fields[longest] = (
                measure_receptive_field(self.reference, longest, self.sizes)
                if self.reference.size is None
                else receptive_field_at_fixed_size(self.reference)
            )
        return self._receptive_fields[longest]

    def input_size(self, source: Raster) -> tuple[int, int]:
        """The height and width of the input of the network for a whole image, padding included."""
        if self.reference.size is not None:
            return self.reference.size
        tall, wide = (
            rounded_up(max(side, self.sizes.minimum), self.sizes.multiple_of)
            for side in (source.height, source.width)
        )
        return tall, wide

    def fits_whole(self, source: Raster, budget: float) -> bool:
        """Whether an image goes through the network in one piece within `budget` bytes."""
        tall, wide = self.input_size(source)
        return tall * wide * self.bytes_per_pixel <= budget

    def plan(self, source: Raster, budget: float, halo: Halo, floor: int) -> TilePlan:
        """Plan the tiles of `source` for at most `budget` bytes of memory in the network.

        `floor` is the smallest halo that is needed beside the network's, for the alpha channel.

        Raises LossmithError when nothing fits.
        """
        if self.reference.size is not None:
            return self._fixed_size(source, self.reference.size, halo, floor)
        tall, wide = self.input_size(source)
        if tall * wide * self.bytes_per_pixel <= min(budget, MAX_WHOLE_PIXELS * self.bytes_per_pixel):
            return self.whole(source)
        pixels = int(budget / self.bytes_per_pixel)
        largest = max(isqrt(pixels), pixels // min(tall, wide))  # tiles of a long thin image can be longer
        # a larger halo would make the work more than MAX_OVERHEAD times that without overlap
        affordable = int(largest * (1 - MAX_OVERHEAD**-0.5) / 2)
        requested = halo if isinstance(halo, int) else 0
        probe = MAX_PROBE if halo == "exact" else min(MAX_PROBE, max(MIN_PROBE, 4 * max(affordable, requested)))
        field = self.receptive_field(1 << (probe - 1).bit_length())
        enough = max(affordable, min(largest // 4, SHORT_HALOS[-1]), SHORT_HALOS[0])
        max_halo = {"auto": enough, "exact": MAX_PROBE}.get(str(halo), requested)
        if field.pixels is not None and field.pixels <= max_halo:
            plan = self._tiles(field, max(field.pixels, floor), largest)
            if plan is None:
                raise LossmithError(self._too_large(max(field.pixels, floor), budget))
            return plan
        if self.fits_whole(source, budget):
            return self.whole(source)
        if halo == "exact":
            raise LossmithError(
                f"model '{self.engine.name}' depends on the whole image, so tiles cannot be exact, and in one "
                f"piece it needs {tall * wide * self.bytes_per_pixel / 1e9:.1f} GB; give more `memory`, or leave "
                "`halo` out"
            )
        return self._shortened(field, source, largest, halo, floor, budget)

    def whole(self, source: Raster) -> TilePlan:
        """The plan of an image in one piece."""
        multiple, minimum = self.sizes.multiple_of, self.sizes.minimum
        cell = rounded_up(MIN_CELL, multiple)
        # whole cells: even_side would round a smaller tile down, to two tiles
        tile = rounded_up(source.height, cell), rounded_up(source.width, cell)
        return TilePlan(tile, 0, multiple, multiple, (minimum, minimum), whole=True)

    def _tiles(self, field: ReceptiveField, halo: int, largest: int) -> TilePlan | None:
        """Square tiles with a halo, within `largest` pixels a side; None where there is no room for them."""
        step, minimum = lcm(field.stride, field.multiple_of), self.sizes.minimum
        halo, cell = rounded_up(halo, step), rounded_up(MIN_CELL, step)
        max_side = (largest - 2 * halo) // cell * cell
        if max_side < cell or largest < minimum:
            return None
        enough = max(256, int(2 * halo / (TARGET_OVERHEAD**0.5 - 1)))
        side = min(max_side, rounded_up(enough, cell))
        return TilePlan((side, side), halo, field.stride, field.multiple_of, (minimum, minimum))

    def _shortened(
        self, field: ReceptiveField, source: Raster, largest: int, halo: Halo, floor: int, budget: float
    ) -> TilePlan:
        """Blended tiles with a halo shorter than the receptive field, and a note on the error."""
        candidates = [max(halo, floor)] if isinstance(halo, int) else [max(short, floor) for short in SHORT_HALOS]
        best: tuple[TilePlan, float | None, Rectangle] | None = None
        for candidate in candidates:
            plan = self._tiles(field, candidate, largest)
            if plan is None or (best is not None and plan.tile[0] < plan.halo):
                break
            plan = replace(plan, blended=True)
            error, window = context_error(self.engine, source, plan, largest)
            best = plan, error, window
            if error is not None and error <= self.max_seam:
                break
        if best is None:
            raise LossmithError(self._too_large(candidates[0], budget))
        plan, error, window = best
        exact = None if field.pixels is None else self._tiles(field, max(field.pixels, floor), largest)
        visible = error is None or error > self.max_seam
        if halo == "auto" and visible and exact is not None and exact.tile[0] >= exact.halo:  # slow, but exact
            return exact
        sees = "more than the memory holds" if field.pixels is None else f"{field.pixels} pixels to each side"
        changes = (
            "by how much that changes the image cannot be measured in so little memory"
            if error is None
            else f"which changes at most {error:.2g} of 255 levels where the image is busiest, brightest "
            f"and darkest, measured against a window of {window.height} x {window.width} pixels"
        )
        note = (
            f"model '{self.engine.name}' sees {sees}; its tiles see {plan.halo} pixels beyond their edge and are "
            f"blended, {changes}"
        )
        return replace(plan, note=note)

    def _fixed_size(self, source: Raster, size: tuple[int, int], halo: Halo, floor: int) -> TilePlan:
        """Windows of the only size that the network takes, overlapping by its receptive field if there is room."""
        if source.height <= size[0] and source.width <= size[1]:
            tile = rounded_up(source.height, MIN_CELL), rounded_up(source.width, MIN_CELL)
            return TilePlan(tile, minimum=size, fixed=True, whole=True)
        field = self.receptive_field()
        exact, quarter = max(size) if field.pixels is None else max(field.pixels, floor), min(size) // 4
        requested = max(halo, floor) if isinstance(halo, int) else exact
        plan = self._windows(size, min(requested, exact), field.stride, blended=requested < exact)
        if plan is None and halo == "auto":
            plan = self._windows(size, quarter, field.stride, blended=True)
        if plan is None:
            raise LossmithError(
                f"model '{self.engine.name}' takes {size[0]} x {size[1]} pixels only, which leaves no room for a "
                f"halo of {min(requested, exact)}; take a smaller `halo`"
            )
        return plan

    def _windows(self, size: tuple[int, int], halo: int, stride: int, blended: bool) -> TilePlan | None:
        halo = rounded_up(halo, stride)
        inner = min(size) - 2 * halo
        if inner < stride:
            return None
        cell = rounded_up(MIN_CELL, stride) if inner >= rounded_up(MIN_CELL, stride) else inner // stride * stride
        tall, wide = ((side - 2 * halo) // cell * cell for side in size)
        note = (
            f"model '{self.engine.name}' takes {size[0]} x {size[1]} pixels only and sees more than {halo} to "
            "each side; its windows overlap by as much and are blended"
        )
        return TilePlan(
            (tall, wide), halo, stride, 1, size, fixed=True, blended=blended, note=note if blended else ""
        )

    def _too_large(self, halo: int, budget: float) -> str:
        need = max(MIN_CELL + 2 * halo, self.sizes.minimum) ** 2 * self.bytes_per_pixel
        return (
            f"model '{self.engine.name}' needs {need / 1e9:.2g} GB for the smallest tile, with {halo} pixels "
            f"around it; {budget / 1e9:.2g} GB are free; give it more `memory`, or a smaller `halo`"
        )


def context_error(engine: Engine, source: Raster, plan: TilePlan, largest: int) -> tuple[float | None, Rectangle]:
    """The error in 8-bit levels of a plan's halo, and the window that it was compared with.

    The largest difference over three spots, against a halo four times as large or as large as fits into `largest`
    pixels a side; None where no larger halo fits.
    """
    wide_halo = min(4 * max(plan.halo, plan.cell), (largest - plan.cell) // 2)
    errors, compared = [], Rectangle(0, 0, 0, 0)
    for spot in _spots(source, plan.cell):
        window, wider = (
            replace(plan, halo=halo).around(spot, source) for halo in (plan.halo, max(wide_halo, plan.halo))
        )
        area, compared = spot.widened(plan.fade, window), wider
        narrow, wide = (restore_area(engine, source, area, around, plan) for around in (window, wider))
        if window != wider:
            errors.append(255 * float((narrow - wide).abs().max()))
    return max(errors, default=None), compared


def _spots(source: Raster, side: int) -> list[Rectangle]:
    """The squares of `side` pixels, aligned to multiples of it, that are busiest, brightest and darkest."""
    starts = (
        sorted({index * (length // side) // SPOT_GRID * side for index in range(SPOT_GRID)})
        for length in (source.height, source.width)
    )
    squares = [
        Rectangle(top, left, min(top + side, source.height), min(left + side, source.width))
        for top, left in product(*starts)
    ]
    values = {square: source.read(square) for square in squares}
    busiest = max(squares, key=lambda square: float(values[square].std()))
    by_brightness = sorted(squares, key=lambda square: float(values[square].mean()))
    return list(dict.fromkeys([busiest, by_brightness[0], by_brightness[-1]]))


def restore_area(
    engine: Engine, source: Raster, area: Rectangle, window: Rectangle, plan: TilePlan
) -> torch.Tensor:
    """The output of the network for an area when its input is the window around it."""
    padded = window.grown(plan.multiple_of, plan.minimum)
    restored = engine(planes_for(engine, source.read(padded), source.levels))
    rows, columns = area.within(padded).times(engine.scale).slices
    return restored[..., rows, columns].clamp(0, 1)
