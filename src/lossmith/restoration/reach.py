"""How far a network looks: its exact receptive field, found by experiment.

A value that is not a number, put into one place of the input, makes everything that depends on that place not a
number. So a run through the real network shows its receptive field, whatever its layers are. What runs elsewhere
than in PyTorch may lose such values (vectorised maxima do); there the place is changed by large numbers instead,
and every output that differs in any bit depends on it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from lossmith.errors import LossmithError
from lossmith.restoration.engine import Engine, TorchEngine

SHORTEST, LONGEST = 256, 2048
"""Pixels of the first probe and of the longest; a network that looks farther than three eighths of it counts as
looking everywhere."""
GRIDS = (1, 2, 4, 8, 16, 32, 64)
THIN = (4, 16, 64, 192)
"""Heights of probes; the least that the network takes will do, for its length is what is looked at."""


@dataclass(frozen=True)
class Reach:
    """What an output pixel depends on, and where a picture may be cut."""

    pixels: int | None
    """How far away, in input pixels, something can be that it depends on; None without a bound."""
    grid: int
    """The step in which the network treats places alike: 1, or the side of the blocks that it takes together."""
    multiple: int
    """What the height and width of its input must be a multiple of."""


def reach_of(engine: Engine, longest: int = LONGEST) -> Reach:
    """The receptive field of an engine that computes on the CPU in float32, rounded up to whole steps of its grid.

    What is farther away than three eighths of `longest` counts as without a bound.

    Raises LossmithError when the network runs on none of the sizes that are tried.

    >>> from lossmith.networks import network
    >>> reach_of(TorchEngine(network("fcn"), scale=1))
    Reach(pixels=8, grid=1, multiple=1)
    """
    grids = [grid for grid in GRIDS if grid % engine.multiple == 0] or [engine.multiple]
    multiple = 0
    for grid in grids:
        try:
            tall = _thinnest(engine, grid)
        except (RuntimeError, LossmithError) as error:  # a multiple of more may go through
            failure = error
            continue
        multiple = multiple or grid
        pixels = _farthest(engine, grid, tall, longest)
        if pixels is None or grid == grids[-1] or _alike(engine, grid, tall, pixels):
            return Reach(pixels, grid, multiple)
    raise LossmithError(f"model '{engine.name}' runs on none of the sizes tried: {failure}")


def _thinnest(engine: Engine, grid: int) -> int:
    """The least height, of those tried, that the network takes, also when a grid's step is added."""
    heights = [-(-thin // grid) * grid for thin in THIN if thin >= engine.least] or [engine.least]
    for tall in heights:
        try:
            engine(_noise(engine, tall + grid, tall + 2 * grid))
            engine(_noise(engine, tall, tall + grid))
        except (RuntimeError, LossmithError):
            if tall == heights[-1]:
                raise
        else:
            break
    return tall


def _farthest(engine: Engine, grid: int, tall: int, longest: int) -> int | None:
    length = SHORTEST
    while length < max(2 * tall, 8 * grid):
        length *= 2
    while length <= longest:
        across = _spread(engine, grid, tall, length, turned=False)
        down = None if across is None else _spread(engine, grid, tall, length, turned=True)
        if across is not None and down is not None:
            return max(across, down)
        length *= 2
    return None


def _spread(engine: Engine, grid: int, tall: int, length: int, turned: bool) -> int | None:
    """How far a block in the middle of a long thin picture is felt; None when it is felt up to an end."""
    # a wide block, or networks that leave gaps between what they look at would reach over the ends unseen
    start, stop = 3 * length // 8 // grid * grid, 5 * length // 8 // grid * grid
    places = _felt(engine, _noise(engine, tall, length), slice(start, stop), turned).nonzero().flatten()
    if len(places) == 0:
        return 0
    first, last = int(places[0]) // engine.scale, int(places[-1]) // engine.scale
    if first == 0 or last == length - 1:
        return None
    return -(-max(start - first, last - (stop - 1), 0) // grid) * grid


def _felt(engine: Engine, picture: Tensor, block: slice, turned: bool) -> Tensor:
    """Which columns of the output depend on a block of columns."""
    probe = picture.clone()
    if isinstance(engine, TorchEngine):
        probe[..., block] = float("nan")
        felt = _run(engine, probe, turned).isnan()
    else:
        before = _run(engine, picture, turned)
        felt = torch.zeros_like(before, dtype=torch.bool)
        for size in (1e2, -1e4):
            probe[..., block] = size * picture[..., block]
            felt |= _run(engine, probe, turned) != before
    return felt.flatten(0, -2).any(0)


def _alike(engine: Engine, grid: int, tall: int, pixels: int) -> bool:
    """Whether a picture moved by one step of the grid gives the same result, moved."""
    # an odd multiple, so that a larger block would not fit by chance
    length = (2 * (-(-max(pixels + 2 * grid, tall) // grid)) + 17) * grid
    picture = _noise(engine, tall, length)
    inner = slice((pixels + grid) * engine.scale, (length - pixels - grid) * engine.scale)
    for turned in (False, True):
        still = torch.roll(_run(engine, picture, turned), -grid * engine.scale, -1)[..., inner]
        moved = _run(engine, torch.roll(picture, -grid, -1), turned)[..., inner]
        if not torch.allclose(moved, still, rtol=0, atol=1e-4 * float(still.abs().max())):
            return False
    return True


def _noise(engine: Engine, tall: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.25 + 0.5 * torch.rand((1, engine.channels, tall, length), generator=generator)


def _run(engine: Engine, picture: Tensor, turned: bool) -> Tensor:
    """The network on a picture, or on the picture lying down, turned back."""
    return engine(picture.mT.contiguous()).mT if turned else engine(picture)
