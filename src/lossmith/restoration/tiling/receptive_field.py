"""How far a network looks: its exact receptive field, found by experiment.

A value that is not a number, put into one place of the input, makes everything that depends on that place not a
number. So a run through the real network shows its receptive field, whatever its layers are. What runs elsewhere
than in PyTorch may lose such values (vectorised maxima do); there the place is changed by large numbers instead,
and every output that differs in any bit depends on it. What was found is put to the test before it is believed: a
part cut out of an image must give what the whole image gives there.
"""

from dataclasses import dataclass
from math import lcm

import torch
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.tiling.tiles import rounded_up

SHORTEST, LONGEST = 256, 2048
"""Pixels of the first probe and of the longest; a network that looks farther than three eighths of it counts as
looking everywhere."""
COARSEST = 64
"""The largest step in which it is tried whether places are alike, in multiples of what the network takes."""
STEPS = (*(each for each in range(1, 65) if each <= 16 or 2**6 * 3**3 * 5**2 * 7**2 % each == 0), 96, 128, 256)
"""Multiples of what a network declares that are tried, for its sizes and for where it may be cut: all up to 16,
then products of 2, 3, 5 and 7."""
QUICK, TRIED = 16, (64, 256)
"""About which sides a network is tried: without and with the question what they must be a multiple of."""
THIN = (4, 16, 64, 192)
"""Heights of probes; the least that the network takes will do, for its length is what is looked at."""


@dataclass(frozen=True)
class Sizes:
    """Which images a network takes."""

    multiple: int
    """What the height and width of its input must be a multiple of."""
    least: int
    """The smallest height and width that it takes."""


@dataclass(frozen=True)
class ReceptiveField:
    """What an output pixel depends on, and where an image may be cut."""

    pixels: int | None
    """How far away, in input pixels, something can be that it depends on; None without a bound."""
    stride: int
    """The step in which the network treats places alike: 1, or the side of the blocks that it takes together."""
    multiple: int
    """What the height and width of its input must be a multiple of."""


def sizes_of(engine: Engine) -> Sizes:
    """The sizes that an engine takes, found by trying; what it declares itself is believed.

    Raises LossmithError when the network runs on none of the sizes that are tried.

    >>> sizes_of(TorchEngine(torch.nn.Sequential(torch.nn.PixelUnshuffle(2), torch.nn.PixelShuffle(2)), scale=1))
    Sizes(multiple=2, least=2)
    """
    if engine.size is not None:
        return Sizes(1, 1)
    quick = rounded_up(max(QUICK, engine.minimum), engine.multiple_of)
    if not _failure(engine, *_around(quick, engine.multiple_of)):
        return Sizes(engine.multiple_of, _least(engine, engine.multiple_of, quick))
    failure: Exception | None = None
    for about in TRIED:
        for multiple in (engine.multiple_of * each for each in STEPS if engine.multiple_of * each <= max(TRIED)):
            side = rounded_up(max(about, engine.minimum), multiple)
            failure = _failure(engine, *_around(side, multiple))
            if failure is None:
                return Sizes(multiple, _least(engine, multiple, side))
    said = str(failure).partition("\n")[0] or type(failure).__name__
    raise LossmithError(f"model '{engine.name}' runs on none of the sizes tried: {said}") from failure


def _around(side: int, multiple: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Heights and widths that nothing takes whose sides must be multiples of anything else."""
    return (side, side + multiple), (side + multiple, side + 2 * multiple)


def _least(engine: Engine, multiple: int, works: int) -> int:
    """The smallest side from which on the network runs, if it runs on `works`: the declared one, or by halving."""
    fails, runs = -(-engine.minimum // multiple) - 1, works // multiple
    middle = fails + 1
    while fails + 1 < runs:
        if _failure(engine, (middle * multiple, middle * multiple)):
            fails = middle
        else:
            runs = middle
        middle = (fails + runs) // 2
    return runs * multiple


def _failure(engine: Engine, *sizes: tuple[int, int]) -> Exception | None:
    """What a network raises on images of these sizes."""
    try:
        for tall, wide in sizes:
            engine(_noise(engine, tall, wide))
    except Exception as error:  # networks refuse sizes in every way there is
        if out_of_memory(error):
            raise
        return error
    return None


def measure_receptive_field(engine: Engine, longest: int = LONGEST, sizes: Sizes | None = None) -> ReceptiveField:
    """The receptive field of an engine that computes on the CPU in float32, rounded up to whole steps of its grid.

    What is farther away than three eighths of `longest` counts as without a bound, and so does a network to which
    no two places are alike.

    Raises LossmithError when the network runs on none of the sizes that are tried.

    >>> from lossmith.networks import network
    >>> measure_receptive_field(TorchEngine(network("fcn"), scale=1))
    ReceptiveField(pixels=8, stride=1, multiple=1)
    """
    sizes = sizes or sizes_of(engine)
    multiple = sizes.multiple
    everywhere = ReceptiveField(None, multiple, multiple)
    try:
        tall = _thinnest(engine, sizes)
        pixels = _farthest(engine, multiple, tall, longest)
        if pixels is None:
            return everywhere
        grid = _grid(engine, multiple, tall, pixels)
        if grid is None:
            return everywhere
        if grid > multiple:  # whole blocks are felt as one
            pixels = _farthest(engine, grid, tall, longest)
    except Exception as error:
        if not out_of_memory(error):
            raise
        return everywhere
    return ReceptiveField(pixels, grid, multiple)


def reach_within(engine: Engine) -> ReceptiveField:
    """The receptive field of an engine that takes images of one size only, as far as that shows it."""
    assert engine.size is not None
    fields, steps = [], []
    for turned in (False, True):
        tall, length = engine.size[::-1] if turned else engine.size
        image = _noise(engine, tall, length)
        far = _beyond(engine, image, turned)
        step = (
            None
            if far is None
            else next((each for each in STEPS if _is_alike(engine, image, each, far, turned)), None)
        )
        if far is None or step is None:
            return ReceptiveField(None, 1, 1)
        fields.append(far)
        steps.append(step)
    grid = lcm(*steps)
    return ReceptiveField(rounded_up(max(fields), grid), grid, 1)


def _beyond(engine: Engine, image: Tensor, turned: bool) -> int | None:
    """How far one half of an image is felt in the other; None when it is felt up to the end."""
    length = image.shape[-1]
    half, far = length // 2, 0
    for block, other in ((slice(half, length), slice(0, half)), (slice(0, half), slice(half, length))):
        felt = _felt(engine, image, block, turned)[other.start * engine.scale : other.stop * engine.scale]
        places = felt.nonzero().flatten() // engine.scale
        if len(places):
            far = max(far, half - int(places[0]) if other.start == 0 else int(places[-1]) + 1)
    return None if far >= min(half, length - half) else far


def _is_alike(engine: Engine, image: Tensor, step: int, pixels: int, turned: bool) -> bool:
    """Whether an image moved by a step gives the same result, moved."""
    first, last = pixels + step, image.shape[-1] - pixels - step
    if last - first < step:
        return False
    moved = _run(engine, torch.roll(image, -step, -1), turned)
    still = torch.roll(_run(engine, image, turned), -step * engine.scale, -1)
    inner = slice(first * engine.scale, last * engine.scale)
    return _same(moved[..., inner], still[..., inner])


def _thinnest(engine: Engine, sizes: Sizes) -> int:
    """The height of probes."""
    return next(
        (tall for thin in THIN if (tall := rounded_up(thin, sizes.multiple)) >= sizes.least),
        rounded_up(sizes.least, sizes.multiple),
    )


def _farthest(engine: Engine, grid: int, tall: int, longest: int) -> int | None:
    """How far a block is felt; the longest probe of all shows what leaps over the ends of shorter ones."""
    length = SHORTEST
    while length < max(2 * tall, 8 * grid):
        length *= 2
    while length <= longest:
        felt = _felt_around(engine, grid, tall, length)
        if felt is not None:
            return felt if length == longest else _felt_around(engine, grid, tall, longest)
        length *= 2
    return None


def _felt_around(engine: Engine, grid: int, tall: int, length: int) -> int | None:
    length = length // grid * grid
    across = _spread(engine, grid, tall, length, turned=False)
    down = None if across is None else _spread(engine, grid, tall, length, turned=True)
    return None if across is None or down is None else max(across, down)


def _spread(engine: Engine, grid: int, tall: int, length: int, turned: bool) -> int | None:
    """How far a block in the middle of a long thin image is felt; None when it is felt up to an end."""
    # a wide block, or networks that leave gaps between what they look at would reach over the ends unseen
    start, stop = 3 * length // 8 // grid * grid, 5 * length // 8 // grid * grid
    places = _felt(engine, _noise(engine, tall, length), slice(start, stop), turned).nonzero().flatten()
    if len(places) == 0:
        return 0
    first, last = int(places[0]) // engine.scale, int(places[-1]) // engine.scale
    if first == 0 or last == length - 1:
        return None
    return rounded_up(max(start - first, last - (stop - 1), 0), grid)


def _felt(engine: Engine, image: Tensor, block: slice, turned: bool) -> Tensor:
    """Which columns of the output depend on a block of columns."""
    probe = image.clone()
    if isinstance(engine, TorchEngine):
        probe[..., block] = float("nan")
        felt = _run(engine, probe, turned).isnan()
    else:
        before = _run(engine, image, turned)
        felt = torch.zeros_like(before, dtype=torch.bool)
        for size in (1e2, -1e4):
            probe[..., block] = size * image[..., block]
            felt |= _run(engine, probe, turned) != before
    return felt.flatten(0, -2).any(0)


def _grid(engine: Engine, multiple: int, tall: int, pixels: int) -> int | None:
    """The least step on which an image may be cut with no change `pixels` away from the cut; None without one."""
    down, across = (_step(engine, multiple, tall, pixels, turned) for turned in (True, False))
    return None if down is None or across is None else lcm(down, across)


def _step(engine: Engine, multiple: int, tall: int, pixels: int, turned: bool) -> int | None:
    steps = [multiple * each for each in STEPS if each <= COARSEST]
    enough = (2 * rounded_up(pixels, steps[-1]) + 4 * steps[-1]) // multiple
    # several lengths: what is aligned at its far end, or at both, is so at other places in each of them
    images = [_noise(engine, tall, multiple * (enough + more)) for more in range(1, 4)]
    wholes = [(image, _run(engine, image, turned)) for image in images]
    return next(
        (
            step
            for step in steps
            if all(_may_be_cut(engine, image, whole, step, pixels, turned) for image, whole in wholes)
        ),
        None,
    )


def _may_be_cut(engine: Engine, image: Tensor, whole: Tensor, step: int, pixels: int, turned: bool) -> bool:
    """Whether parts that begin on a step, and end on one or with the image, give what the whole gives there."""
    length, halo = image.shape[-1], rounded_up(pixels, step)
    inner = step + (length - 1 - step) // step * step
    for end, trusted in ((inner, inner - halo), (length, length)):
        part = _run(engine, image[..., step:end].contiguous(), turned)
        ours, wanted = (
            values[..., engine.scale * (step + halo - start) : engine.scale * (trusted - start)]
            for values, start in ((part, step), (whole, 0))
        )
        if not _same(ours, wanted):
            return False
    return True


def _same(ours: Tensor, wanted: Tensor) -> bool:
    """Whether they are equal but for float rounding."""
    return torch.allclose(ours, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def _noise(engine: Engine, tall: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.25 + 0.5 * torch.rand((1, engine.channels, tall, length), generator=generator)


def _run(engine: Engine, image: Tensor, turned: bool) -> Tensor:
    """The network on an image, or on the image lying down, turned back."""
    return engine(image.mT.contiguous()).mT if turned else engine(image)
